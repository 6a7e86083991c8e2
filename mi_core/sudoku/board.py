"""Boards: cells, units, text, clashes.

A cell is 0..80 in row-major order; people read it as r1c1..r9c9. A board is a flat sequence of 81 digits, 0 for an
open cell; a model sees the same board as ids 0..8 with 9 for the mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from mi_core.errors import InputError
from mi_core.shapes import Row
from mi_core.vocab import Vocab

CELLS = 81
VOCAB = Vocab(tuple("123456789"))

ROWS = [[9 * r + c for c in range(9)] for r in range(9)]
COLUMNS = [[9 * r + c for r in range(9)] for c in range(9)]
BOXES = [[27 * (b // 3) + 3 * (b % 3) + 9 * (k // 3) + k % 3 for k in range(9)] for b in range(9)]
UNITS = ROWS + COLUMNS + BOXES
UNIT_NAMES = [f"{kind} {k}" for kind in ("row", "column", "box") for k in range(1, 10)]
PEERS = [sorted({other for unit in UNITS if cell in unit for other in unit} - {cell}) for cell in range(CELLS)]
PEER_PAIRS = [(i, j) for i in range(CELLS) for j in PEERS[i] if i < j]  # 810 of them

ORDERS = {  # the heatmap's orders: which cell stands at each of its 81 lines
    "row": list(range(CELLS)),
    "column": [cell for column in COLUMNS for cell in column],
    "box": [cell for box in BOXES for cell in box],
}

MAX_TEXT = 2000  # characters; the widest grid that people paste is well below
OPEN_CHARACTERS = ".0_*"
_SEPARATORS = frozenset("|-+\ufeff") | {chr(code) for code in range(0x2500, 0x2580)}  # box drawing
_DIGITS = dict.fromkeys(OPEN_CHARACTERS, 0) | {symbol: int(symbol) for symbol in VOCAB.symbols}


# Text


def parse(text: str, *, check: bool = True) -> Row:
    """The board that `text` shows, as token ids 0..8 and the mask, shape (81,).

    An open cell is one of `. 0 _ *`. White space, `|`, `-`, `+` and box-drawing characters separate and never count
    as cells. `check=False` lets boards with clashes pass.

    Raises:
        InputError: text too long, a character that is neither, not 81 cells, or (with `check`) a clash.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"The board's text has {len(text)} characters; at most {MAX_TEXT} are allowed.")
    digits = [
        _DIGITS[character] if character in _DIGITS else _refused(text, at)
        for at, character in enumerate(text)
        if not (character.isspace() or character in _SEPARATORS)
    ]
    if len(digits) != CELLS:
        raise InputError(f"{len(digits)} cells were found, and a board needs {CELLS}: digits 1-9, and '.' where open.")
    tokens = from_digits(digits)
    if check:
        check_clashes(tokens)
    return tokens


def _refused(text: str, at: int) -> int:
    raise InputError(f"Character {text[at]!r} at {_place(text, at)} is no digit 1-9, open cell (. 0 _ *) or separator.")


def _place(text: str, at: int) -> str:
    """Where a person finds the character `at`: 1-based, with the line where there are several."""
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
    column = len(before) - (before.rfind("\n") + 1) + 1
    several_lines = len(text.strip().splitlines()) > 1
    return f"line {before.count(chr(10)) + 1}, column {column}" if several_lines else f"position {at + 1}"


def format_line(tokens: Row) -> str:
    """81 characters in row-major order, `.` for an open cell. tokens (81,)."""
    return "".join(str(digit) if digit else VOCAB.mask for digit in to_digits(tokens))


def format_grid(tokens: Row) -> str:
    """Nine lines of cells, the boxes ruled off. tokens (81,). `parse` reads it back."""
    line = format_line(tokens)
    rows = [" | ".join(" ".join(line[9 * r + c : 9 * r + c + 3]) for c in (0, 3, 6)) for r in range(9)]
    rule = "------+-------+------"
    return "\n".join([*rows[:3], rule, *rows[3:6], rule, *rows[6:]])


def cell_name(cell: int) -> str:
    """`r1c1` for cell 0, `r9c9` for cell 80."""
    return f"r{cell // 9 + 1}c{cell % 9 + 1}"


# Digits and tokens


def to_digits(tokens: Row) -> list[int]:
    """81 digits, 0 for an open cell, from token ids (81,).

    Raises:
        InputError: another shape, or an id outside 0..9.
    """
    if tuple(tokens.shape) != (CELLS,):
        raise InputError(f"A board has shape ({CELLS},), not {tuple(tokens.shape)}.")
    ids: list[int] = tokens.tolist()
    mask = VOCAB.mask_id
    if min(ids) < 0 or max(ids) > mask:
        raise InputError(f"A board's token ids lie in 0..{mask}, and this one has {min(ids)}..{max(ids)}.")
    return [0 if token == mask else token + 1 for token in ids]


def from_digits(digits: Sequence[int]) -> Row:
    """Token ids (81,) from 81 digits, 0 for an open cell.

    Raises:
        InputError: another length, or a number outside 0..9.
    """
    if len(digits) != CELLS:
        raise InputError(f"A board has {CELLS} digits, not {len(digits)}.")
    mask = VOCAB.mask_id
    if min(digits) < 0 or max(digits) > 9:
        raise InputError(f"A board's digits lie in 0..9, and this one has {min(digits)}..{max(digits)}.")
    return torch.tensor([mask if digit == 0 else int(digit) - 1 for digit in digits], dtype=torch.int64)


# The rules


@dataclass(frozen=True)
class Clash:
    """Two cells of one unit that hold the same digit."""

    digit: int  # 1..9
    first: int  # cell, the smaller one
    second: int  # cell
    unit: str  # "row 3", or both where the cells share two: "row 3 and box 1"

    def __str__(self) -> str:
        return f"Digit {self.digit} stands twice in {self.unit} ({cell_name(self.first)} and {cell_name(self.second)})"


def clashes(tokens: Row) -> list[Clash]:
    """Every pair of cells that breaks a rule, once, in the order of rows, columns, boxes. tokens (81,)."""
    digits = to_digits(tokens)
    shared: dict[tuple[int, int], list[str]] = {}
    for name, unit in zip(UNIT_NAMES, UNITS, strict=True):
        for i, j in combinations(sorted(unit), 2):
            if digits[i] and digits[i] == digits[j]:
                shared.setdefault((i, j), []).append(name)
    return [Clash(digits[i], i, j, " and ".join(names)) for (i, j), names in shared.items()]


def check_clashes(tokens: Row) -> None:
    """Nothing where the board keeps the rules. tokens (81,).

    Raises:
        InputError: a digit stands twice in a unit; the message names digit, unit and cells of the first clash.
    """
    found = clashes(tokens)
    if found:
        others = len(found) - 1
        more = f", and {others} more {'clash' if others == 1 else 'clashes'}" if others else ""
        raise InputError(f"{found[0]}{more}; change or erase one cell of each pair.")


def is_valid_solution(tokens: Row) -> bool:
    """Whether the board is complete and keeps every rule. tokens (81,)."""
    digits = to_digits(tokens)
    return all(sorted(digits[cell] for cell in unit) == list(range(1, 10)) for unit in UNITS)


def relation(i: int, j: int) -> str:
    """What two cells share: "same row", "same row and box", "same column", ..., or "not peers"."""
    if i == j:
        return "same cell"
    kinds = [name.split()[0] for name, unit in zip(UNIT_NAMES, UNITS, strict=True) if i in unit and j in unit]
    return f"same {' and '.join(kinds)}" if kinds else "not peers"
