"""Every single mutant of a sequence: how much likelier than the sequence itself, a pass for each position."""

import csv
import io
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.likelihood.estimates import finite
from mi_core.likelihood.question import Cancel, Meter, Progress, Question, states_of
from mi_core.models.protocol import Model


@dataclass(frozen=True, eq=False)
class MutationScan:
    """log p(mutant) - log p(sequence), nats, of T positions and V symbols; exact where the model is consistent."""

    target: tuple[int, ...]
    tokens: Int[Tensor, " T"]  # of the sequence itself
    scores: Float[Tensor, "T V"]  # 0 at the sequence's own tokens
    symbols: tuple[str, ...]
    passes: int

    @property
    def tolerance(self) -> Float[Tensor, " T"]:
        """Mean score of a position's mutants: near 0 where the model takes anything, low where it insists."""
        mutants = self.scores.clone()
        mutants[torch.arange(len(self.target)), self.tokens] = torch.nan
        return mutants.nanmean(-1)

    def rows(self) -> list[dict[str, Any]]:
        """A record a mutant, the best first; an infinite score is None."""
        out = [
            {
                "position": i + 1,
                "from": self.symbols[own],
                "to": self.symbols[v],
                "log_ratio": finite(score),
            }
            for i, own, scores in zip(self.target, self.tokens.tolist(), self.scores.tolist(), strict=True)
            for v, score in enumerate(scores)
            if v != own
        ]
        return sorted(out, key=lambda row: -row["log_ratio"] if row["log_ratio"] is not None else float("inf"))

    def to_csv(self) -> str:
        """The rows as text."""
        out = io.StringIO()
        writer = csv.DictWriter(out, ["position", "from", "to", "log_ratio"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return out.getvalue()


def mutation_scan(
    model: Model, question: Question, *, progress: Progress | None = None, cancel: Cancel | None = None
) -> MutationScan:
    """Score all single mutants of x_T given x_C: log p(y_i | rest) - log p(x_i | rest), one pass a position.

    Raises:
        Cancelled: `cancel` said so.
    """
    passes = len(question.target)
    read = given_the_rest(model, question, Meter(passes, progress, cancel))
    own = question.tokens[list(question.target)]
    scores = read - read.gather(1, own[:, None])
    return MutationScan(question.target, own, scores, model.vocab.symbols, passes)


def given_the_rest(model: Model, question: Question, meter: Meter) -> Float[Tensor, "T V"]:
    """log p(x_i = v | context and all other targets), nats, a pass for each target.

    Raises:
        Cancelled: the meter's caller said so.
    """
    hidden = torch.eye(len(question.target), dtype=torch.bool)
    out = []
    for part in torch.split(torch.arange(len(hidden)), max(1, 8192 // len(question.tokens))):
        meter.check()
        read = model(states_of(model, question, hidden[part]).to(model.device)).log_probs.cpu().double()
        out.append(read[torch.arange(len(part)), torch.tensor(question.target)[part]])
        meter.add(len(part))
    return torch.cat(out)
