"""What the components, tables and files of the Sudoku page are given."""

import csv
import io
import json
import math

import pytest
import torch

from mi_core.results import MIResult
from mi_core.sudoku.board import CELLS, parse
from pages.ui import payload

BOARD = "12" + "." * 79


def result(mi: torch.Tensor, board: str = BOARD) -> MIResult:
    tokens = parse(board, check=False)
    return MIResult(
        mi=mi,
        masked=tokens == 9,
        entropy=torch.ones(CELLS, dtype=torch.float64),
        log_probs=beliefs(),
        tokens=tokens,
        model="hand",
        estimator="hand",
        form="averaged",
        passes=1,
        seconds=0.5,
    )


def beliefs() -> torch.Tensor:
    return torch.full((CELLS, 9), -math.log(9), dtype=torch.float64)


def matrix(**pairs: float) -> torch.Tensor:
    """matrix(p2_5=.7): cells 2 and 5 share .7 nats."""
    mi = torch.zeros(CELLS, CELLS, dtype=torch.float64)
    for name, value in pairs.items():
        i, j = map(int, name[1:].split("_"))
        mi[i, j] = mi[j, i] = value
    return mi


def test_the_condensed_triangle_runs_over_the_open_cells_row_by_row():
    data = payload.workbench(BOARD, beliefs(), estimate=result(matrix(p2_3=0.5, p3_4=0.25, p79_80=0.125)))
    assert data["open"] == list(range(2, CELLS))
    assert len(data["estimate"]) == 79 * 78 // 2
    assert data["estimate"][0] == 0.5  # first open pair
    assert data["estimate"][78] == 0.25  # 78 pairs of cell 2, then (3, 4)
    assert data["estimate"][-1] == 0.125
    assert data["truth"] is None


def test_the_payload_is_json_and_small():
    board = "." * CELLS
    everything = result(torch.rand(CELLS, CELLS, dtype=torch.float64), board)
    conditionals = beliefs()[None].expand(9, -1, -1)
    data = payload.workbench(board, beliefs(), estimate=everything, truth=everything, pin=3, conditionals=conditionals)
    assert len(json.dumps(data, allow_nan=False)) < 200_000


def test_marks_are_probabilities_cell_by_cell():
    sharp = beliefs()
    sharp[4] = torch.tensor([0.0, *[-math.inf] * 8])
    data = payload.workbench(BOARD, sharp)
    assert data["marks"][36:45] == [1.0, *[0.0] * 8]
    assert data["entropy"][4] == 0 and data["entropy"][5] == pytest.approx(math.log(9), abs=1e-4)


@pytest.mark.parametrize(("name", "line", "cell"), [("row", 1, 1), ("column", 1, 9), ("box", 3, 9)])
def test_each_order_is_a_permutation_with_nine_names(name, line, cell):
    order = payload.order(name)
    assert sorted(order["lines"]) == list(range(CELLS))
    assert order["lines"][line] == cell
    assert len(order["names"]) == 9


def test_colour_limits_are_fixed_unless_asked_otherwise():
    weak, strong = result(matrix(p2_3=0.1)), result(matrix(p2_3=0.4))
    assert payload.scale("ln2", weak, strong)["high"] == pytest.approx(math.log(2))
    assert payload.scale("ln9", weak, strong)["high"] == pytest.approx(math.log(9))
    board = payload.scale("board", weak, strong)
    assert board["high"] == pytest.approx(0.4) and board["difference"] == pytest.approx(0.3)
    assert payload.scale("board", None, None)["high"] > 0, "an empty range has no colours"


def test_what_if_measures_how_far_beliefs_move():
    conditionals = beliefs()[None].repeat(9, 1, 1)
    conditionals[2, 5] = torch.tensor([0.0, *[-math.inf] * 8])  # the third digit settles cell 5
    moved = payload.what_if(7, beliefs(), conditionals)
    assert moved["cell"] == 7
    assert moved["moves"][2][5] == pytest.approx(math.log(9), abs=1e-4)
    assert moved["moves"][2][6] == 0 and moved["moves"][1][5] == 0
    assert moved["marks"][2][45] == 1


def test_what_if_of_the_impossible_stays_finite():
    sure = beliefs()
    sure[5] = torch.tensor([0.0, *[-math.inf] * 8])
    moved = payload.what_if(7, sure, beliefs()[None].repeat(9, 1, 1))
    json.dumps(moved, allow_nan=False)


def test_rows_are_ranked_by_the_truth_and_name_the_relation():
    truth, estimate = result(matrix(p2_3=0.2, p2_80=0.6)), result(matrix(p2_3=0.5))
    rows = payload.pair_rows(estimate, truth, count=2)
    assert [row["Cells"] for row in rows] == ["r1c3 · r9c9", "r1c3 · r1c4"]
    assert rows[0] == {"Cells": "r1c3 · r9c9", "Estimate": 0.0, "Truth": 0.6, "Relation": "not peers"}
    assert rows[1]["Relation"] == "same row"


def test_rows_of_a_pinned_cell_name_it_first():
    rows = payload.pair_rows(None, result(matrix(p2_3=0.2, p4_3=0.1, p5_6=0.9)), pin=3, count=2)
    assert [row["Cells"] for row in rows] == ["r1c4 · r1c3", "r1c4 · r1c5"]
    assert rows[0]["Estimate"] is None


def test_no_result_no_rows():
    assert payload.pair_rows(None, None) == []


def test_the_csv_holds_every_open_pair_once():
    text = payload.pairs_csv(result(matrix(p2_3=0.5)), None)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 79 * 78 // 2
    assert rows[0]["cell_1"] == "r1c3" and rows[0]["cell_2"] == "r1c4"
    assert rows[0]["estimate"] == "0.500000" and rows[0]["truth"] == ""
    assert rows[0]["relation"] == "same row"


def test_the_npz_loads_back(tmp_path):
    original = result(matrix(p2_3=0.5))
    path = tmp_path / "mi.npz"
    path.write_bytes(payload.npz(original))
    again = MIResult.load(path)
    assert torch.equal(again.mi, original.mi) and torch.equal(again.tokens, original.tokens)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0.4 ms"), (0.012, "12 ms"), (3.14, "3.1 s"), (125.0, "2 min 5 s")]
)
def test_durations_read_well(seconds, text):
    assert payload.duration(seconds) == text
