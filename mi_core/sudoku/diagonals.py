"""Diagonal Sudoku: one more rule, each main diagonal holds each digit once; its grids and its symmetries."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mi_core.shapes import Row
from mi_core.sudoku.board import CELLS, PEER_PAIRS, UNITS, is_valid_solution, to_digits

DIAGONALS = [[10 * k for k in range(9)], [8 * (k + 1) for k in range(9)]]
DIAGONAL_UNITS = [*UNITS, *DIAGONALS]
NEW_PAIRS = sorted(
    {pair for diagonal in DIAGONALS for pair in combinations(sorted(diagonal), 2)} - set(PEER_PAIRS)
)  # 2 x 36 pairs of one diagonal, less the 2 x 9 that share a box: 54
"""The pairs (i, j), i < j, that the new rule makes depend on each other and no old rule does."""


def is_diagonal_solution(tokens: Row) -> bool:
    """Whether the board is complete and keeps all rules, those of the diagonals too. tokens (81,)."""
    digits = to_digits(tokens)
    return is_valid_solution(tokens) and all(len({digits[cell] for cell in line}) == 9 for line in DIAGONALS)


def _line_orders() -> NDArray[np.int64]:
    """Orders of nine lines that commute with reversal and keep the bands together, (24, 9).

    The same order of rows and columns then sends each diagonal to itself.
    """
    found = []
    for first in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        for middle in ((3, 4, 5), (5, 4, 3)):
            last = tuple(8 - line for line in reversed(first))
            found += [(*first, *middle, *last), (*last, *middle, *first)]
    return np.array(found, dtype=np.int64)


ORDERS = _line_orders()


def diagonal_symmetries(rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`count` random symmetries of diagonal Sudoku: the cell for each place (.., 81), each new digit (.., 9).

    24 orders of the lines, reversal of the columns alone (each diagonal becomes the other), transposition: 96 in all,
    the 8 symmetries of the square among them; and any exchange of digits.
    """
    rows = ORDERS[rng.integers(len(ORDERS), size=count)]
    columns = np.where(rng.random((count, 1)) < 0.5, rows, 8 - rows)
    cell = rows[:, :, None] * 9 + columns[:, None, :]
    flip = rng.random(count) < 0.5
    cell[flip] = cell[flip].transpose(0, 2, 1)
    return cell.reshape(count, CELLS), np.argsort(rng.random((count, 9)), axis=1)


_KEEPS = "718536249642798351953124678294853167536417982871269435367982514189645723425371896"
EXAMPLES = {
    "diagonal": ("A grid that keeps the diagonals", _KEEPS),
    "ordinary": ("The same, its first two rows exchanged", _KEEPS[9:18] + _KEEPS[:9] + _KEEPS[18:]),
}
"""Full grids by name: title, 81 digits. Rows of a band may be exchanged by the rules of Sudoku, not by the new one."""
