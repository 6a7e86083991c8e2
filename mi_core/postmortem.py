"""What went wrong in a decoded board, and in which step.

Steps are 0-based here, as in `DecodeTrace.steps`; people read them from 1.
"""

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch

from mi_core.decoding import DecodeStep, DecodeTrace
from mi_core.errors import FormatError
from mi_core.shapes import Row
from mi_core.sudoku.board import CELLS, VOCAB, clashes, is_valid_solution, to_digits
from mi_core.sudoku.solver import Solver

MAX_MI = 100.0  # nats; far above ln 9, the most that two cells can share
LARGEST = 2**63  # no number of a real trace comes near


@dataclass(frozen=True)
class ClashCause:
    """Two cells of one unit with the same digit, and when each of them got it."""

    first: int  # cell, the smaller one
    second: int  # cell
    digit: int  # 1..9
    unit: str  # "row 3", or "row 3 and box 1"
    step_first: int | None  # None where the digit was given
    step_second: int | None
    mi: float | None  # nats, where both were committed together and the trace recorded MI

    @property
    def together(self) -> bool:
        """Committed in the same step: what pairwise MI can warn of."""
        return self.step_first is not None and self.step_first == self.step_second

    @property
    def step(self) -> int | None:
        """The step after which the clash stood on the board, None where it was given."""
        return max((s for s in (self.step_first, self.step_second) if s is not None), default=None)


@dataclass(frozen=True)
class Outcome:
    """How a run ended, judged by the rules and by the solver."""

    valid: bool  # complete and without a clash
    solutions: int  # of the start board, counted up to 2
    solved: bool | None  # equal to the only solution; None unless there is exactly one
    lost_at: int | None  # the step from which on no solution was left to the end
    wrong: tuple[int, ...]  # committed cells that differ from the only solution


def post_mortem(trace: DecodeTrace) -> tuple[ClashCause, ...]:
    """Every clash of the finished board with its cause, in the order in which they came about.

    Clashes among the given digits come first. Every rule-breaking pair is listed once.

    Raises:
        FormatError: the trace is not one of a Sudoku board.
    """
    check_sudoku_trace(trace)
    at = trace.committed_at()
    causes = [
        ClashCause(c.first, c.second, c.digit, c.unit, at[c.first], at[c.second], _mi(trace, at, c.first, c.second))
        for c in clashes(_row(trace.tokens))
    ]
    return tuple(sorted(causes, key=lambda cause: (-1 if cause.step is None else cause.step, cause.first)))


def _mi(trace: DecodeTrace, at: tuple[int | None, ...], first: int, second: int) -> float | None:
    step = at[first]
    if step is None or step != at[second]:
        return None
    pairs = trace.steps[step].pair_mi
    return next((mi for i, j, mi in pairs if {i, j} == {first, second}), None)


def outcome(trace: DecodeTrace) -> Outcome:
    """Valid or not, equal to the only solution or not, and the step that lost the last solution.

    Raises:
        FormatError: the trace is not one of a Sudoku board.
    """
    check_sudoku_trace(trace)
    solver = Solver()
    states = [to_digits(_row(state)) for state in trace.states]
    solutions = solver.solutions(states[0], limit=2)
    only = solutions[0] if len(solutions) == 1 else None
    wrong = () if only is None else tuple(c for c, d in enumerate(states[-1]) if d and d != only[c])
    doomed = takewhile(lambda k: solver.solve(states[k + 1]) is None, reversed(range(len(trace.steps))))
    return Outcome(
        valid=is_valid_solution(_row(trace.tokens)),
        solutions=len(solutions),
        solved=None if only is None else states[-1] == only,
        lost_at=min(doomed, default=None) if solutions else None,
        wrong=wrong,
    )


def _row(tokens: tuple[int, ...]) -> Row:
    return torch.tensor(tokens, dtype=torch.int64)


def check_sudoku_trace(trace: DecodeTrace) -> None:
    """Nothing where the trace is one of a Sudoku board whose steps fit it.

    A trace read from a file has the right fields; whether their contents make sense is checked here.

    Raises:
        FormatError: another kind of sequence, or a step that cannot be.
    """
    if trace.symbols != VOCAB.symbols or not _are(trace.start, int, CELLS) or not _ids(trace.start, VOCAB.mask_id):
        raise FormatError("This trace is not one of a Sudoku board: it needs 81 cells and the digits 1 to 9.")
    is_open = {cell for cell, token in enumerate(trace.start) if token == VOCAB.mask_id}
    committed: set[int] = set()
    for number, step in enumerate(trace.steps, 1):
        cells, revoked = _distinct(step.positions), _distinct(step.revoked)
        if not cells or not cells <= is_open or revoked is None or not revoked <= committed or not _fits(step):
            raise FormatError(f"This trace is damaged: step {number} commits cells or digits that cannot be.")
        is_open = (is_open - cells) | revoked
        committed = (committed | cells) - revoked
    if not all(isinstance(text, str) for text in (trace.strategy, trace.model)) or not _settings(trace):
        raise FormatError("This trace is damaged: its strategy, settings or seed cannot be read.")


def _distinct(cells: Any) -> set[int] | None:
    """The cells as a set; None if they are no tuple of different whole numbers."""
    return set(cells) if _are(cells, int) and len(set(cells)) == len(cells) else None


def _fits(step: DecodeStep) -> bool:
    """Whether the parts of a step have the right kind and length."""
    count = len(step.positions)
    tokens = _are(step.tokens, int, count) and _ids(step.tokens, VOCAB.mask_id - 1)
    numbers = _are(step.entropy, float, CELLS) and _are(step.confidence, float, count)
    marginals = step.marginals == () or (
        _are(step.marginals, tuple, CELLS) and all(_are(row, float, VOCAB.size) for row in step.marginals)
    )
    budget = all(value is None or _are((value,), float) for value in (step.spent, step.budget))
    passes = _are((step.passes,), int) and step.passes >= 0
    return tokens and numbers and marginals and budget and passes and isinstance(step.reason, str) and _pairs(step)


def _pairs(step: DecodeStep) -> bool:
    if not _are(step.pair_mi, tuple) or not all(_are(pair, float, 3) for pair in step.pair_mi):
        return False
    committed = set(step.positions)
    return all({i, j} <= committed and i != j and abs(mi) <= MAX_MI for i, j, mi in step.pair_mi)


def _settings(trace: DecodeTrace) -> bool:
    values = trace.settings
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        return False
    source = trace.mi_source is None or isinstance(trace.mi_source, str)
    return source and _are((*values.values(), trace.temperature, trace.min_p), float) and _are((trace.seed,), int)


def _are(values: Any, kind: type, count: int | None = None) -> bool:
    """Whether `values` is a tuple of `count` finite values of `kind` (a whole number passes as a float)."""
    if not isinstance(values, tuple) or count not in (None, len(values)):
        return False
    kinds = (int, float) if kind is float else kind
    return all(isinstance(v, kinds) and not isinstance(v, bool) and _finite(v) for v in values)


def _finite(value: Any) -> bool:
    return not isinstance(value, (int, float)) or abs(value) < LARGEST


def _ids(values: tuple[int, ...], highest: int) -> bool:
    return all(0 <= value <= highest for value in values)
