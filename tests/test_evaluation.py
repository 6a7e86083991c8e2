"""Benchmarks count what they say they count, and docs/measured.md shows what was stored."""

import json
from pathlib import Path

import pytest
import torch

from mi_core import catalog
from mi_core.benchmarks.evaluation import (
    Contestant,
    bench_cut,
    bench_estimator,
    bench_generate,
    bench_speed,
    bench_sudoku,
    mean,
    share,
)
from mi_core.benchmarks.report import document, read_record, write_record
from mi_core.errors import FormatError, InputError
from mi_core.head import build_head, config_for
from mi_core.models.protocol import ModelOutput
from mi_core.models.sudoku import SudokuConfig, SudokuModel, SudokuNetwork
from mi_core.probing import probe
from mi_core.sources import HeadSource
from mi_core.sudoku.board import VOCAB, from_digits, to_digits
from mi_core.sudoku.presets import PRESETS
from mi_core.sudoku.sets import PuzzleSet, load_set
from mi_core.sudoku.solver import Solver
from mi_core.training.labels import random_states

ROOT = Path(__file__).resolve().parents[1]


def test_intervals() -> None:
    value, (low, high) = share(50, 100)
    assert value == 0.5 and (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # Wilson, by hand
    assert share(0, 20)[1] == pytest.approx([0.0, 0.1611], abs=1e-4)
    centre, (low, high) = mean([1.0, 2.0, 3.0])
    assert centre == 2 and (low, high) == pytest.approx((2 - 1.96 / 3**0.5, 2 + 1.96 / 3**0.5), abs=1e-3)
    assert mean([4.0]) == (4.0, [4.0, 4.0])


# r4c6, r4c9, r5c6 and r5c9 hold 1 and 9 in either of two ways
TWO_WAYS = PRESETS["rectangle"].tokens


def test_solved_and_valid_are_told_apart() -> None:
    """Of a board's two solutions both are valid, and exactly one is the one in the file."""
    first, second = (from_digits(grid) for grid in Solver().solutions(to_digits(TWO_WAYS), limit=5))
    rows = []
    for solution in (first, second):
        start = torch.where(first == second, first, VOCAB.mask_id)
        puzzles = PuzzleSet("two", start[None], solution[None], (4,), ("",), (2,))
        contestants = [Contestant("sequential", {}), Contestant("top-k", {"k": 4})]
        rows.append(bench_sudoku(catalog.load_model("sudoku"), puzzles, contestants, source_of=lambda _: None))
    sequential = [row[0] for row in rows]
    assert sorted(row["by_blanks"][0][1] for row in sequential) == [0, 1] and sequential[0]["by_technique"] == []
    assert [row["nfe"] for row in sequential] == [4, 4] and rows[0][1]["nfe"] == 1
    assert [row["valid"] for row in sequential] == [1.0, 1.0]
    assert sorted(row["solved"] for row in sequential) == [0.0, 1.0]


def test_generation_counts_valid_and_distinct_grids() -> None:
    model = catalog.load_model("sudoku")
    source = HeadSource(catalog.load_head("sudoku"))
    everything = Contestant("mi-guided", {"gamma": 50.0, "lam": 0.0})
    (row,) = bench_generate(model, 3, [everything], source_of=lambda _: source)
    assert row["valid"] == 0.0 and row["distinct"] == 0 and 1 < row["nfe"] < 10
    assert row["mi_source"] == "head-marginals" and row["temperature"] == 1.0


def test_estimator_scores_have_the_promised_keys() -> None:
    model = catalog.load_model("sudoku")
    full = random_states(24, seed=4)
    full = full[(full == 9).sum(1) < 24][:3]
    states = torch.cat([full, PRESETS["rectangle"].tokens[None]])
    row = bench_estimator(model, catalog.load_head("sudoku"), states)
    assert {"pearson", "spearman", "r2", "rmse", "precision", "passes_probing", "passes_head", "speedup"} <= row.keys()
    assert row["passes_head"] == 1 and row["speedup"] > 1
    assert row["precision"]["probing"] >= 0.99 and row["precision"]["head"] >= 0.99, "peers first on the empty board"
    blanks = (states == 9).sum(1).double()
    assert row["passes_probing"] <= float((1 + 9 * blanks).mean()), "no more than 1 + N V"
    assert sum(band["states"] for band in row["by_mask_ratio"]) == len(states) == row["states"]
    assert row["pairs"] == int((blanks * (blanks - 1) / 2).sum())
    nearly_full = row["by_mask_ratio"][0]
    assert nearly_full["dependent_pairs"] == 0 and nearly_full["dependent_spearman"] is None
    truth = probe(model, states[3], mass=1.0)
    assert 6 <= row["dependent_pairs"] == int(truth.dependent.sum()) < int(truth.pairs.sum())
    assert row["dependent_spearman"] > 0.5


def test_speeds_are_ratios_of_the_same_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that counts forward passes in place of seconds: every ratio is then known beforehand."""
    network = SudokuNetwork(SudokuConfig(n_layers=1, width=8, n_heads=1, feedforward=8))
    model = _Counting(network)
    head = build_head(config_for("paper", model(torch.full((1, 81), 9))))
    monkeypatch.setattr("mi_core.benchmarks.evaluation.time.perf_counter", lambda: float(model.rows))
    monkeypatch.setattr("mi_core.benchmarks.evaluation._matrix_product", lambda: model(torch.full((10, 81), 9)))
    one_open = from_digits(next(iter(Solver().solutions(to_digits(TWO_WAYS), limit=1))))
    one_open[40] = VOCAB.mask_id
    row = bench_speed(model, model, head, one_open[None], repeats=2)
    assert row["passes"] == 1 + 81 * 9 == row["head_over_probing"]
    assert row["probing_over_plain_loop"] == row["low_precision_over_plain_loop"] == 1.0
    assert row["puzzles_passes"] <= 10 and row["puzzles_open_cells"] == 1 and row["default_over_plain_loop"] >= 1
    assert row["low_precision_largest_difference"] == 0


def test_cut_counts_what_is_not_tried() -> None:
    """An untrained network is unsure everywhere: a high mass saves little, a low one most, and 1 nothing."""
    torch.manual_seed(0)
    network = SudokuNetwork(SudokuConfig(n_layers=1, width=8, n_heads=1, feedforward=8))
    model = SudokuModel(network)
    head = build_head(config_for("paper", model(torch.full((1, 81), 9))))
    grid = from_digits(next(iter(Solver().solutions(to_digits(TWO_WAYS), limit=1))))
    grid[[3, 40, 50]] = VOCAB.mask_id
    uncut, cut = (
        bench_cut(model, {"x": grid[None]}, HeadSource(head), per_run=2, mass=mass, min_entropy=0.0)["rows"][0]
        for mass in (1.0, 0.3)
    )
    assert uncut["fewer"] == 1.0 and uncut["passes"] == uncut["full_passes"] <= 1 + 3 * 9
    assert uncut["mean_interval"] == pytest.approx(0, abs=1e-9)
    assert cut["full_passes"] == uncut["full_passes"] and cut["fewer"] > 1.5 and cut["mean_interval"] > 0
    assert cut["fewer"] == pytest.approx(cut["full_passes"] / cut["passes"], abs=0.01)


class _Counting(SudokuModel):
    """Counts the boards that it was shown."""

    rows = 0

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        self.rows += len(tokens)
        return super().__call__(tokens)


def test_labels_of_contestants() -> None:
    assert Contestant("mi-guided", {"gamma": 0.3, "lam": 1.0}).label == "mi-guided gamma=0.3 lam=1"


def test_records_round_trip_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(path, ["bench", "speed"], {"a": 1})
    record = read_record(path)
    assert record["result"] == {"a": 1} and record["command"] == "python -m mi_core bench speed"
    assert record["date"] and "torch" in record["machine"]
    path.write_text(json.dumps({"command": "x"}))
    with pytest.raises(FormatError, match=r"r\.json is not a record"):
        read_record(path)
    with pytest.raises(InputError, match="no benchmark record"):
        read_record(tmp_path / "none.json")


def test_the_page_of_measurements_shows_the_stored_results() -> None:
    page = (ROOT / "docs" / "measured.md").read_text()
    assert page == document(ROOT / "assets" / "results") + "\n", "run `python -m mi_core report > docs/measured.md`"


def test_stored_results_are_of_the_shipped_sets() -> None:
    results = ROOT / "assets" / "results"
    rows = read_record(results / "sudoku_decoding.json")["result"]
    counts = {row["n"] for row in rows}
    assert len(counts) == 1 and 300 <= min(counts) <= len(load_set(ROOT / "assets/data/unique_50_59.csv"))
    for name in ("mi-guided", "eb-sampler", "threshold"):
        assert sum(row["strategy"] == name for row in rows) >= 6
    assert torch.tensor([row["nfe"] for row in rows]).min() >= 1


def test_contestants_can_be_added_to_a_record(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    first = [
        {"strategy": "top-k", "params": {"k": k}, "mi_source": None, "n": 5, "nfe": k, "solved": 1.0} for k in (2, 3)
    ]
    write_record(path, ["bench", "sudoku", "--limit", "5"], first)
    again = [{**first[1], "nfe": 9}, {**first[0], "strategy": "margin"}]
    write_record(path, ["bench", "sudoku", "--strategy", "margin"], again, append=True)
    record = read_record(path)
    assert [(row["strategy"], row["nfe"]) for row in record["result"]] == [("top-k", 2), ("top-k", 9), ("margin", 2)]
    assert record["command"].splitlines() == [
        "python -m mi_core bench sudoku --limit 5",
        "python -m mi_core bench sudoku --strategy margin --append",
    ]
    with pytest.raises(InputError, match=r"record.json is of another number of boards \(5 and 6\)"):
        write_record(path, ["bench"], [{**first[0], "n": 6}], append=True)
    with pytest.raises(InputError, match="holds no contestants"):
        write_record(path, ["bench", "speed"], {"head": 1}, append=True)
    assert read_record(path) == record, "a refusal costs nothing"


def test_runs_of_one_board_are_counted_by_the_solutions_that_they_find() -> None:
    """A board of two solutions: drawn eight times both turn up; the likeliest digits give one grid every time."""
    board = TWO_WAYS[None]
    solution = from_digits(next(iter(Solver().solutions(to_digits(TWO_WAYS), limit=1))))
    puzzles = PuzzleSet("two", board, solution[None], (int((TWO_WAYS == VOCAB.mask_id).sum()),), ("",), (2,))
    model = catalog.load_model("sudoku")
    options = {"source_of": lambda contestant: None, "repeats": 8}
    (drawn,) = bench_sudoku(model, puzzles, [Contestant("sequential", {})], temperature=1.0, **options)
    (greedy,) = bench_sudoku(model, puzzles, [Contestant("sequential", {})], temperature=0.0, **options)
    assert drawn["n"] == greedy["n"] == 8 and drawn["distinct"] == 2.0 and greedy["distinct"] == 1.0
    assert drawn["by_blanks"][0][2] == 8 and drawn["valid"] == 1.0
