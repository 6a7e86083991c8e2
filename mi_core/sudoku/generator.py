"""Random grids and puzzles from a seed.

A board here is a flat list of 81 ints, 0 for an open cell.
"""

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mi_core.sudoku.board import UNITS
from mi_core.sudoku.solver import Solver

GridArray = NDArray[np.uint8]  # (K, 81), digits 1..9; 0 is open


def random_grid(solver: Solver, rng: random.Random, *, seeds: int = 24) -> list[int]:
    """A complete grid: digits tried at random in `seeds` random cells, the solver fills the rest."""
    board = [0] * 81
    for cell in rng.sample(range(81), seeds):
        for digit in rng.sample(range(1, 10), 9):
            board[cell] = digit
            if solver.solve(board) is not None:
                break
    solution = solver.solve(board)
    assert solution is not None  # every digit kept above left the board solvable
    return solution


def remove_clues(solver: Solver, rng: random.Random, grid: list[int], blanks: int) -> list[int]:
    """Open cells of a complete grid in random order while the solution stays unique, `blanks` at most."""
    board = list(grid)
    opened = 0
    for cell in rng.sample(range(81), 81):
        if opened == blanks:
            break
        if solver.unique_without(board, cell):
            board[cell] = 0
            opened += 1
    return board


def unique_puzzle(
    solver: Solver, rng: random.Random, *, low: int, high: int, tries: int = 200
) -> tuple[list[int], list[int]]:
    """A puzzle with one solution and `low`..`high` open cells, and that solution.

    The number of open cells is drawn uniformly first and a removal order that gets stuck is drawn again, so that
    rare counts (58, 59) are not drowned by common ones. After `tries` orders the fullest one within range counts.
    """
    target = rng.randint(low, high)
    best: tuple[list[int], list[int]] | None = None
    for _ in range(tries):
        grid = random_grid(solver, rng)
        board = remove_clues(solver, rng, grid, target)
        if best is None or board.count(0) > best[0].count(0):
            best = board, grid
        if board.count(0) == target:
            return board, grid
    assert best is not None and best[0].count(0) >= low
    return best


def puzzles(
    count: int,
    *,
    low: int,
    high: int,
    seed: int,
    tries: int = 200,
    units: Sequence[Sequence[int]] = UNITS,
    tick: Callable[[int], None] | None = None,
) -> tuple[GridArray, GridArray]:
    """`count` unique puzzles under the rules of `units`, and their solutions, both (count, 81)."""
    rng = random.Random(seed)
    boards = np.zeros((count, 81), np.uint8)
    grids = np.zeros((count, 81), np.uint8)
    for index, solver in zip(range(count), _fresh_solvers(units=units), strict=False):
        boards[index], grids[index] = unique_puzzle(solver, rng, low=low, high=high, tries=tries)
        if tick is not None:
            tick(index + 1)
    return boards, grids


def several_solutions(count: int, *, low: int, high: int, seed: int, most: int = 1000) -> tuple[GridArray, GridArray]:
    """`count` partly filled boards with 2 to `most` solutions and `low`..`high` open cells, and one solution each."""
    rng = random.Random(seed)
    boards = np.zeros((count, 81), np.uint8)
    grids = np.zeros((count, 81), np.uint8)
    solvers = _fresh_solvers()
    found = 0
    while found < count:
        solver = next(solvers)
        grid = random_grid(solver, rng)
        board = list(grid)
        for cell in rng.sample(range(81), rng.randint(low, high)):
            board[cell] = 0
        if 2 <= solver.count(board, limit=most + 1) <= most:
            boards[found], grids[found] = board, grid
            found += 1
    return boards, grids


def ambiguous_board(rng: random.Random, *, blanks: int, most: int = 1000) -> tuple[list[int], list[int], int]:
    """A board with `blanks` open cells and 2 to `most` solutions, one of them, and how many there are.

    Clues are removed at random from a puzzle with one solution: boards opened wholly at random have far too many
    solutions from about 54 open cells on. From 57 on the puzzle is as empty as puzzles quickly get.
    """
    solvers = _fresh_solvers(uses=25)
    while True:
        solver = next(solvers)
        start = blanks - rng.randint(2, 12) if blanks < 57 else min(blanks - 1, 58)
        board, grid = unique_puzzle(solver, rng, low=start, high=start)
        clues = [cell for cell in range(81) if board[cell]]
        for cell in rng.sample(clues, blanks - start):
            board[cell] = 0
        solutions = solver.count(board, limit=most + 1)
        if 2 <= solutions <= most:
            return board, grid, solutions


def _fresh_solvers(uses: int = 500, units: Sequence[Sequence[int]] = UNITS) -> Iterator[Solver]:
    """A solver for each puzzle, replaced now and then: its learned clauses slow it down in the long run."""
    while True:
        solver = Solver(units)
        for _ in range(uses):
            yield solver
