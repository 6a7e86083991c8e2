"""How hard a puzzle is for a person: the techniques that its solution needs.

The solver below applies the easiest technique that makes progress, one application at a time, and starts again from
the easiest. Candidates are bit masks: bit d-1 stands for digit d; a filled cell has no candidates.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from mi_core.sudoku.board import BOXES, CELLS, COLUMNS, PEERS, ROWS, UNITS, check_clashes, from_digits

BEYOND = "beyond these"


@dataclass(frozen=True)
class Difficulty:
    """What solving a board takes."""

    blanks: int  # open cells
    technique: str  # the hardest one needed, of TECHNIQUES
    level: int  # its place in TECHNIQUES, 0 the easiest
    steps: dict[str, int]  # applications of each technique, the easiest first; those never applied are left out


def rate(board: Sequence[int]) -> Difficulty:
    """The techniques that solve `board` (81 digits, 0 open).

    A board that the listed techniques do not solve, also one with several solutions or none, is "beyond these".

    Raises:
        InputError: not 81 digits 0..9, or a clash.
    """
    state, steps = _run(board)
    hardest = max((TECHNIQUES.index(name) for name in steps), default=0)
    level = TECHNIQUES.index(BEYOND) if state.open else hardest
    ordered = {name: steps[name] for name in TECHNIQUES if name in steps}
    return Difficulty(list(board).count(0), TECHNIQUES[level], level, ordered)


def stuck(board: Sequence[int]) -> list[bool]:
    """The cells of `board` (81 digits, 0 open) still open where the listed techniques get no further.

    Raises:
        InputError: not 81 digits 0..9, or a clash.
    """
    state, _ = _run(board)
    return [cell in state.open for cell in range(CELLS)]


def _run(board: Sequence[int]) -> tuple["_State", Counter[str]]:
    """The board after every technique that makes progress, and how often each was applied."""
    check_clashes(from_digits(board))
    state = _State(board)
    steps: Counter[str] = Counter()
    while state.open and (used := _apply_easiest(state)) is not None:
        steps[used] += 1
    return state, steps


class _State:
    """The open cells and what each may still hold."""

    def __init__(self, board: Sequence[int]) -> None:
        self.open = set(range(CELLS))
        self.candidates = [0b111111111] * CELLS
        for cell, digit in enumerate(board):
            if digit:
                self.place(cell, 1 << (digit - 1))

    def place(self, cell: int, bit: int) -> None:
        """Fill the cell: no peer may hold the digit any more."""
        self.open.remove(cell)
        self.candidates[cell] = 0
        for peer in PEERS[cell]:
            self.candidates[peer] &= ~bit

    def remove(self, cells: Sequence[int], bits: int) -> bool:
        """Whether one of `cells` had one of `bits`, which are gone now."""
        changed = False
        for cell in cells:
            if self.candidates[cell] & bits:
                self.candidates[cell] &= ~bits
                changed = True
        return changed


def _apply_easiest(state: _State) -> str | None:
    """The technique that made progress, or None where all are stuck."""
    return next((name for name, apply in _RULES if apply(state)), None)


def _naked_single(state: _State) -> bool:
    """A cell with one candidate holds it."""
    for cell, bits in enumerate(state.candidates):
        if bits and not bits & (bits - 1):
            state.place(cell, bits)
            return True
    return False


def _hidden_single(state: _State) -> bool:
    """A digit with one place left in a unit goes there."""
    candidates = state.candidates
    for unit in UNITS:
        once = twice = 0
        for cell in unit:
            twice |= once & candidates[cell]
            once |= candidates[cell]
        hidden = once & ~twice
        if hidden:
            bit = hidden & -hidden
            state.place(next(cell for cell in unit if candidates[cell] & bit), bit)
            return True
    return False


def _crossings() -> list[tuple[list[int], list[int], list[int]]]:
    """Each line and box that meet in three cells: those, the line's other cells, the box's other cells."""
    found = []
    for line in ROWS + COLUMNS:
        for box in BOXES:
            common = [cell for cell in line if cell in box]
            if common:
                found.append((common, [c for c in line if c not in box], [c for c in box if c not in line]))
    return found


_CROSSINGS = _crossings()


def _locked_candidates(state: _State) -> bool:
    """A digit that a box holds only on one line leaves the rest of the line (pointing), and the reverse (claiming)."""
    for common, rest_of_line, rest_of_box in _CROSSINGS:
        here, line, box = (_union(state, cells) for cells in (common, rest_of_line, rest_of_box))
        if state.remove(rest_of_line, here & ~box) or state.remove(rest_of_box, here & ~line):
            return True
    return False


def _union(state: _State, cells: Sequence[int]) -> int:
    bits = 0
    for cell in cells:
        bits |= state.candidates[cell]
    return bits


def _naked_subset(size: int) -> Callable[[_State], bool]:
    """`size` cells of a unit that hold `size` digits among them: no other cell of the unit holds those."""

    def rule(state: _State) -> bool:
        for unit in UNITS:
            few = [cell for cell in unit if 2 <= state.candidates[cell].bit_count() <= size]
            for cells in combinations(few, size):
                bits = _union(state, cells)
                others = [cell for cell in unit if cell not in cells]
                if bits.bit_count() == size and state.remove(others, bits):
                    return True
        return False

    return rule


def _hidden_pair(state: _State) -> bool:
    """Two digits with the same two places in a unit: those cells hold nothing else."""
    for unit in UNITS:
        places = [[cell for cell in unit if state.candidates[cell] >> digit & 1] for digit in range(9)]
        twins = [digit for digit in range(9) if len(places[digit]) == 2]
        for a, b in combinations(twins, 2):
            if places[a] == places[b] and state.remove(places[a], ~(1 << a | 1 << b)):
                return True
    return False


def _x_wing(state: _State) -> bool:
    """A digit with the same two places in two parallel lines leaves the two crossing lines elsewhere."""
    for lines, crossing in ((ROWS, COLUMNS), (COLUMNS, ROWS)):
        for digit in range(9):
            places = [[k for k in range(9) if state.candidates[line[k]] >> digit & 1] for line in lines]
            twins = [line for line in range(9) if len(places[line]) == 2]
            for a, b in combinations(twins, 2):
                cells = [crossing[k][m] for k in places[a] for m in range(9) if m not in (a, b)]
                if places[a] == places[b] and state.remove(cells, 1 << digit):
                    return True
    return False


_RULES: tuple[tuple[str, Callable[[_State], bool]], ...] = (
    ("naked single", _naked_single),
    ("hidden single", _hidden_single),
    ("locked candidates", _locked_candidates),
    ("naked pair", _naked_subset(2)),
    ("hidden pair", _hidden_pair),
    ("naked triple", _naked_subset(3)),
    ("x-wing", _x_wing),
)
TECHNIQUES = ("none", *(name for name, _ in _RULES), BEYOND)  # the easiest first; "none" is for a complete board
SINGLES = TECHNIQUES[:3]
