"""The tuning page without a browser: it compares, shows identity, keeps its state in the address; bad input."""

import json
import time
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from mi_core.likelihood import ask, mutation_scan
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable
from mi_core.protein_view import of_chain, of_record
from mi_core.proteins.presets import load_preset
from mi_core.proteins.sequence import VOCAB as RESIDUES
from mi_core.proteins.sequence import parse
from mi_core.sudoku.diagonals import EXAMPLES
from mi_core.tuning import Tuning, compare
from pages.ui import mutations, tuning_payload
from pages.ui.tuning_payload import Shown

APP = Path(__file__).resolve().parents[1] / "app.py"
SMALL = {"wt_given": "90", "wt_passes": "128", "wt_against_sudoku": "711"}  # another grid would open most cells


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in (SMALL | query).items():
        app.query_params[name] = value
    app.switch_page("pages/9_What_did_the_tuning_change.py").run()
    assert not app.exception
    return app


def compared(app: AppTest, seconds: float = 90) -> AppTest:
    app.button(key="wt_run").click().run()
    deadline = time.monotonic() + seconds
    while "wt_job" in app.session_state and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()
    assert not app.exception and not app.error
    return app


def shown(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_a_grid_is_compared_and_found_again():
    app = compared(open_page())
    values = shown(app)
    assert values["Reward, nats"][0] in "+-" and "±" in values["Margin over the other, nats"]
    assert 0 <= float(values["KL of a position, nats"]) and 0 < float(values["Entropy of q over mutants"]) <= 1
    assert any("moved by more than both models' noise floors" in caption.value for caption in app.caption)
    assert len(app.dataframe) == 2
    again = open_page()
    assert shown(again) == values, "another session finds it at once"
    again.number_input(key="wt_seed").set_value(5).run()
    assert not again.metric, "another seed gives other cells"


def test_a_model_against_itself_is_nothing():
    app = compared(open_page(wt_tuned_sudoku="Sudoku"))
    values = shown(app)
    assert values["Reward, nats"] == "+0.00 ± 0.00" == values["Margin over the other, nats"]
    assert values["KL of a position, nats"] == "0.0000" and values["Entropy of q over mutants"] == "1.000"
    assert any("Nothing changed" in caption.value for caption in app.caption)


def test_a_run_can_be_cancelled():
    app = open_page(wt_given="0", wt_passes="2048")
    app.button(key="wt_run").click().run()
    assert "wt_job" in app.session_state
    app.button(key="wt_cancel").click().run()
    assert not app.exception and "wt_job" not in app.session_state and not app.metric


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"wt_board": "Own grid", "wt_grid": "123"}, "81"),
        ({"wt_board": "Own grid", "wt_grid": "." * 81}, "open positions"),
        ({"wt_against_sudoku": "5r1"}, "no mutation"),
        ({"wt_against_sudoku": EXAMPLES["ordinary"][1] + "1"}, "81"),
        ({"wt_kind": "Protein", "wt_protein": "Own sequence", "wt_letters": "AXB1"}, ""),
        ({"wt_kind": "Protein", "wt_against_protein": "W1A"}, "holds R"),
    ],
    ids=["short", "open", "mutation", "long", "letters", "wild type"],
)
def test_what_cannot_be_compared_is_one_sentence(query: dict[str, str], told: str):
    app = open_page(**query)
    if not app.error:
        app.button(key="wt_run").click().run()
    assert len(app.error) == 1 and told in app.error[0].value and "\n" not in app.error[0].value


# What the benches are given


def table(seed: int, size: int) -> ExactModel:
    """Three residues' joint over the 20 amino acids, as a protein model."""
    probs = torch.rand([20] * size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.01
    model = ExactModel(JointTable(probs), name=f"table {seed}")
    model.vocab = RESIDUES
    return model


@pytest.fixture(scope="module")
def peptide() -> Shown:
    tuned, reference = table(1, 3), table(2, 3)
    question = ask(tuned, RESIDUES.encode("ACD"))
    report = compare(tuned, reference, question, passes=12)
    return Shown(report, RESIDUES.symbols, of_record(parse("ACD")))


def test_the_bench_of_a_peptide(peptide: Shown):
    for layer in ("reward", "kl", "entropy"):
        data = tuning_payload.bench(peptide, layer, pin=1, seen=7)
        json.dumps(data)
        assert (data["letters"], data["given"], data["pin"], data["board"]) == ("ACD", "000", 1, False)
        assert len(data["values"]["of"]) == 3 and data["values"]["high"] >= max(map(abs, data["values"]["of"]))
    change = data["change"]
    assert change["open"] == [0, 1, 2] and len(change["difference"]) == 3 == len(change["real"])
    assert change["difference"][0] == pytest.approx(float(peptide.report.change.difference[0, 1]), abs=1e-5)
    assert all(text.startswith("q: ") for text in data["tops"]) and data["structure"] is None


def test_the_tables_name_residues(peptide: Shown):
    rows = tuning_payload.pair_rows(peptide, pin=2)
    assert {row["Pair"] for row in rows} == {"A1 · D3", "C2 · D3"}
    assert len(tuning_payload.pair_rows(peptide)) == 3
    best = tuning_payload.mutant_rows(peptide, 3)
    assert best[0]["Reward"] >= best[1]["Reward"] and " → " in best[0]["Mutant"]


def test_a_boards_cells_carry_q(monkeypatch: pytest.MonkeyPatch):
    """Four of 81 cells are open: the marks of the others are 0, and the open ones' sum to 1."""
    tokens = torch.tensor([int(digit) - 1 for digit in EXAMPLES["diagonal"][1]])
    report = _board_report(tokens)
    data = tuning_payload.bench(Shown(report, tuple("123456789")), "q", pin=None, seen=0)
    marks = torch.tensor(data["marks"]).reshape(81, 9).sum(1)
    assert marks[:4].tolist() == pytest.approx([1, 1, 1, 1], abs=1e-3) and not marks[4:].any()
    assert data["given"] == "0000" + "1" * 77 and data["values"]["of"][10] is None


def _board_report(tokens: torch.Tensor) -> Tuning:
    from mi_core import catalog

    model, reference = catalog.load_model("sudoku-diagonal"), catalog.load_model("sudoku")
    return compare(model, reference, ask(model, tokens, context=range(4, 81)), passes=4)


def test_the_scan_of_a_chain_carries_its_structure():
    protein = of_chain(load_preset("crambin"), "Crambin")
    model = ExactModel(exact.independent([[0.05] * 20] * 2), name="flat")
    model.vocab = RESIDUES
    scan = mutation_scan(model, ask(model, RESIDUES.encode("AC")))
    pair = of_record(parse("ACD"))
    data = mutations.payload(pair, scan, pin=None, seen=0)
    json.dumps(data)
    assert data["scores"][0] == [0.0] * 20 and data["scores"][2] is None and data["mean"][1] == 0 and data["high"] == 1
    assert data["structure"] is None
    assert mutations.payload(protein, scan, pin=3, seen=0)["structure"]["trace"]
