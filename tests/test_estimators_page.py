"""The Estimators page without a browser: a stored study at once, a state of one's own, a case in full, samples."""

import json
import math
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.benchmarks.report import read_record
from mi_core.catalog import ASSETS
from mi_core.estimators.summary import cell_centres
from mi_core.samples import gaussian_samples, noisy_copy
from pages.ui.estimators import RECORDS

APP = Path(__file__).resolve().parents[1] / "app.py"


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("pages/8_Estimators.py").run()
    assert not app.exception
    return app


def wait(app: AppTest, job: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while job in app.session_state and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()
    assert not app.exception


@pytest.mark.parametrize("source", RECORDS)
def test_a_stored_study_is_shown_at_once(source: str) -> None:
    study = read_record(ASSETS / "results" / RECORDS[source])["result"]
    app = open_page(es_source=source)
    assert not app.error
    cost = json.loads(app.get("plotly_chart")[0].proto.spec)
    low, high = cost["layout"]["xaxis"]["range"]
    assert all(low < math.log10(row["passes"]) < high for row in study["estimators"] if not row["refused"])
    table = app.dataframe[0].value
    assert len(table) == sum(not row["refused"] for row in study["estimators"])
    (stored,) = [row for row in study["estimators"] if row["name"] == "probing-mixture"]
    shown = table.set_index("Estimator").loc["Probing, mixture"]
    assert shown["Spearman"] == stored["spearman"] and shown["Passes"] == stored["passes"]
    assert any("trained on" in caption.value for caption in app.caption)
    for quality in ("R²", "AUROC above the noise"):
        app.segmented_control(key="es_quality").set_value(quality).run()
        assert not app.exception


def test_a_fit_worse_than_the_mean_is_drawn_as_such() -> None:
    source = "ESM-C Kunitz, other families"
    study = read_record(ASSETS / "results" / RECORDS[source])["result"]
    app = open_page(es_source=source)
    app.selectbox(key="es_estimator").select("Probing, entropy difference").run()
    (stored,) = [row for row in study["estimators"] if row["name"] == "probing-paper"]
    specs = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    (chart,) = [spec for spec in specs if "share of positions open" in str(spec["layout"].get("title"))]
    assert chart["data"][1]["y"] == [band["r2"] for band in stored["by_ratio"]]
    assert min(chart["data"][1]["y"]) < chart["layout"]["yaxis"]["range"][0] == -1


def test_an_own_state_is_compared_and_its_case_shown() -> None:
    app = open_page(es_source="A state of your own", es_model="copied-bits")
    assert not app.dataframe
    app.button(key="es_run").click().run()
    wait(app, "es_job")
    table = app.dataframe[0].value
    assert "Sampled probing draws=4" in list(table["Estimator"])
    assert any("cannot be differentiated" in caption.value for caption in app.caption)
    app.selectbox(key="es_estimator").select("Sampled probing draws=2").run()
    app.button(key="es_worst_0").click().run()
    wait(app, "es_case_job")
    assert any(caption.value.startswith("Farthest off: ") for caption in app.caption)
    assert app.code[0].value.strip() == "1 ...."


def test_a_state_that_cannot_be_read_is_one_sentence() -> None:
    app = open_page(es_source="A state of your own", es_model="copied-bits", es_state_copied_bits="")
    app.text_input(key="es_state_copied-bits").set_value("012x").run()
    assert not app.exception and "not one of 01" in app.error[0].value
    app = open_page(es_source="A state of your own", es_board="123")
    assert not app.exception and "needs 81" in app.error[0].value


def test_samples_stand_beside_the_truth() -> None:
    app = open_page(es_section="MI from samples")
    shown = {metric.label: metric.value for metric in app.metric}
    assert set(shown) >= {"plug-in", "Miller-Madow", "True MI, nats"}
    app.segmented_control(key="es_from").set_value("Two correlated numbers").run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["True MI, nats"] == f"{gaussian_samples(20, correlation=0.6)[1]:.4f}" and "KSG" in shown
    app.segmented_control(key="es_from").set_value("Two cells of a board").run()
    assert not app.exception and not app.error and "plug-in" in {metric.label for metric in app.metric}


FILES = {
    "words among numbers": (b"1,2\n2,x\n" * 10, "mixes numbers with text"),
    "NaN": (b"1.5,2.5\nnan,1.5\n" * 10, "NaN or infinite"),
    "one column": (b"1\n2\n" * 10, "two columns"),
    "constant": (b"1,1\n1,2\n" * 10, "constant"),
    "binary": (bytes(range(256)) * 10, "text"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_one_sentence(name: str) -> None:
    content, sentence = FILES[name]
    app = open_page(es_section="MI from samples", es_from="CSV file")
    app.file_uploader(key="es_file").set_value(("s.csv", content, "text/csv")).run()
    assert not app.exception and sentence in app.error[0].value


def test_a_good_file_is_answered() -> None:
    app = open_page(es_section="MI from samples", es_from="CSV file")
    rows = "\n".join(f"{k % 2},{k % 4}" for k in range(40)).encode()
    app.file_uploader(key="es_file").set_value(("s.csv", rows, "text/csv")).run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["plug-in"] == "0.6931" and shown["True MI, nats"] == "not known"


def test_the_density_axis_and_the_noisy_copy() -> None:
    centres = cell_centres()
    assert 1e-5 < centres[0] < centres[-1] < 2.5 and centres == sorted(centres)
    assert noisy_copy(4, 1.0).diagonal().tolist() == [0.25] * 4
