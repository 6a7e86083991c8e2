"""Everything the likelihood page shows of one question: the race of the methods and the I-MDCE curve."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from mi_core.errors import InputError
from mi_core.likelihood.curves import MAX_ENUMERATED, Curve, curve, exact_information
from mi_core.likelihood.estimates import PASSES, Race, race
from mi_core.likelihood.methods import METHODS
from mi_core.likelihood.question import Cancel, Progress, Question, ask
from mi_core.likelihood.scan import MutationScan, mutation_scan
from mi_core.models.exact import ExactModel
from mi_core.models.protocol import Model
from mi_core.shapes import Row
from mi_core.sudoku import board
from mi_core.sudoku.solver import Solver


@dataclass(frozen=True, eq=False)
class Report:
    """One question and what was measured of it."""

    question: Question
    symbols: tuple[str, ...]  # the token of each target
    race: Race
    curve: Curve
    scan: MutationScan | None = None  # where asked for

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys."""
        scan = {} if self.scan is None else {"mutants": self.scan.rows()}
        return self.race.to_json() | {"curve": self.curve.rows()} | scan


def report(
    model: Model,
    question: Question,
    *,
    passes: int = PASSES,
    seed: int = 0,
    scan: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Report:
    """Each method with the same budget, and the curve with as much again (two rounds at least).

    Args:
        scan: score all single mutants too, a pass for each target.

    Raises:
        InputError: a token of probability 0.
        SettingError, Cancelled: as `mi_core.likelihood.estimates.estimate`.
    """
    targets = len(question.target)
    rounds = max(2, passes // targets)
    run = len(METHODS) * passes
    total = run + rounds * targets + (targets if scan else 0)

    def told(before: int) -> Progress:
        def tell(done: int, _: int) -> None:
            if progress is not None:
                progress(before + done, total)

        return tell

    raced = race(model, question, passes=passes, seed=seed, progress=told(0), cancel=cancel)
    drawn = curve(model, [question], rounds=rounds, seed=seed, progress=told(run), cancel=cancel)
    if isinstance(model, ExactModel) and targets <= MAX_ENUMERATED:
        drawn = replace(drawn, exact=exact_information(model.table, question, drawn.levels))
    scanned = None
    if scan:
        scanned = mutation_scan(model, question, progress=told(run + rounds * targets), cancel=cancel)
    names = tuple(model.vocab.symbols[int(question.tokens[i])] for i in question.target)
    return Report(question, names, raced, drawn, scanned)


def of_board(model: Model, text: str) -> Question:
    """The first solution of a Sudoku puzzle given its clues; a full board is scored whole, whatever it holds.

    Raises:
        InputError: no board, clashing clues, or a puzzle without a solution.
    """
    tokens = board.parse(text, check=False)
    clues = (tokens != board.VOCAB.mask_id).nonzero()[:, 0].tolist()
    if len(clues) == len(tokens):
        return ask(model, tokens)
    board.check_clashes(tokens)
    solution = Solver().solve(board.to_digits(tokens))
    if solution is None:
        raise InputError("This puzzle has no solution, so there is nothing to score; change a clue.")
    return ask(model, board.from_digits(solution), context=clues)


def of_symbols(model: Model, text: str) -> Question:
    """A sequence of the model's symbols, all of it scored but what is open, which is summed out.

    Raises:
        InputError: other symbols, another length, or nothing to score.
    """
    tokens: Row = model.vocab.encode(text.strip())
    return ask(model, tokens)


def random_context(tokens: Row, part: float, *, seed: int, other: Row | None = None) -> tuple[int, ...]:
    """A random share of the positions to give, the same for the same seed; one position at least stays open.

    Args:
        other: (N,), a sequence to compare with: only positions where both hold the same can be given.
    """
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed))
    chosen = order[: min(round(part * len(tokens)), len(tokens) - 1)]
    if other is not None:
        chosen = chosen[(tokens == other)[chosen]]
    return tuple(sorted(chosen.tolist()))
