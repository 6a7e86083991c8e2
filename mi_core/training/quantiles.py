"""`train head --variant quantiles`: quantiles of probed MI by the pinball loss, on a marginals head left as it is.

What that head knows of each labelled pair is computed once; the small part above it then trains in minutes. Every pair
counts alike: its loss is taken in units of its own smaller entropy, which moves no quantile.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_core.head import MarginalsHead, Pairs, open_part, pack
from mi_core.information import entropy
from mi_core.models.protocol import Model
from mi_core.quantiles import KIND, QuantileConfig, QuantileHead, QuantileTop, fingerprint
from mi_core.training.head import Augment, features_of
from mi_core.training.labels import LabelSet
from mi_core.training.progress import Cancel, Clock, Report, cosine_with_warmup
from mi_core.weights import WeightsHeader, save_weights

CERTAIN = 0.995  # a position whose likeliest token has this much was labelled without a pass
_FLOOR = 0.02  # nats added to the unit of a pair's loss: what is all but certain need not be told apart


@dataclass(frozen=True)
class QuantileTraining:
    """Settings of one run."""

    epochs: int = 12
    minutes: float | None = None
    batch: int = 4096  # pairs
    rate: float = 2e-3
    weight_decay: float = 0.01
    seed: int = 3


@dataclass(frozen=True, eq=False)
class LabelledPairs:
    """P labelled pairs as the marginals head sees them."""

    z: Tensor  # (P, pair) half precision
    share: Tensor  # (P,) its logit
    smaller: Tensor  # (P,) nats
    larger: Tensor
    target: Tensor  # (P,) probed MI, nats

    def __len__(self) -> int:
        return len(self.target)

    def part(self, at: Tensor) -> "LabelledPairs":
        """Some of them."""
        return LabelledPairs(self.z[at].float(), self.share[at], self.smaller[at], self.larger[at], self.target[at])


def pinball(quantiles: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """max(tau d, (tau - 1) d) with d = target - quantile, (..., K); its mean is least at the true quantile."""
    off = target[..., None] - quantiles
    return torch.maximum(levels * off, (levels - 1) * off)


def train_quantiles(
    model: Model,
    trunk: MarginalsHead,
    labels: LabelSet,
    out: Path,
    settings: QuantileTraining,
    *,
    augment: Augment | None = None,
    report: Report = print,
    cancel: Cancel = lambda: False,
    origin: dict[str, Any] | None = None,
) -> QuantileHead:
    """Train the part above `trunk`, write it in half precision to `out`; a tenth of the states is held out."""
    torch.manual_seed(settings.seed)
    clock, rng = Clock(1, settings.minutes), np.random.default_rng(settings.seed)
    held = max(1, len(labels) // 10)
    pairs = [gather(model, trunk, labels, rows, rng, augment, report) for rows in _split(len(labels), held)]
    unseen, train = pairs
    top = QuantileTop(QuantileConfig(trunk.config.pair_hidden, fingerprint(trunk)))
    levels = torch.tensor(top.config.levels)
    steps = max(1, settings.epochs * len(train) // settings.batch)
    clock = Clock(steps, settings.minutes, clock.seconds)
    optimiser = torch.optim.AdamW(top.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    step, batches = 0, _batches(len(train), settings.batch, settings.seed)
    while clock.fraction(step) < 1 and not cancel():
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * cosine_with_warmup(clock.fraction(step), step, warmup=100)
        loss = _loss(top, train.part(next(batches)), levels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        if step % 200 == 0 or clock.fraction(step) >= 1:
            inside, error = _check(top, unseen, levels)
            report(f"step {step}  held-out pinball {error:.5f}  inside 90 % {inside:.4f}  left {clock.eta(step)}")
    top = top.half().float()  # what ships is what is measured
    inside, error = _check(top, unseen, levels)
    trained = {**asdict(settings), "states": len(labels), "pairs": len(train), "steps_done": step, **(origin or {})}
    metrics = {"held_out_inside_90": round(inside, 4), "held_out_pinball": round(error, 6)}
    config = {**asdict(top.config), "levels": list(top.config.levels)}
    tensors = {name: tensor.half() for name, tensor in top.state_dict().items()}
    save_weights(out, tensors, WeightsHeader(KIND, config, training=trained, metrics=metrics))
    return QuantileHead(trunk, top).eval().requires_grad_(False)


def _split(count: int, held: int) -> tuple[Tensor, Tensor]:
    """The first `held` states, and the others."""
    rows = torch.arange(count)
    return rows[:held], rows[held:] if held < count else rows


def _batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.split(torch.randperm(count, generator=generator), size)


@torch.no_grad()
def gather(
    model: Model,
    trunk: MarginalsHead,
    labels: LabelSet,
    rows: Tensor,
    rng: np.random.Generator,
    augment: Augment | None = None,
    report: Report = print,
) -> LabelledPairs:
    """Every labelled open pair of the states `rows`, less those that were labelled 0 without a pass."""
    found: list[LabelledPairs] = []
    open_count = (labels.tokens[rows] == model.vocab.mask_id).sum(1)
    order = rows[open_count.argsort(stable=True)]  # states of like size together: each batch costs its fullest
    for k, at in enumerate(torch.split(order, 16)):
        tokens, target = labels.tokens[at], labels.mi[at].float()
        if augment is not None:
            tokens, target = augment(rng, tokens, target)
        found.append(_gathered(model, trunk, tokens, target))
        if k % 50 == 49:
            report(f"features of {16 * (k + 1)} of {len(rows)} states")
    parts = zip(*((p.z, p.share, p.smaller, p.larger, p.target) for p in found), strict=True)
    return LabelledPairs(*(torch.cat(column) for column in parts))


def _gathered(model: Model, trunk: MarginalsHead, tokens: Tensor, target: Tensor) -> LabelledPairs:
    output = features_of(model, tokens)
    masked = (tokens == model.vocab.mask_id).to(output.hidden.device)
    at, is_open = pack(masked)
    seen = open_part(output, at)
    z, smaller = trunk.features(seen, is_open)
    h = entropy(seen.log_probs).float()
    pairs = Pairs(at.shape[1], at.device)
    (i, j), (open_i, open_j) = pairs.ends(at), pairs.ends(is_open)
    sure_i, sure_j = pairs.ends(seen.log_probs.exp().amax(-1) >= CERTAIN)
    inner = target.to(masked.device).flatten(1).gather(1, i * target.shape[2] + j)  # (B, P)
    unprobed = (sure_i | sure_j) & (inner == 0)
    wanted = ~inner.isnan() & open_i & open_j & ~unprobed
    larger = torch.maximum(*pairs.ends(h))
    return LabelledPairs(
        z[wanted].half().cpu(), *(x[wanted].float().cpu() for x in (trunk.share(z), smaller, larger, inner))
    )


def _loss(top: QuantileTop, pairs: LabelledPairs, levels: Tensor) -> Tensor:
    found = top(pairs.z.float(), pairs.share, pairs.smaller, pairs.larger)
    return (pinball(found, pairs.target, levels) / (pairs.smaller + _FLOOR)[:, None]).mean()


@torch.no_grad()
def _check(top: QuantileTop, pairs: LabelledPairs, levels: Tensor) -> tuple[float, float]:
    """Share of the labels inside the outer quantiles, and the mean pinball loss in nats."""
    if not len(pairs):
        return math.nan, math.nan
    found = torch.cat(
        [top(p.z, p.share, p.smaller, p.larger) for p in map(pairs.part, torch.split(torch.arange(len(pairs)), 65_536))]
    )
    inside = (found[:, 0] <= pairs.target) & (pairs.target <= found[:, -1])
    return float(inside.double().mean()), float(pinball(found, pairs.target, levels).mean())
