"""Benchmark records as curves, and the page that shows them."""

import csv
import io
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from mi_core.benchmarks.standings import DIVERGENCE, Standings, pareto, read_standings
from mi_core.errors import FormatError
from pages.ui import benchmark

APP = Path(__file__).resolve().parents[1] / "app.py"
NUMBERS = st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float))


def row(strategy: str, nfe: float, share: float, source: str | None = None, **params: float) -> dict[str, object]:
    interval = [max(0.0, share - 0.05), min(1.0, share + 0.05)]
    return {
        "strategy": strategy,
        "params": params,
        "mi_source": source,
        "nfe": nfe,
        "nfe_ci": [nfe - 0.5, nfe + 0.5],
        "n": 100,
        "solved": share,
        "solved_ci": interval,
        "by_technique": [["naked single", 40, 50], ["beyond these", 0, 50]],
    }


@pytest.fixture
def standings(tmp_path: Path) -> Standings:
    rows = [
        row("sequential", 50, 0.9),
        row("threshold", 9, 0.9, tau=0.99),
        row("threshold", 5, 0.7, tau=0.9),
        row("dapd", 6, 0.6, source="attention", tau=0.1),
        row("dapd", 7, 0.95, source="head-marginals", tau=0.1),
        row("punt", 60, 0.2, eps=0.04),
    ]
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"command": "bench", "date": "2026-01-01", "machine": "test", "result": rows}))
    return read_standings(path, "solved")


def test_curves_are_by_strategy_and_source_in_order_of_passes(standings: Standings) -> None:
    titles = [curve[0].title for curve in standings.curves]
    assert titles == [
        "Sequential",
        "Confidence threshold",
        "DAPD independent set, attention",
        "DAPD independent set",
        "PUNT",
    ]
    assert [p.nfe for p in standings.curves[1]] == [5, 9]


def test_a_second_knob_makes_curves_of_its_own(tmp_path: Path) -> None:
    rows = [
        row("mi-guided", 5 + g, 0.5, source="head-marginals", gamma=g, lam=lam) for lam in (1, 10) for g in (1, 2, 4)
    ]
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"command": "", "date": "", "machine": "", "result": rows}))
    curves = read_standings(path, "solved").curves
    assert [(c[0].title, len(c)) for c in curves] == [("MI-guided, lambda 1", 3), ("MI-guided, lambda 10", 3)]


def test_the_front_holds_what_nothing_beats(standings: Standings) -> None:
    assert [(p.strategy, p.nfe) for p in standings.front] == [("threshold", 5), ("dapd", 7)]


@given(st.lists(NUMBERS, min_size=1, max_size=12))
def test_pareto_against_the_definition(points: list[tuple[float, float]]) -> None:
    on = pareto(points)
    assert any(on)
    for k, (cost, quality) in enumerate(points):
        beaten = any(c <= cost and q >= quality and (c < cost or q > quality) for c, q in points)
        assert on[k] is not beaten


def test_the_csv_holds_every_setting(standings: Standings) -> None:
    rows = list(csv.DictReader(io.StringIO(standings.to_csv())))
    assert len(rows) == 6 and rows[1]["knobs"] == "tau 0.99" and float(rows[1]["solved"]) == 0.9


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    path.write_text(json.dumps({"command": "", "date": "", "machine": "", "result": {"head": 1}}))
    with pytest.raises(FormatError, match="holds no curves"):
        read_standings(path, "solved")


def test_the_figure_has_a_curve_each_with_its_interval(standings: Standings) -> None:
    drawn = benchmark.figure(standings, "Solved exactly", "#000000")
    assert drawn.data[0].name == "best for its passes"
    assert len(drawn.data) == 1 + len(standings.curves)
    threshold = drawn.data[2]
    assert list(threshold.x) == [5, 9] and list(threshold.error_y.array) == pytest.approx([5, 5])
    assert list(threshold.marker.size) == [12, 8], "the one on the front is larger"


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("pages/3_Benchmark.py").run()
    return app


def test_the_page_opens_on_the_shipped_results() -> None:
    app = open_page()
    assert not app.exception and not app.error
    assert len(app.get("plotly_chart")) == 1 and app.dataframe
    assert app.code[0].value.startswith("python -m mi_core bench sudoku")


@pytest.mark.parametrize(
    "regime", [r for r, spec in benchmark.REGIMES.items() if (benchmark.RESULTS / spec[0]).is_file()]
)
def test_every_regime_is_in_the_link(regime: str) -> None:
    app = open_page(be_boards=regime)
    assert not app.exception and not app.error
    assert benchmark.REGIMES[regime][2] in [caption.value for caption in app.caption]


def test_of_divergences_the_least_are_best(tmp_path: Path) -> None:
    shared = {"params": {}, "mi_source": None, "n": 5, "nfe_ci": [1, 1]}
    rows = [
        {"strategy": None, "nfe": None, "jsd_pairs": 0.01},  # natural sequences are no contestant
        {"strategy": "sequential", "nfe": 50, "jsd_pairs": 0.06, **shared},
        {"strategy": "margin", "nfe": 60, "jsd_pairs": 0.07, **shared},
        {"strategy": "top-k", "nfe": 10, "jsd_pairs": 0.09, **shared},
    ]
    path = tmp_path / "designs.json"
    path.write_text(json.dumps({"command": "", "date": "", "machine": "", "result": rows}))
    standings = read_standings(path, DIVERGENCE)
    assert [p.strategy for p in standings.front] == ["top-k", "sequential"]
    drawn = benchmark.figure(standings, "Divergence", "#000000")
    assert list(drawn.data[0].y) == [0.09, 0.06], "nats, not per cent"


def test_failures_are_shown_by_blanks_too() -> None:
    app = open_page(be_split="By blanks")
    assert not app.exception
    columns = app.dataframe[1].value.columns
    assert any(column.startswith("55 (") for column in columns)


def finish(app: AppTest, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while "be_job" in app.session_state and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()


def test_a_small_case_runs_and_reports() -> None:
    app = open_page(be_boards="One solution")
    app.selectbox(key="be_strategy").select("Confidence threshold").run()
    app.number_input(key="be_threshold_tau").set_value(0.0).run()
    app.number_input(key="be_count").set_value(5).run()
    app.button(key="be_run").click().run()
    finish(app)
    assert not app.exception and not app.error
    (told,) = [text.value for text in app.markdown if "boards at" in text.value]
    assert "% solved" in told and "of 5 boards at 1.0 passes" in told


def test_a_small_case_can_be_cancelled() -> None:
    app = open_page(be_boards="One solution")
    app.number_input(key="be_count").set_value(100).run()
    app.button(key="be_run").click().run()
    job = app.session_state["be_job"]
    app.button(key="be_cancel").click().run()
    assert not job.running and job.result is None, "it stopped, it did not finish unseen"
    assert not app.exception and "be_job" not in app.session_state
    assert app.button(key="be_run") and not any("boards at" in text.value for text in app.markdown)


def test_without_results_the_page_says_how_to_make_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path)
    app = open_page()
    assert not app.exception and "There are no stored results" in app.info[0].value


def test_a_damaged_record_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path)
    (tmp_path / "sudoku_decoding.json").write_text("{}")
    app = open_page()
    (error,) = app.error
    assert not app.exception and "sudoku_decoding.json is not a record" in error.value
