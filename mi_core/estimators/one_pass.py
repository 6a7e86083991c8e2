"""Estimators that read a single pass: attention, and the trained heads."""

import time
from dataclasses import replace
from typing import Annotated

import torch

from mi_core.errors import InputError
from mi_core.estimators.registry import Task, estimator
from mi_core.head import MIHead, estimate
from mi_core.information import entropy
from mi_core.proteins.contacts import apc
from mi_core.quantiles import QuantileHead, estimate_quantiles
from mi_core.results import MIResult
from mi_core.selection import Bounds


@estimator(title="Attention", source="arXiv 2603.12996 (DAPD's graph)", in_nats=False)
def attention(
    task: Task, *, blocks: Annotated[int, Bounds(1, 100, "last blocks whose weights are averaged")] = 3
) -> MIResult:
    """Mean attention weight of the last blocks, both directions alike; a score that ranks pairs."""
    start = time.perf_counter()
    output = task.model(task.tokens[None])
    if not output.attention:
        raise InputError(f"Model {task.model.name} does not show its attention; take another estimator.")
    mean = torch.stack([weights[0].mean(0) for weights in output.attention[-blocks:]]).mean(0).double()
    masked = (task.tokens == task.model.vocab.mask_id).cpu()
    both = ((mean + mean.T) / 2).cpu() * (masked[:, None] & masked[None, :])
    return MIResult(
        mi=both.fill_diagonal_(0.0),
        masked=masked,
        entropy=entropy(output.log_probs[0]).cpu(),
        log_probs=output.log_probs[0].cpu(),
        tokens=task.tokens.cpu(),
        model=task.model.name,
        estimator="attention",
        form="score",
        passes=1,
        seconds=time.perf_counter() - start,
    )


@estimator(title="Attention, APC", source="Rao et al. 2021, ICLR (average-product correction)", in_nats=False)
def attention_apc(
    task: Task, *, blocks: Annotated[int, Bounds(1, 100, "last blocks whose weights are averaged")] = 3
) -> MIResult:
    """As attention, less what a position shares with all others."""
    plain = attention(task, blocks=blocks)
    return replace(plain, mi=apc(plain.mi, among=plain.masked))


@estimator(title="Head, marginals", source="ours, after arXiv 2605.20187")
def head_marginals(task: Task) -> MIResult:
    """The trained head that also reads marginals, inner layers and attention."""
    return _head(task, "marginals")


@estimator(title="Head, paper", source="arXiv 2605.20187")
def head_paper(task: Task) -> MIResult:
    """The trained head on final hidden states alone."""
    return _head(task, "paper")


@estimator(title="Head with quantiles", source="ours, after arXiv 2511.18945 (MIST)")
def head_quantiles(task: Task) -> MIResult:
    """The marginals head with a trained spread: the median, and a 90 % interval that certifies nothing."""
    head = _asked(task, "quantiles")
    assert isinstance(head, QuantileHead)
    return estimate_quantiles(task.model, head, task.tokens)


def _head(task: Task, variant: str) -> MIResult:
    return estimate(task.model, _asked(task, variant), task.tokens)


def _asked(task: Task, variant: str) -> MIHead:
    if task.head_of is None:
        raise InputError("No head was given to this estimator; name a model that has one.")
    return task.head_of(variant)
