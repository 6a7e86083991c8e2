"""What a step loses that commits several positions at once, by every measure that is at hand.

Committing the set S draws its tokens from the product of the marginals instead of their joint. The loss is the total
correlation TC(S) = KL(joint || product of marginals). The others are proxies or bounds of it:

    sum of MI      exact where dependence forms a forest; no bound in general (XOR: 0, and TC = ln 2)
    largest MI     TC is at least this
    EB bound       sum H - max H, at least TC (arXiv 2505.24857); knows nothing of dependence
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_core.errors import InputError
from mi_core.information import entropy
from mi_core.models.protocol import Model
from mi_core.probing import probe
from mi_core.shapes import LogProbRow, PairMatrix, Row
from mi_core.sources import with_gap

MOST_EXACT = 4  # positions whose joint is worked out


@dataclass(frozen=True)
class StepCost:
    """Nats that committing one set together is said to lose."""

    positions: tuple[int, ...]
    sum_mi: float | None  # None without an MI matrix
    largest_mi: float | None
    eb_bound: float
    total_correlation: float | None  # None for more than `MOST_EXACT` positions
    passes: int  # that the exact value took


def step_cost(
    model: Model, tokens: Row, positions: list[int], *, log_probs: LogProbRow, mi: PairMatrix | None = None
) -> StepCost:
    """Every measure of the loss of committing `positions` of `tokens` together.

    Args:
        tokens: (N,) the state, the mask where open.
        positions: open positions, each once.
        log_probs: the marginals of that state.
        mi: its MI matrix, nats.

    Raises:
        InputError: a position that is not open, or one named twice.
    """
    if len(set(positions)) != len(positions) or any(int(tokens[i]) != model.vocab.mask_id for i in positions):
        raise InputError("A step commits open positions, each of them once.")
    h = entropy(log_probs)[positions]
    eb_bound = float(h.sum() - h.max()) if positions else 0.0
    exact, passes = None, 0
    if len(positions) <= MOST_EXACT:
        exact, passes = total_correlation(model, tokens, positions, log_probs=log_probs)
    if mi is None:
        return StepCost(tuple(positions), None, None, eb_bound, exact, passes)
    among = mi[positions][:, positions].triu(diagonal=1)
    largest = float(among.max()) if positions else 0.0
    return StepCost(tuple(positions), float(among.sum()), largest, eb_bound, exact, passes)


def gap_cost(
    model: Model, tokens: Row, positions: list[int], *, log_probs: LogProbRow, mass: float = 0.99
) -> tuple[float, int]:
    """Sum over the pairs of `positions` of probed MI + gap, nats, and the passes that it took.

    MI + gap of a pair is the KL between committing one after the other and both at once, averaged over both orders.

    Args:
        mass: each position tries its likeliest tokens until they carry this much; a certain one is not probed.
    """
    chosen = torch.zeros(len(tokens), dtype=torch.bool)
    chosen[positions] = True
    result = probe(model, tokens, form="mixture", mass=mass, positions=chosen, base=log_probs)
    return float(with_gap(result)[positions][:, positions].triu(diagonal=1).sum()), result.passes


def total_correlation(
    model: Model, tokens: Row, positions: list[int], *, log_probs: LogProbRow, mass: float = 0.9999
) -> tuple[float, int]:
    """KL(joint || product of the marginals) of `positions`, nats, and the passes that it took.

    The joint is the model's own, by the chain rule from the most certain position on: every prefix of tokens is
    filled in and the next position is read. Prefixes that together carry less than 1 - `mass` are left out.
    """
    order = sorted(positions, key=lambda i: float(entropy(log_probs)[i]))
    prefixes = tokens[None].clone()
    log_joint = torch.zeros(1, dtype=torch.float64)
    log_product = torch.zeros(1, dtype=torch.float64)
    passes = 0
    for depth, i in enumerate(order):
        if depth == 0:
            conditional = log_probs[i][None]
        else:
            conditional = model(prefixes).log_probs[:, i].cpu()
            passes += len(prefixes)
        log_joint = (log_joint[:, None] + conditional).flatten()
        log_product = (log_product[:, None] + log_probs[i]).flatten()
        prefixes = prefixes.repeat_interleave(model.vocab.size, 0)
        prefixes[:, i] = torch.arange(model.vocab.size).repeat(len(conditional))
        kept = _likeliest(log_joint, mass)
        prefixes, log_joint, log_product = prefixes[kept], log_joint[kept], log_product[kept]
    weight = log_joint.exp()
    return max(0.0, float((weight * (log_joint - log_product)).sum() / weight.sum())), passes


def _likeliest(log_probs: Tensor, mass: float) -> Tensor:
    """Indices of the smallest set of outcomes that carries `mass` of what there is."""
    ranked, order = log_probs.exp().sort(descending=True, stable=True)
    before = ranked.cumsum(0) - ranked
    return order[(before < mass * ranked.sum()) & (ranked > 0)].sort().values
