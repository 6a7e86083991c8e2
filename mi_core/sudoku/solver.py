"""Exact solving by SAT (the CaDiCaL solver of python-sat): solve, count, check uniqueness."""

import itertools
from collections.abc import Sequence

from pysat.solvers import Cadical153

from mi_core.sudoku.board import UNITS

Board = Sequence[int]  # 81 digits, 0 for an open cell


def _rules(units: Sequence[Sequence[int]]) -> list[list[int]]:
    """Each cell one digit; each digit once in each unit. Variable 9 cell + digit: this cell is this digit."""
    groups = [[9 * cell + digit for digit in range(1, 10)] for cell in range(81)]
    groups += [[9 * cell + digit for cell in unit] for unit in units for digit in range(1, 10)]
    at_least = groups
    at_most = [[-a, -b] for group in groups for a, b in itertools.combinations(group, 2)]
    return at_least + at_most


class Solver:
    """The rules loaded once; each question passes its board as assumptions (well under a millisecond).

    `units`: the sets of nine cells that hold each digit once; rows, columns and boxes unless others are given.
    """

    def __init__(self, units: Sequence[Sequence[int]] = UNITS) -> None:
        self._sat = Cadical153(bootstrap_with=_rules(units))
        self._switches = itertools.count(730)  # variables that turn the clauses of one count on and off

    def solve(self, board: Board) -> list[int] | None:
        """One solution, or None where there is none."""
        return self._model(_clues(board))

    def unique_without(self, board: Board, cell: int) -> bool:
        """Whether a uniquely solvable `board` stays so when the clue of `cell` is removed."""
        others = [lit for lit in _clues(board) if (lit - 1) // 9 != cell]
        return not self._sat.solve(assumptions=[*others, -(9 * cell + board[cell])])

    def count(self, board: Board, *, limit: int) -> int:
        """The number of solutions, counted up to `limit`."""
        return len(self.solutions(board, limit=limit))

    def solutions(self, board: Board, *, limit: int) -> list[list[int]]:
        """Up to `limit` different solutions."""
        found: list[list[int]] = []
        switch = next(self._switches)
        while len(found) < limit:
            solution = self._model([*_clues(board), switch])
            if solution is None:
                break
            found.append(solution)
            self._sat.add_clause([-switch, *(-lit for lit in _clues(solution))])
        self._sat.add_clause([-switch])
        return found

    def _model(self, assumptions: list[int]) -> list[int] | None:
        if not self._sat.solve(assumptions=assumptions):
            return None
        true = [lit for lit in self._sat.get_model()[:729] if lit > 0]
        return [(lit - 1) % 9 + 1 for lit in true]


def _clues(board: Board) -> list[int]:
    return [9 * cell + digit for cell, digit in enumerate(board) if digit]
