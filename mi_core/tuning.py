"""A tuned model beside its reference on one sequence: everything that the page and the command show of the update."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mi_core import differential
from mi_core.differential import MIChange, MutantShift, TokenShift
from mi_core.errors import InputError
from mi_core.likelihood.estimates import PASSES
from mi_core.likelihood.question import Cancel, Progress, Question, check_same_vocabulary
from mi_core.likelihood.ratios import Ratio
from mi_core.models.protocol import Model
from mi_core.shapes import Row


@dataclass(frozen=True, eq=False)
class Tuning:
    """What moved. Tokens and MI are of the state in which the context is shown and all else is open."""

    question: Question
    models: tuple[str, str]  # tuned, reference
    reward: Ratio
    tokens: TokenShift
    mutants: MutantShift
    change: MIChange
    margin: Ratio | None = None  # over the other sequence

    def to_json(self, symbols: Sequence[str], top: int = 20) -> dict[str, Any]:
        """Plain values with stable keys; positions count from 1."""
        return {
            "tuned": self.models[0],
            "reference": self.models[1],
            "reward": self.reward.to_json(),
            "tokens": token_rows(self.tokens, symbols),
            "mutants": mutant_values(self.mutants, symbols, top),
            "margin": None if self.margin is None else self.margin.to_json(),
            "mi_change": [[i + 1, j + 1, change, real] for i, j, change, real in self.change.top_pairs(top)],
        }

    def pairs_csv(self) -> str:
        """Every open pair: both MIs, their difference, the sum of the noise floors, nats; the largest change first."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["position_1", "position_2", "mi_tuned", "mi_reference", "difference", "noise_floors"])
        found = self.change
        for i, j, change, _ in found.top_pairs(int(found.tuned.pairs.sum())):
            both = (float(found.tuned.mi[i, j]), float(found.reference.mi[i, j]))
            writer.writerow([i + 1, j + 1, *both, change, float(found.floor[i, j])])
        return out.getvalue()

    def positions_csv(self, symbols: Sequence[str]) -> str:
        """Every scored position: its share of the reward; KL(tuned || reference) and H(q) / ln V of the open state."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["position", "token", "reward", "kl", "normalised_entropy_of_q"])
        row = {position: k for k, position in enumerate(self.tokens.positions)}
        for i, value in zip(self.reward.target, self.reward.contributions.tolist(), strict=True):
            moved = [float(column[row[i]]) for column in (self.tokens.kl, self.tokens.entropy)]
            writer.writerow([i + 1, symbols[int(self.question.tokens[i])], value, *moved])
        return out.getvalue()


def token_rows(shift: TokenShift, symbols: Sequence[str]) -> list[dict[str, Any]]:
    """A record an open position."""
    top = shift.top(symbols)
    columns = zip(shift.positions, top, shift.entropy.tolist(), shift.kl.tolist(), shift.dropped.tolist(), strict=True)
    return [
        {"position": i + 1, "top": [list(pair) for pair in best], "entropy": h, "kl": kl, "dropped": dropped}
        for i, best, h, kl, dropped in columns
    ]


def mutant_values(mutants: MutantShift, symbols: Sequence[str], top: int) -> dict[str, Any]:
    """The distribution over the single mutants in short, with the mutants that the update favours most."""
    best = [{"position": i + 1, "token": symbols[v], "reward": value} for i, v, value in mutants.top(top)]
    return {"size": mutants.size, "entropy": mutants.entropy, "kl": mutants.kl, "q_self": mutants.q_self, "top": best}


class _Stages:
    """One progress bar over several measurements of known size."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.before = total, progress, 0

    def next(self, passes: int) -> Progress:
        """The progress of the next measurement, which takes about `passes`."""
        start, self.before = self.before, self.before + passes

        def tell(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(start + passes * done // max(total, 1), self.total)

        return tell


def compare(
    model: Model,
    reference: Model,
    question: Question,
    *,
    other: Row | None = None,
    passes: int = PASSES,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Tuning:
    """Reward, q over tokens and over single mutants, change of the MI map, and the margin over `other`.

    Args:
        other: (N,), equal to the question's tokens at its context.
        passes: the budget of each side of reward and margin.

    Raises:
        InputError, SettingError, UnknownName, Cancelled: as the parts, `mi_core.differential`.
    """
    check_same_vocabulary(model, reference)
    targets, state = len(question.target), masked_state(model, question)
    probes = 2 * (1 + int((state == model.vocab.mask_id).sum()) * model.vocab.size)
    stages = _Stages((2 if other is None else 6) * passes + 2 * targets + probes, progress)
    options: dict[str, Any] = {"passes": passes, "seed": seed, "cancel": cancel}
    margin = None
    if other is not None:
        told = stages.next(4 * passes)
        margin = differential.preference_margin(model, reference, question, other, progress=told, **options)
    return Tuning(
        question=question,
        models=(model.name, reference.name),
        reward=differential.reward(model, reference, question, progress=stages.next(2 * passes), **options),
        tokens=differential.token_shift(model, reference, state),
        mutants=differential.mutant_shift(model, reference, question, progress=stages.next(2 * targets), cancel=cancel),
        change=differential.mi_change(model, reference, state, progress=stages.next(probes), cancel=cancel),
        margin=margin,
    )


def masked_state(model: Model, question: Question) -> Row:
    """The sequence with only its context shown, (N,)."""
    tokens = torch.full_like(question.tokens, model.vocab.mask_id)
    given = list(question.context)
    tokens[given] = question.tokens[given]
    return tokens


_MUTATION = re.compile(r"(\S)(\d{1,5})(\S)")


def mutated(model: Model, tokens: Row, text: str) -> Row:
    """The sequence with mutations written as `K15A, C30S`: its symbol, the position counted from 1, the new symbol.

    Raises:
        InputError: not written like that, no such position, or another symbol at it.
    """
    out = tokens.clone()
    for part in filter(None, re.split(r"[\s,;]+", text.strip())):
        found = _MUTATION.fullmatch(part)
        if not found:
            raise InputError(f"{part[:20]!r} is no mutation; write its symbol, the position and the new symbol: K15A.")
        at = int(found[2]) - 1
        if not 0 <= at < len(tokens):
            raise InputError(f"Position {at + 1} lies outside the sequence, which has {len(tokens)} positions.")
        old, new = model.vocab.encode(found[1] + found[3]).tolist()
        if int(tokens[at]) != old:
            raise InputError(f"Position {at + 1} holds {model.vocab.decode(tokens[at : at + 1])}, not {found[1]}.")
        out[at] = new
    return out
