"""Estimators that set open positions to tokens and run the model again: exact, cut, one-sided, sampled."""

import math
import time
from typing import Annotated

import torch
from torch import Tensor

from mi_core.errors import Cancelled
from mi_core.estimators.registry import Task, estimator
from mi_core.information import entropy, entropy_of, kl_divergence
from mi_core.probing import probe
from mi_core.results import MIResult
from mi_core.selection import Bounds

PAPER = "arXiv 2605.20187"


@estimator(title="Probing, averaged joint", source=PAPER)
def probing(task: Task) -> MIResult:
    """Every token of every open position is tried; MI of the mean of both probed joints."""
    return _probe(task, form="averaged", mass=1.0)


@estimator(title="Probing, mixture", source=PAPER)
def probing_mixture(task: Task) -> MIResult:
    """Every token is tried; H(mixture) less the mean conditional entropy, mean of both directions."""
    return _probe(task, form="mixture", mass=1.0)


@estimator(title="Probing, entropy difference", source=PAPER)
def probing_paper(task: Task) -> MIResult:
    """Every token is tried; the paper's difference of entropies, which may come out negative."""
    return _probe(task, form="entropy-difference", mass=1.0)


@estimator(title="Cut probing", source=PAPER)
def cut_probing(
    task: Task,
    *,
    mass: Annotated[float, Bounds(0.5, 1, "probability that the tokens tried carry together")] = 0.99,
    min_entropy: Annotated[float, Bounds(0, 5, "nats; positions with less are not probed")] = 0.05,
) -> MIResult:
    """Unlikely tokens and nearly certain positions are skipped; the interval certainly holds the uncut value."""
    return _probe(task, form="averaged", mass=mass, min_entropy=min_entropy)


@estimator(title="One direction", source=PAPER)
def one_direction(
    task: Task, *, share: Annotated[float, Bounds(0.05, 1, "share of the open positions that is probed")] = 0.5
) -> MIResult:
    """Only the most uncertain positions are probed; a pair takes the direction that was, and keeps the interval.

    For a consistent model one direction says all. A pair needs one probed end, so that at `share` 1 every position but
    the most certain is probed; below that the pairs among the unprobed are put at 0 and may be up to min(H_i, H_j).
    """
    base = task.model(task.tokens[None]).log_probs[0]
    is_open = task.tokens.to(base.device) == task.model.vocab.mask_id
    count = int(is_open.sum())
    wanted = min(max(0, count - 1), math.ceil(share * count))
    order = entropy(base).masked_fill(~is_open, -1.0).sort(descending=True, stable=True).indices
    chosen = torch.zeros_like(is_open)
    chosen[order[:wanted]] = True
    return _probe(task, form="mixture", mass=1.0, positions=chosen)


def _probe(
    task: Task, *, form: str, mass: float, min_entropy: int | float = 0.0, positions: Tensor | None = None
) -> MIResult:
    return probe(
        task.model,
        task.tokens,
        form=form,
        mass=mass,
        min_entropy=min_entropy,
        positions=positions,
        progress=task.progress,
        cancel=task.cancel,
    )


@estimator(title="Sampled probing", source="ours: Monte Carlo over the probed token")
def sampled(
    task: Task,
    *,
    draws: Annotated[int, Bounds(2, 64, "tokens drawn at each open position")] = 4,
    seed: Annotated[int, Bounds(0, 2**31, "of the draws")] = 0,
) -> MIResult:
    """Tokens are drawn from p_i instead of all being tried; an unbiased mean with its standard error.

    I_ij = E[KL(p_j(. | x_i=v) || p_j)] over v ~ p_i, mean of both directions. For an inconsistent model that mean is
    MI + gap (THEORY 4.1), never less than MI. A token drawn twice costs one pass.
    """
    start = time.perf_counter()
    model, tokens = task.model, task.tokens.to(task.model.device)
    base = model(tokens[None]).log_probs[0]
    where = (tokens == model.vocab.mask_id).nonzero()[:, 0]
    who, token, times = _draw(base[where].exp(), draws, int(seed))
    mean, error = _moments(task, base, where, who, token, times.to(base.device), draws)
    n = len(tokens)
    mi, spread = torch.zeros(n, n, dtype=torch.float64), torch.zeros(n, n, dtype=torch.float64)
    square = where.cpu()[:, None], where.cpu()[None, :]
    mi[square] = ((mean + mean.T) / 2).cpu().fill_diagonal_(0.0)
    spread[square] = ((error + error.T).sqrt() / 2).cpu().fill_diagonal_(0.0)
    return MIResult(
        mi=mi,
        masked=(tokens == model.vocab.mask_id).cpu(),
        entropy=entropy_of(base.exp()).cpu(),
        log_probs=base.cpu(),
        tokens=tokens.cpu(),
        model=model.name,
        estimator="sampled",
        form="mixture plus gap",
        passes=1 + len(who),
        seconds=time.perf_counter() - start,
        error=spread,
    )


def _draw(probs: Tensor, draws: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which open position (P,), which token (P,) and how many of its draws fell on it (P,)."""
    if not len(probs):
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(probs.cpu(), draws, replacement=True, generator=generator)  # (M, draws)
    times = torch.zeros(probs.shape, dtype=torch.float64).scatter_add(1, drawn, torch.ones(drawn.shape).double())
    who, token = times.nonzero(as_tuple=True)
    return who, token, times[who, token]


_BATCH = 8192  # positions run at once


def _moments(
    task: Task, base: Tensor, where: Tensor, who: Tensor, token: Tensor, times: Tensor, draws: int
) -> tuple[Tensor, Tensor]:
    """Mean over the draws (M, M) of KL(p_j(. | x_i=v) || p_j) and its squared standard error, row i drawn."""
    first = base.new_zeros(len(where), len(where))
    second = first.clone()
    size = max(1, _BATCH // len(base))
    for begin in range(0, len(who), size):
        if task.cancel is not None and task.cancel():
            raise Cancelled(f"Sampling was cancelled after {begin} of {len(who)} probes.")
        part = slice(begin, begin + size)
        divergence = _divergences(task, base, where, who[part], token[part])  # (P, M)
        weight = times[part][:, None] / draws
        first.index_add_(0, who[part].to(base.device), weight * divergence)
        second.index_add_(0, who[part].to(base.device), weight * divergence**2)
        if task.progress is not None:
            task.progress(min(begin + size, len(who)), len(who))
    return first, (second - first**2).clamp_min(0.0) / (draws - 1)


def _divergences(task: Task, base: Tensor, where: Tensor, who: Tensor, token: Tensor) -> Tensor:
    """KL(p_j(. | x_i=v) || p_j) of each probe at every open position, (P, M)."""
    states = task.tokens.to(base.device).repeat(len(who), 1)
    states[torch.arange(len(who)), where[who.to(where.device)]] = token.to(states.device)
    moved = task.model(states).log_probs[:, where].exp()
    return kl_divergence(moved, base[where].exp()[None])
