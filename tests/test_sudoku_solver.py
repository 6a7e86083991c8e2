"""Solver, generator, symmetries and difficulty, against an independent brute-force search."""

import random

import numpy as np
import pytest
import torch

from mi_core.errors import InputError
from mi_core.sudoku import board, generator
from mi_core.sudoku.difficulty import TECHNIQUES, _apply_easiest, _State, rate
from mi_core.sudoku.solver import Solver
from mi_core.training.sudoku_states import symmetric_copies

PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
SOLUTION = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"

DEADLY = "5.4...8.68..1...7....59..........23.2.8.5.....1..4...7........21..83276..4...6..."


def digits(text: str) -> list[int]:
    return board.to_digits(board.parse(text))


def brute_force(values: list[int], limit: int) -> int:
    """Solutions up to `limit`, by search on the cell with the fewest digits; shares no code with the package."""
    best: tuple[int, set[int]] | None = None
    for cell, value in enumerate(values):
        if value == 0:
            r, c = divmod(cell, 9)
            seen = {values[9 * r + k] for k in range(9)} | {values[9 * k + c] for k in range(9)}
            seen |= {values[9 * (r // 3 * 3 + k // 3) + c // 3 * 3 + k % 3] for k in range(9)}
            free = set(range(1, 10)) - seen
            if best is None or len(free) < len(best[1]):
                best = cell, free
    if best is None:
        return 1
    found = 0
    for digit in best[1]:
        if found < limit:
            found += brute_force([*values[: best[0]], digit, *values[best[0] + 1 :]], limit - found)
    return found


@pytest.fixture(scope="module")
def solver() -> Solver:
    return Solver()


def test_a_published_puzzle_has_its_published_solution(solver: Solver) -> None:
    assert solver.solve(digits(PUZZLE)) == digits(SOLUTION)
    assert solver.count(digits(PUZZLE), limit=5) == 1


def test_a_deadly_rectangle_has_two_solutions(solver: Solver) -> None:
    values = digits(DEADLY)
    assert solver.count(values, limit=10) == brute_force(values, limit=10) == 2
    first, second = solver.solutions(values, limit=10)
    free = [board.cell_name(cell) for cell in range(81) if first[cell] != second[cell]]
    assert free == ["r4c6", "r4c9", "r5c6", "r5c9"]


def test_counting_stops_at_its_limit_and_leaves_no_trace(solver: Solver) -> None:
    assert solver.count([0] * 81, limit=7) == 7
    assert solver.count([0] * 81, limit=7) == 7
    assert solver.count(digits(PUZZLE), limit=2) == 1


def test_an_impossible_board_has_no_solution(solver: Solver) -> None:
    impossible = digits("12345678." + "." * 17 + "9" + "." * 54)
    assert solver.solve(impossible) is None
    assert solver.count(impossible, limit=2) == 0


def test_generated_puzzles_have_one_solution() -> None:
    boards, grids = generator.puzzles(12, low=45, high=55, seed=5)
    for values, grid in zip(boards.tolist(), grids.tolist(), strict=True):
        assert 45 <= values.count(0) <= 55
        assert all(value in (0, answer) for value, answer in zip(values, grid, strict=True))
        assert board.is_valid_solution(board.from_digits(grid))
        assert brute_force(values, limit=2) == 1


def test_the_generator_repeats_itself_by_seed() -> None:
    first, _ = generator.puzzles(2, low=40, high=45, seed=3)
    again, _ = generator.puzzles(2, low=40, high=45, seed=3)
    other, _ = generator.puzzles(2, low=40, high=45, seed=4)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("blanks", [40, 50, 58])
def test_ambiguous_boards_count_their_solutions(blanks: int) -> None:
    values, grid, count = generator.ambiguous_board(random.Random(2), blanks=blanks, most=60)
    assert values.count(0) == blanks and 2 <= count <= 60
    assert brute_force(values, limit=100) == count
    assert all(value in (0, answer) for value, answer in zip(values, grid, strict=True))


def test_symmetric_copies_keep_grids_valid_and_puzzles_unique() -> None:
    grids = np.array([digits(SOLUTION)] * 20)
    clues = np.array([digits(PUZZLE)] * 20) > 0
    tokens, (moved,) = symmetric_copies(np.random.default_rng(0), grids, clues)
    assert len({tuple(row) for row in tokens.tolist()}) == 20
    for row, shown in zip(torch.from_numpy(tokens), moved, strict=True):
        assert board.is_valid_solution(row)
        values = board.to_digits(torch.where(torch.from_numpy(shown), row, 9))
        assert brute_force(values, limit=2) == 1


GOLDEN = {
    SOLUTION: "none",
    PUZZLE: "naked single",
    "5.4...8.68..1...7....59.........923.2.8.5.....1..4...7........21..83276..4...6...": "hidden single",
    "...3..5..8..9...13......7..7.85.......1..6....2...3.95.1.74.....5..6.28....2359..": "locked candidates",
    "...........12..7.57...3.18..5...9..3.....1....2....5.6.456.....9....7....8.....6.": "naked pair",
    "39.5.7...8......4..1......2....1...3...3..2....7.8.1....1...53.....256.9...8.....": "hidden pair",
    ".......49.2.65.3..........61......245.7..8.6...3.49....8..73..1....8..3..3.5..4.7": "naked triple",
    "1....86....8...1..4...739.8...2.6..4..34.9.6..4..3.....7......6..28...1..1.6.47.5": "x-wing",
    "9.......7..4..6....5....1.26..38..............792.1.....3.6.....2.8...7.1....7.39": "beyond these",
}


@pytest.mark.parametrize(("text", "technique"), GOLDEN.items())
def test_the_hardest_technique_needed(text: str, technique: str) -> None:
    difficulty = rate(digits(text))
    assert (difficulty.technique, difficulty.level) == (technique, TECHNIQUES.index(technique))
    assert difficulty.blanks == text.count(".")
    assert all(TECHNIQUES.index(name) <= difficulty.level for name in difficulty.steps)
    if technique != "beyond these":
        assert sum(difficulty.steps.get(name, 0) for name in ("naked single", "hidden single")) == difficulty.blanks


def test_boards_without_one_solution_are_beyond() -> None:
    assert rate([0] * 81).technique == "beyond these"
    with pytest.raises(InputError, match="stands twice"):
        rate([1, 1] + [0] * 79)


def test_no_technique_removes_the_truth() -> None:
    """What the techniques fill without guessing is the one solution, over puzzles of every level."""
    boards, grids = generator.puzzles(40, low=50, high=57, seed=6, tries=20)
    for values, grid in zip(boards.tolist(), grids.tolist(), strict=True):
        state = _State(values)
        while _apply_easiest(state):
            pass
        for cell, bits in enumerate(state.candidates):
            assert bits == 0 or bits >> (grid[cell] - 1) & 1
        assert all(values[c] or state.candidates[c] == 0 or state.candidates[c].bit_count() > 1 for c in range(81))
