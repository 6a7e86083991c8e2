"""Shipped sets, users' files, presets."""

import csv
from pathlib import Path

import pytest
import torch

from mi_core.errors import FormatError, InputError, MiCoreError, UnknownName
from mi_core.sudoku import board, presets, sets
from mi_core.sudoku.difficulty import SINGLES, TECHNIQUES, rate
from mi_core.sudoku.solver import Solver

PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
SOLUTION = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"


@pytest.fixture(scope="module")
def shipped() -> dict[str, sets.PuzzleSet]:
    return {name: sets.load_set(path) for name, path in sets.SETS.items()}


@pytest.mark.parametrize(
    ("name", "count", "low", "high"),
    [("unique_50_59", 1000, 50, 59), ("unique_40_49", 200, 40, 49), ("several", 300, 40, 60)],
)
def test_sets_have_their_size_and_range(
    shipped: dict[str, sets.PuzzleSet], name: str, count: int, low: int, high: int
) -> None:
    puzzles = shipped[name]
    assert len(puzzles) == len(puzzles.puzzles) == len(puzzles.solutions) == count
    assert low <= min(puzzles.blanks) and max(puzzles.blanks) <= high
    assert puzzles.blanks == tuple((puzzles.puzzles == 9).sum(dim=1).tolist())
    assert len(set(puzzles.blanks)) > 8  # a mix, not one number
    given = puzzles.puzzles != 9
    assert torch.equal(puzzles.puzzles[given], puzzles.solutions[given])
    units = puzzles.solutions[:, torch.tensor(board.UNITS)].sort(dim=-1).values
    assert bool((units == torch.arange(9)).all())


def test_no_solution_serves_twice_and_no_seed_is_the_training_seed(shipped: dict[str, sets.PuzzleSet]) -> None:
    grids = torch.cat([puzzles.solutions for puzzles in shipped.values()])
    assert len(torch.unique(grids, dim=0)) == len(grids) == 1500
    seeds = [recipe.seed for recipe in sets.RECIPES.values()]
    assert len(set(seeds)) == 3 and 1 not in seeds


@pytest.mark.parametrize("name", ["unique_50_59", "unique_40_49"])
def test_unique_puzzles_are_unique_and_rated(shipped: dict[str, sets.PuzzleSet], name: str) -> None:
    puzzles, solver = shipped[name], Solver()
    assert set(puzzles.techniques) <= set(TECHNIQUES)
    for k in range(0, len(puzzles), len(puzzles) // 50):
        digits = board.to_digits(puzzles.puzzles[k])
        assert solver.solutions(digits, limit=2) == [board.to_digits(puzzles.solutions[k])]
        assert rate(digits).technique == puzzles.techniques[k]


def test_several_boards_have_as_many_solutions_as_stated(shipped: dict[str, sets.PuzzleSet]) -> None:
    several, solver = shipped["several"], Solver()
    assert min(several.counts) >= 2 and max(several.counts) <= 1000
    assert len(set(several.counts)) > 50
    few = [k for k in range(300) if several.counts[k] <= 100][:60]
    assert len(few) == 60
    for k in few:
        assert solver.count(board.to_digits(several.puzzles[k]), limit=101) == several.counts[k]


def test_making_sets_repeats_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows of every shipped file come out again from its recipe."""
    short = {name: sets.Recipe(r.file, 3, r.low, r.high, r.seed, r.unique) for name, r in sets.RECIPES.items()}
    monkeypatch.setattr(sets, "RECIPES", short)
    ticks: list[tuple[int, int]] = []
    written = sets.make_sets(tmp_path, lambda done, total, label: ticks.append((done, total)))
    assert ticks == [(k, 9) for k in range(1, 10)]
    for path in written:
        with path.open(newline="") as made, (sets.DATA / path.name).open(newline="") as kept:
            assert list(csv.reader(made)) == list(csv.reader(kept))[:4]


def test_a_limit_takes_the_first(shipped: dict[str, sets.PuzzleSet]) -> None:
    first = sets.load_set(sets.SETS["unique_40_49"], limit=5)
    assert torch.equal(first.puzzles, shipped["unique_40_49"].puzzles[:5]) and len(first.techniques) == 5
    with pytest.raises(InputError, match="at least 1, not 0"):
        sets.load_set(sets.SETS["unique_40_49"], limit=0)


@pytest.mark.parametrize(
    "text",
    [
        f"puzzle,solution\n{PUZZLE},{SOLUTION}\n",
        f"\ufeffid,Puzzle, Solution\r\n7,{PUZZLE.replace('.', '0')},{SOLUTION}\r\n\r\n",
        f"puzzle\n{PUZZLE}\n",
        f"puzzle,solution,note\n{PUZZLE},,easy\n",
    ],
)
def test_users_files_are_read(text: str) -> None:
    puzzles = sets.read_set(text.encode(), "mine.csv")
    assert board.format_line(puzzles.puzzles[0]) == PUZZLE
    assert board.format_line(puzzles.solutions[0]) == SOLUTION
    assert (puzzles.blanks, puzzles.techniques, puzzles.counts) == ((51,), ("",), (0,))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "mine.csv needs a header with the columns puzzle,solution, and its first row is: nothing"),
        (b"quizzes,solutions\n", "first row is: quizzes, solutions"),
        (b"puzzle,solution\n", "holds no puzzle"),
        (f"puzzle\n{PUZZLE}\n{PUZZLE[:80]}\n".encode(), "row 3: column puzzle: 80 cells were found"),
        (f"puzzle\n55{PUZZLE[2:]}\n".encode(), "row 2: column puzzle: Digit 5 stands twice in row 1"),
        (f"puzzle,solution\n{PUZZLE},{PUZZLE}\n".encode(), "row 2: the solution is not complete"),
        (f"puzzle,solution\n{PUZZLE},{SOLUTION[::-1]}\n".encode(), "row 2: the solution does not agree"),
        (f"puzzle\n{'.' * 81}\n".encode(), "row 2: the puzzle has several solutions"),
        (f"puzzle\n12345678.{'.' * 17}9{'.' * 54}\n".encode(), "row 2: the puzzle has no solution"),
        (b"\xff\xfepuzzle", "no text in UTF-8"),
        (b'puzzle\n"' + b"x" * 200_000, "no CSV file"),
        (b"x" * 5_000_001, "5.0 MB; at most 5 MB"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        sets.read_set(data, "mine.csv")
    assert message in str(caught.value) and str(caught.value).startswith("mine.csv")


def test_missing_and_large_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"^none.csv cannot be read: No such file"):
        sets.load_set(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="cannot be read"):
        sets.load_set(tmp_path)
    (tmp_path / "large.csv").write_bytes(b"x" * 5_000_001)
    with pytest.raises(FormatError, match="at most 5 MB"):
        sets.load_set(tmp_path / "large.csv")


def test_presets_are_what_they_say() -> None:
    solver = Solver()
    assert [preset.name for preset in presets.PRESETS.values()] == list(presets.PRESETS)
    digits = {name: board.to_digits(preset.tokens) for name, preset in presets.PRESETS.items()}
    assert {name: solver.count(values, limit=100) for name, values in digits.items() if name != "empty"} == {
        "easy": 1,
        "hard": 1,
        "rectangle": 2,
        "several": 14,
    }
    solutions = torch.tensor(solver.solutions(digits["several"], limit=100))
    assert int((solutions != solutions[0]).any(dim=0).sum()) == 33
    assert rate(digits["easy"]).technique == "naked single"
    assert rate(digits["hard"]).technique == "x-wing"
    assert digits["empty"] == [0] * 81
    assert digits["rectangle"].count(0) == 47 and digits["several"].count(0) == 55
    assert all(preset.title and preset.why.endswith(".") for preset in presets.PRESETS.values())


def test_random_presets_come_from_the_sets(shipped: dict[str, sets.PuzzleSet]) -> None:
    drawn = {kind: [presets.random_preset(kind, seed) for seed in range(6)] for kind in presets.KINDS}
    for kind, source in {"easy": "unique_40_49", "hard": "unique_50_59", "several": "several"}.items():
        known = {tuple(row): k for k, row in enumerate(shipped[source].puzzles.tolist())}
        rows = [known[tuple(tokens.tolist())] for tokens in drawn[kind]]
        assert len(set(rows)) > 1
        if kind == "hard":
            assert not {shipped[source].techniques[row] for row in rows} & set(SINGLES)
    assert all(bool((tokens == 9).all()) for tokens in drawn["empty"])
    assert torch.equal(presets.random_preset("hard", 3), presets.random_preset("hard", 3))
    with pytest.raises(UnknownName, match="Unknown kind of board 'odd'"):
        presets.random_preset("odd", 0)
    assert issubclass(UnknownName, MiCoreError)
