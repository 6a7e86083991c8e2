"""`train head`: the MI head on probed labels, the model frozen.

Loss: squared error over the open pairs (the paper's Frobenius loss). The pairs of a state are weighted so that a state
with few open cells counts for something beside one with three thousand pairs.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_core.head import KIND, MIHead, build_head, config_for, rows_of
from mi_core.models.protocol import Model, ModelOutput
from mi_core.training.labels import LabelSet
from mi_core.training.progress import Cancel, Clock, Report, cosine_with_warmup
from mi_core.weights import WeightsHeader, save_weights


@dataclass(frozen=True)
class HeadTraining:
    """Settings of one run."""

    variant: str = "marginals"
    epochs: int = 30
    minutes: float | None = None
    batch: int = 16
    rate: float = 2e-3
    weight_decay: float = 0.01
    seed: int = 3


def train_head(
    model: Model,
    labels: LabelSet,
    out: Path,
    settings: HeadTraining,
    *,
    report: Report = print,
    cancel: Cancel = lambda: False,
    origin: dict[str, Any] | None = None,
) -> MIHead:
    """Train a head and write it to `out`; a tenth of the states is held out and its R² reported.

    Args:
        origin: what the header says of the labels.
    """
    torch.manual_seed(settings.seed)
    output = _features(model, labels.tokens)
    masked = labels.tokens == model.vocab.mask_id
    head = build_head(config_for(settings.variant, output))
    held = max(1, len(labels) // 10)
    train = np.arange(held, len(labels))
    steps = settings.epochs * -(-len(train) // settings.batch)
    optimiser = torch.optim.AdamW(head.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    clock, rng = Clock(steps, settings.minutes), np.random.default_rng(settings.seed)
    step, losses = 0, []
    while clock.fraction(step) < 1 and not cancel():
        for rows in np.array_split(rng.permutation(train), -(-len(train) // settings.batch)):
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * cosine_with_warmup(clock.fraction(step), step, warmup=100)
            at = torch.from_numpy(rows)
            predicted = head(rows_of(output, at), masked[at])
            loss = _loss(predicted, labels.mi[at], masked[at])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            losses.append(loss.item())
            step += 1
            if clock.fraction(step) >= 1 or cancel():
                break
        at = torch.arange(held)
        score = _r2(head, output, masked, labels.mi, at)
        report(f"step {step}/{steps}  loss {np.mean(losses):.5f}  held-out R2 {score:.4f}  left {clock.eta(step)}")
        losses.clear()
    trained = {**asdict(settings), "states": len(labels), "steps_done": step, **(origin or {})}
    header = WeightsHeader(KIND, head.config.to_dict(), training=trained, metrics={"held_out_r2": round(score, 4)})
    save_weights(out, head.state_dict(), header)
    return head.eval().requires_grad_(False)


def _features(model: Model, tokens: Tensor) -> ModelOutput:
    """One pass over all states. Clones: what a frozen model computes in inference mode may not enter autograd."""
    outputs = [model(tokens[k : k + 64]) for k in range(0, len(tokens), 64)]
    return ModelOutput(
        torch.cat([o.log_probs for o in outputs]).clone(),
        torch.cat([o.hidden for o in outputs]).clone(),
        tuple(torch.cat(parts).clone() for parts in zip(*(o.layers for o in outputs), strict=True)),
        tuple(torch.cat(parts).half().clone() for parts in zip(*(o.attention for o in outputs), strict=True)),
    )


def _pairs(masked: Tensor) -> Tensor:
    return (masked[:, :, None] & masked[:, None, :]).triu(diagonal=1)


def _loss(predicted: Tensor, target: Tensor, masked: Tensor) -> Tensor:
    pairs = _pairs(masked)
    count = pairs.sum((1, 2)).clamp_min(1).sqrt()
    error = ((predicted - target) ** 2 * pairs).sum((1, 2))
    return (error / count).mean()


@torch.no_grad()
def _r2(head: MIHead, output: ModelOutput, masked: Tensor, mi: Tensor, at: Tensor) -> float:
    parts = [at[k : k + 16] for k in range(0, len(at), 16)]
    predicted = torch.cat([head(rows_of(output, b), masked[b]) for b in parts])
    pairs = _pairs(masked[at])
    y, f = mi[at][pairs].double(), predicted[pairs].double()
    return float(1 - ((y - f) ** 2).sum() / ((y - y.mean()) ** 2).sum())
