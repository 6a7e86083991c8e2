"""Sets of puzzles: those shipped with the package, how they were made, and users' own files.

A set is a CSV file with a header and the columns `puzzle` and `solution` (81 characters, `.` or `0` where open);
`technique` and `solutions` (how many there are) are read where present, any other column is passed over.
"""

import csv
import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mi_core.errors import FormatError, InputError
from mi_core.shapes import Row, Tokens
from mi_core.sudoku import generator
from mi_core.sudoku.board import VOCAB, format_line, from_digits, is_valid_solution, parse, to_digits
from mi_core.sudoku.difficulty import rate
from mi_core.sudoku.solver import Solver

DATA = Path(__file__).resolve().parents[2] / "assets" / "data"
MAX_BYTES = 5_000_000
MOST_SOLUTIONS = 1000  # boards with more are not in the "several" set

Tick = Callable[[int, int, str], None]  # done, total, what is being made


@dataclass(frozen=True)
class Recipe:
    """What makes one shipped set. Training draws its grids from seed 1, so no seed here may be 1."""

    file: str
    count: int
    low: int  # open cells
    high: int
    seed: int
    unique: bool


RECIPES = {
    "unique_50_59": Recipe("unique_50_59.csv", 1000, 50, 59, seed=5059, unique=True),
    "unique_40_49": Recipe("unique_40_49.csv", 200, 40, 49, seed=4049, unique=True),
    "several": Recipe("several.csv", 300, 40, 60, seed=4060, unique=False),
}
SETS: dict[str, Path] = {name: DATA / recipe.file for name, recipe in RECIPES.items()}


@dataclass(frozen=True)
class PuzzleSet:
    """K puzzles with their solutions, in the order of the file."""

    name: str
    puzzles: Tokens  # (K, 81), the mask id where open
    solutions: Tokens  # (K, 81); of a board with several, the one in the file
    blanks: tuple[int, ...]  # open cells of each
    techniques: tuple[str, ...]  # the hardest technique needed; "" where the file does not say
    counts: tuple[int, ...]  # number of solutions; 0 where the file does not say

    def __len__(self) -> int:
        return len(self.blanks)


# Reading


def load_set(path: Path, limit: int | None = None) -> PuzzleSet:
    """The puzzles of a CSV file, the first `limit` of them.

    A puzzle without a solution is solved, which takes a puzzle with exactly one.

    Raises:
        FormatError: no such file, too large, not CSV text, a column missing, or a row that is no puzzle with a
            solution of it; the message names the row as a spreadsheet counts it, the header being row 1.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(_too_large(path.name, size))
        return read_set(path.read_bytes(), path.name, limit)
    except OSError as error:
        raise FormatError(f"{path.name} cannot be read: {error.strerror or error}.") from error


def read_set(data: bytes, name: str, limit: int | None = None) -> PuzzleSet:
    """As `load_set`, of a file's content; `name` is for messages."""
    if len(data) > MAX_BYTES:
        raise FormatError(_too_large(name, len(data)))
    if limit is not None and limit < 1:
        raise InputError(f"The number of puzzles to read must be at least 1, not {limit}.")
    solver = Solver()
    entries = []
    for number, row in _rows(data, name):
        try:
            entries.append(_entry(row, solver))
        except InputError as error:
            raise FormatError(f"{name}, row {number}: {error}") from error
        if len(entries) == limit:
            break
    if not entries:
        raise FormatError(f"{name} holds no puzzle below its header.")
    return _to_set(name, entries)


@dataclass(frozen=True)
class _Entry:
    puzzle: Row
    solution: Row
    technique: str
    count: int


def _too_large(name: str, size: int) -> str:
    return f"{name} has {size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read."


def _rows(data: bytes, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number (the header is row 1) and the row's columns by lower-case name; blank lines are passed over."""
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        header = [column.strip().lower() for column in next(reader, [])]
        if "puzzle" not in header:
            found = ", ".join(column[:20] for column in header[:5]) or "nothing"
            raise FormatError(f"{name} needs a header with the columns puzzle,solution, and its first row is: {found}.")
        for row in reader:
            if any(value.strip() for value in row):
                yield reader.line_num, dict(zip(header, row, strict=False))
    except UnicodeDecodeError as error:
        raise FormatError(f"{name} is no text in UTF-8 (byte {error.start}); save it as CSV, UTF-8.") from error
    except csv.Error as error:
        raise FormatError(f"{name} is no CSV file: {error}.") from error


def _entry(row: dict[str, str], solver: Solver) -> _Entry:
    puzzle = _column(row, "puzzle")
    solution = _column(row, "solution") if row.get("solution", "").strip() else _only_solution(puzzle, solver)
    _check_solution(puzzle, solution)
    count = row.get("solutions", "").strip()
    return _Entry(puzzle, solution, row.get("technique", "").strip(), int(count) if count.isdecimal() else 0)


def _column(row: dict[str, str], column: str) -> Row:
    try:
        return parse(row.get(column, ""))
    except InputError as error:
        raise InputError(f"column {column}: {error}") from error


def _only_solution(puzzle: Row, solver: Solver) -> Row:
    found = solver.solutions(to_digits(puzzle), limit=2)
    if len(found) != 1:
        many = "no solution" if not found else "several solutions"
        raise InputError(f"the puzzle has {many}, so the column solution must give one.")
    return from_digits(found[0])


def _check_solution(puzzle: Row, solution: Row) -> None:
    if not is_valid_solution(solution):
        raise InputError("the solution is not complete.")  # `parse` has refused clashes
    if not bool(((puzzle == VOCAB.mask_id) | (puzzle == solution)).all()):
        raise InputError("the solution does not agree with the puzzle's digits.")


def _to_set(name: str, entries: Sequence[_Entry]) -> PuzzleSet:
    puzzles = torch.stack([entry.puzzle for entry in entries])
    return PuzzleSet(
        name=name,
        puzzles=puzzles,
        solutions=torch.stack([entry.solution for entry in entries]),
        blanks=tuple((puzzles == VOCAB.mask_id).sum(dim=1).tolist()),
        techniques=tuple(entry.technique for entry in entries),
        counts=tuple(entry.count for entry in entries),
    )


# Making


def make_sets(folder: Path, tick: Tick | None = None) -> list[Path]:
    """Write the shipped sets into `folder` and return the files, the same bytes every time (a minute in all).

    `tick(done, total, file)` is called after each puzzle; both numbers are over all the sets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(recipe.count for recipe in RECIPES.values())
    grids: set[str] = set()
    written = []
    for recipe in RECIPES.values():
        columns = ("puzzle", "solution", "blanks", "technique" if recipe.unique else "solutions")
        rows = []
        for row in _puzzles(recipe, grids):
            rows.append(row)
            if tick is not None:
                tick(len(grids), total, recipe.file)
        written.append(_write(folder / recipe.file, columns, rows))
    return written


def _puzzles(recipe: Recipe, grids: set[str]) -> Iterator[tuple[str, str, int, str | int]]:
    """The rows of one set. `grids` collects the solutions: none serves twice."""
    rng = random.Random(recipe.seed)
    made = 0
    while made < recipe.count:
        if made % 50 == 0:  # what a solver learns on the way slows it down
            solver = Solver()
        board, grid, last = _unique(solver, rng, recipe) if recipe.unique else _ambiguous(rng, recipe)
        solution = format_line(from_digits(grid))
        if solution not in grids:
            grids.add(solution)
            made += 1
            yield format_line(from_digits(board)), solution, board.count(0), last


def _unique(solver: Solver, rng: random.Random, recipe: Recipe) -> tuple[list[int], list[int], str]:
    board, grid = generator.unique_puzzle(solver, rng, low=recipe.low, high=recipe.high)
    return board, grid, rate(board).technique


def _ambiguous(rng: random.Random, recipe: Recipe) -> tuple[list[int], list[int], int]:
    blanks = rng.randint(recipe.low, recipe.high)
    return generator.ambiguous_board(rng, blanks=blanks, most=MOST_SOLUTIONS)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> Path:
    """Write a CSV file whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    part.replace(path)
    return path
