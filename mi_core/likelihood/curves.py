"""How fast hiding tokens loses them: denoising cross-entropy by mask level, and I(X0; X_lambda) from it.

Hide each of the L targets with chance lambda; g(lambda) = E[-log p(x_T | x_C, what is still shown)]. The I-MDCE
relation (arXiv 2510.24088) is dg/dlambda = mdce(lambda)/lambda with mdce(lambda) = E[S_M], the summed surprise of one
pass. With s_m the mean of S_M over the sets of size m the integral is closed:

    g(lambda) = sum_m (s_m / m) P(Binomial(L, lambda) >= m),    g(1) = sum_m s_m / m = -log p(x_T | x_C)

and what the shown tokens tell is I(x0; x_lambda) = g(1) - g(lambda). Averaged over X0 these are H(X0 | X_lambda) and
I(X0; X_lambda).
"""

import csv
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.errors import InputError, SettingError
from mi_core.information import entropy_of
from mi_core.likelihood.methods import get_method
from mi_core.likelihood.question import Cancel, Meter, Progress, Question, surprises
from mi_core.models.exact import JointTable
from mi_core.models.protocol import Model
from mi_core.shapes import Tokens

LEVELS = 41
MAX_ENUMERATED = 12  # targets whose 2^L - 1 sets are all tried


@dataclass(frozen=True, eq=False)
class Curve:
    """Means over rounds, with standard errors (0 for a single round). K levels from 0 to 1, sizes 1..L. Nats."""

    levels: Float[Tensor, " K"]
    denoising: Float[Tensor, " K"]  # mdce(lambda): summed surprise of the hidden tokens
    remaining: Float[Tensor, " K"]  # g(lambda)
    remaining_error: Float[Tensor, " K"]
    information: Float[Tensor, " K"]  # g(1) - g(lambda)
    information_error: Float[Tensor, " K"]
    by_size: Float[Tensor, " L"]  # s_m
    by_size_error: Float[Tensor, " L"]
    passes: int
    exact: Float[Tensor, " K"] | None = None  # of `information`, where a table knows it

    @property
    def shares(self) -> Float[Tensor, " L"]:
        """The share of the targets that each size hides."""
        return torch.arange(1, len(self.by_size) + 1, dtype=torch.float64) / len(self.by_size)

    @property
    def per_token(self) -> Float[Tensor, " L"]:
        """s_m / m, the mean surprise of a hidden token; their sum is -log p."""
        return self.by_size / (self.shares * len(self.by_size))

    @property
    def per_token_error(self) -> Float[Tensor, " L"]:
        """Standard error of `per_token`."""
        return self.by_size_error / (self.shares * len(self.by_size))

    def rows(self) -> list[dict[str, Any]]:
        """A record a level."""
        known = [None] * len(self.levels) if self.exact is None else self.exact.tolist()
        columns = (self.levels, self.denoising, self.remaining, self.information, self.information_error)
        names = ("level", "denoising", "remaining", "information", "information_error")
        values = zip(*(column.tolist() for column in columns), strict=True)
        return [dict(zip(names, row, strict=True)) | {"exact": k} for row, k in zip(values, known, strict=True)]

    def to_csv(self) -> str:
        """The rows as text."""
        out = io.StringIO()
        rows = self.rows()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()


def curve(
    model: Model,
    questions: Sequence[Question],
    *,
    rounds: int = 8,
    levels: int = LEVELS,
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Curve:
    """The I-MDCE curve of one sequence, or its mean over several with equally many targets.

    Args:
        rounds: sets of every size for each sequence; a round takes a pass for each target.
        levels: mask levels, evenly from 0 to 1.

    Raises:
        InputError: no sequence, or different numbers of targets; a token of probability 0.
        SettingError: less than one round or two levels.
        Cancelled: `cancel` said so.
    """
    targets = {len(question.target) for question in questions}
    if len(targets) != 1:
        raise InputError("The curve needs sequences with the same number of targets, at least one sequence.")
    if rounds < 1 or levels < 2:
        raise SettingError(f"The curve needs at least 1 round and 2 levels, got {rounds} and {levels}.")
    (size,) = targets
    passes = rounds * size * len(questions)
    meter, generator = Meter(passes, progress, cancel), torch.Generator().manual_seed(seed)
    sums = [_sums(model, question, size, rounds, generator, batch_size, meter) for question in questions]
    return _assembled(torch.cat(sums), torch.linspace(0, 1, levels, dtype=torch.float64), passes)


def _sums(
    model: Model,
    question: Question,
    size: int,
    rounds: int,
    generator: torch.Generator,
    batch_size: int | None,
    meter: Meter,
) -> Float[Tensor, "R L"]:
    """S_M for one set of every size in each round."""
    draws = get_method("stratified").draw(size, rounds, generator)
    read = surprises(model, question, draws.hidden, batch_size=batch_size, meter=meter).sum(-1)
    if not bool(read.isfinite().all()):
        raise InputError("The model gives a token of this sequence probability 0, so its curve is not finite.")
    return read.reshape(rounds, size)


def _assembled(sums: Float[Tensor, "R L"], levels: Float[Tensor, " K"], passes: int) -> Curve:
    """Each curve is linear in the sums, so its error is that of the rounds' own curves."""
    density, above = binomials(sums.shape[1], levels)
    size = torch.arange(1, sums.shape[1] + 1, dtype=torch.float64)
    remaining = (sums / size) @ above.T
    information = (sums / size) @ (1 - above).T
    return Curve(
        levels=levels,
        denoising=(sums @ density.T).mean(0),
        remaining=remaining.mean(0),
        remaining_error=_error(remaining),
        information=information.mean(0),
        information_error=_error(information),
        by_size=sums.mean(0),
        by_size_error=_error(sums),
        passes=passes,
    )


def _error(values: Float[Tensor, "R K"]) -> Float[Tensor, " K"]:
    if len(values) < 2:
        return torch.zeros(values.shape[1], dtype=torch.float64)
    return values.std(0) / math.sqrt(len(values))


def binomials(size: int, levels: Float[Tensor, " K"]) -> tuple[Float[Tensor, "K L"], Float[Tensor, "K L"]]:
    """P(Binomial(L, lambda) = m) and >= m for m = 1..L."""
    m = torch.arange(size + 1, dtype=torch.float64)
    ways = (
        torch.lgamma(torch.tensor(size + 1.0, dtype=torch.float64)) - torch.lgamma(m + 1) - torch.lgamma(size - m + 1)
    )
    lam = levels[:, None]
    density = (ways + torch.special.xlogy(m, lam) + torch.special.xlogy(size - m, 1 - lam)).exp()
    above = density.flip(-1).cumsum(-1).flip(-1).clamp_max(1.0)
    return density[:, 1:], above[:, 1:]


def exact_information(
    table: JointTable, question: Question, levels: Float[Tensor, " K"], *, averaged: bool = False
) -> Float[Tensor, " K"]:
    """I(x0; x_lambda) of the question's own sequence, or with `averaged` I(X0; X_lambda), from the table. Nats.

    Raises:
        InputError: more than 12 targets.
    """
    joint = _joint(table, question)
    wanted = tuple(question.tokens[list(question.target)].tolist())
    size = joint.ndim
    known = torch.zeros(size + 1, dtype=torch.float64)  # by the number of shown targets, mean over the sets
    for shown in _sets(size):
        marginal = joint.sum([a for a in range(size) if not shown[a]]) if not shown.all() else joint
        at = tuple(wanted[a] for a in range(size) if shown[a])
        nats = entropy_of(marginal.flatten()) if averaged else -marginal[at].log()
        known[int(shown.sum())] += nats / math.comb(size, int(shown.sum()))
    density, _ = binomials(size, levels)  # of the number hidden
    none_hidden = (1 - levels) ** size
    return density @ known[:size].flip(0) + none_hidden * known[size]


def _joint(table: JointTable, question: Question) -> Tensor:
    """P(x_T | x_C), axes in the order of the targets."""
    tokens = torch.full_like(question.tokens, table.size)
    tokens[list(question.context)] = question.tokens[list(question.context)]
    joint, places = table.condition(tokens), table.open_positions(tokens)
    rest = [a for a, i in enumerate(places) if i not in question.target]
    return joint.sum(rest) if rest else joint


def _sets(size: int) -> Bool[Tensor, "S T"]:
    """All subsets of `size` positions.

    Raises:
        InputError: more than 12 positions.
    """
    if size > MAX_ENUMERATED:
        raise InputError(f"All sets of {size} targets are too many to try; at most {MAX_ENUMERATED} targets.")
    return torch.tensor(list(itertools.product([False, True], repeat=size)))


def every_mask(model: Model, question: Question) -> tuple[Bool[Tensor, "S T"], Float[Tensor, "S T"]]:
    """Every set of hidden targets but the empty one, and its surprises; 2^L - 1 passes.

    Raises:
        InputError: more than 12 targets.
    """
    hidden = _sets(len(question.target))[1:]
    return hidden, surprises(model, question, hidden)


def mean_over_orders(hidden: Bool[Tensor, "S T"], surprise: Float[Tensor, "S T"]) -> float:
    """The value every estimator aims at, from `every_mask`: sum_I B(L-|I|, |I|+1) S_M, the mean over all orders."""
    size, total = hidden.sum(-1), hidden.shape[1]
    weights = [1 / (m * math.comb(total, m)) for m in size.tolist()]  # (m-1)! (L-m)! / L!
    return float((torch.tensor(weights, dtype=torch.float64) * surprise.sum(-1)).sum())


def draw_from(table: JointTable, count: int, *, seed: int) -> Tokens:
    """`count` sequences of the table, (count, N)."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.multinomial(table.probs.flatten(), count, replacement=True, generator=generator)
    return torch.stack(torch.unravel_index(flat, table.probs.shape), dim=-1)
