"""`train pointwise`: the pointwise head on probes made as it goes, the model frozen.

Each step reveals one token at a few open positions of each state, one at a time, and asks the frozen model what that
told about all the others. Loss: KL(p(x_j | x_i=a) || predicted), nats, the mean over the open j.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_core.head import MIHead, open_part, pack
from mi_core.models.protocol import Model
from mi_core.pointwise import KIND, PointwiseHead, new_pointwise
from mi_core.training.head import features_of, like_sized
from mi_core.training.labels import symmetric_states
from mi_core.training.progress import Cancel, Clock, Report, cosine_with_warmup
from mi_core.weights import WeightsHeader, save_weights


@dataclass(frozen=True)
class PointwiseTraining:
    """Settings of one run."""

    steps: int = 3000
    minutes: float | None = None
    batch: int = 12  # states
    probes: int = 6  # tokens revealed in each, one at a time
    rate: float = 2e-3
    rate_trunk: float = 5e-4  # of what comes from the MI head
    weight_decay: float = 0.01
    flat: float = 0.5  # tokens are drawn from p^flat, so that rarer ones are seen too
    warmup: int = 50  # steps
    seed: int = 5
    checkpoint_every: int = 100


_HELD_OUT = 192  # states


def train_pointwise(
    model: Model,
    start: MIHead,
    states: Tensor,
    out: Path,
    settings: PointwiseTraining,
    *,
    report: Report = print,
    cancel: Cancel = lambda: False,
    origin: dict[str, Any] | None = None,
) -> PointwiseHead:
    """Train a pointwise head from an MI head and write it to `out`.

    Args:
        states: (S, 81) Sudoku states, the mask where open; some are held out, each batch is passed through symmetries.
        origin: what the header says of the states.
    """
    torch.manual_seed(settings.seed)
    head = new_pointwise(start).to(model.device).train().requires_grad_(True)
    trunk = {id(p) for p in head.trunk.parameters()}
    own = [p for p in head.parameters() if id(p) not in trunk]
    groups = [
        {"params": own, "rate": settings.rate},
        {"params": list(head.trunk.parameters()), "rate": settings.rate_trunk},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    states = states[torch.randperm(len(states))]  # random and decoding states mixed: a part of both is held out
    held = min(_HELD_OUT, max(1, len(states) // 10))
    clock, rng = Clock(settings.steps, settings.minutes), np.random.default_rng(settings.seed)
    open_count = (states == model.vocab.mask_id).sum(1).numpy()
    batch_of = like_sized(open_count, np.arange(held, len(states)), settings.batch, rng)
    step, seen = 0, []

    def write() -> None:
        share = explained_share(model, head, states[:held], replace(settings, flat=1.0))
        report(f"held out: {share:.4f} of the information explained")
        header = WeightsHeader(
            KIND,
            head.config.to_dict(),
            training={**asdict(settings), "states": len(states), "steps_done": step, **(origin or {})},
            metrics={"held_out_share_explained": round(share, 4)},
        )
        save_weights(out, {name: value.half() for name, value in head.state_dict().items()}, header)

    while clock.fraction(step) < 1 and not cancel():
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * cosine_with_warmup(clock.fraction(step), step, warmup=settings.warmup)
        tokens, _ = symmetric_states(rng, states[next(batch_of)])
        lost, total = _losses(model, head, tokens, settings, rng)
        optimiser.zero_grad()
        lost.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        seen.append((lost.item(), total.item()))
        step += 1
        if step % 25 == 0:
            left, all_of_it = np.mean(seen, axis=0)
            seen.clear()
            report(f"step {step}  KL {left:.5f} of {all_of_it:.5f}  left {clock.eta(step)}")
        if step % settings.checkpoint_every == 0:
            write()
    write()
    return head.eval().requires_grad_(False)


def _losses(
    model: Model, head: PointwiseHead, tokens: Tensor, settings: PointwiseTraining, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """What the prediction loses and what knowing nothing would lose, KL in nats, means over probes and open others."""
    output = features_of(model, tokens)
    masked = (tokens == model.vocab.mask_id).to(model.device)
    at, is_open = pack(masked)
    part = open_part(output, at)
    row, token = _draws(part.log_probs, is_open, settings, rng)  # (B, R) packed positions, and a token at each
    b = torch.arange(len(tokens), device=at.device)[:, None]
    probes = tokens.to(at.device)[:, None].repeat(1, row.shape[1], 1)
    probes.scatter_(2, at[b, row][..., None], token[..., None])
    after = model(probes.flatten(0, 1)).log_probs.clone()
    after = after.view(*probes.shape, -1)  # (B, R, N, V)
    target = after.gather(2, at[:, None, :, None].expand(-1, row.shape[1], -1, after.shape[-1])).double()
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        z, own = head.features(part, is_open)
        told = head.told(part.log_probs, z[b, row], own[b, row, token], token, own)
    others = is_open[:, None] & (torch.arange(at.shape[1], device=at.device) != row[..., None])
    weight = others.double() / others.sum(2, keepdim=True).clamp_min(1)

    def mean(guess: Tensor) -> Tensor:
        kl: Tensor = (target.exp() * (target - guess)).sum(-1).masked_fill(~others, 0.0)  # a revealed one has ln 0
        return (kl * weight).sum(2).mean()

    return mean(told.double()), mean(part.log_probs[:, None].double())


def _draws(
    log_probs: Tensor, is_open: Tensor, settings: PointwiseTraining, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Packed positions (B, R), the more uncertain the likelier, and a token for each from p^flat."""
    generator = torch.Generator(log_probs.device).manual_seed(int(rng.integers(2**62)))
    unsure = (1 - log_probs.exp().amax(-1)).float().clamp_min(1e-4) * is_open
    row = torch.multinomial(unsure, settings.probes, replacement=True, generator=generator)
    p = (settings.flat * log_probs.float()).softmax(-1)
    b = torch.arange(len(p), device=p.device)[:, None]
    token = torch.multinomial(p[b, row].flatten(0, 1), 1, generator=generator).view_as(row)
    return row, token


@torch.no_grad()
def explained_share(model: Model, head: PointwiseHead, states: Tensor, settings: PointwiseTraining) -> float:
    """1 - (KL that the prediction leaves) / (KL that a token tells), over probes of `states` drawn alike each time."""
    rng, parts = np.random.default_rng(0), []
    order = (states == model.vocab.mask_id).sum(1).argsort()  # alike ones together: a batch costs its fullest state
    for k in range(0, len(states), settings.batch):
        parts.append(torch.stack(_losses(model, head, states[order[k : k + settings.batch]], settings, rng)))
    left, total = torch.stack(parts).sum(0).tolist()
    return float(1 - left / total)
