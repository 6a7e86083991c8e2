"""`bench heads`: what of a head's architecture pays, each trained alike on the same labels for the same steps.

Every contestant adds one thing to the one before it, from the paper's features to ours; others replace one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import UnknownName
from mi_core.head import HeadConfig, MIHead, Pairs, build_head, config_for
from mi_core.models.protocol import Model, ModelOutput
from mi_core.shapes import Masked
from mi_core.training.head import Augment, HeadTraining, features_of, fit_head
from mi_core.training.labels import LabelSet
from mi_core.training.progress import Report


class LowRankHead(MIHead):
    """softplus of a_i . a_j: no layer sees two positions at once."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        rank = 2 * config.channels
        self.project = nn.Sequential(nn.Linear(config.width, 4 * rank), nn.GELU(), nn.Linear(4 * rank, rank))
        self.scale = nn.Parameter(torch.tensor([rank**-0.5, -4.0]))

    def pairs(self, output: ModelOutput, is_open: Masked) -> Tensor:
        """See `MIHead`."""
        left, right = Pairs(is_open.shape[1], is_open.device).ends(self.project(output.hidden))
        return F.softplus(self.scale[0] * (left * right).sum(-1) + self.scale[1])

    def blocks(self) -> nn.Module:
        """See `MIHead`."""
        return self.project


@dataclass(frozen=True)
class Contestant:
    """One architecture of the study."""

    title: str
    build: Callable[[ModelOutput], MIHead]
    log_targets: bool = False


def _ours(**changes: Any) -> Callable[[ModelOutput], MIHead]:
    return lambda output: build_head(replace(config_for("marginals", output), **changes))


CONTESTANTS = {
    "low-rank": Contestant("final states, low rank", lambda output: LowRankHead(config_for("paper", output))),
    "paper": Contestant("final states, pair MLP (the paper's)", lambda o: build_head(config_for("paper", o))),
    "marginals": Contestant("and marginals, a share of the entropy", _ours(layers=(), attention=0, rounds=0)),
    "layers": Contestant("and inner layers", _ours(attention=0, rounds=0)),
    "attention": Contestant("and attention", _ours(rounds=0)),
    "paths-1": Contestant("and one path update", _ours(rounds=1)),
    "paths-3": Contestant("and three path updates", _ours(rounds=3)),
    "paths-6": Contestant("and six path updates (ours)", _ours()),
    "log": Contestant("ours, log(1 + MI) as the target", _ours(), log_targets=True),
    "no-attention": Contestant("ours without attention", _ours(attention=0)),
}
"""By name, in the order of the table."""


def study_heads(
    model: Model,
    labels: LabelSet,
    *,
    names: Sequence[str] = tuple(CONTESTANTS),
    steps: int = 600,
    seed: int = 3,
    augment: Augment | None = None,
    report: Report = print,
) -> dict[str, Any]:
    """Train every contestant for `steps` batches; R² on held-out states, size, and what a pass of the head costs.

    Raises:
        UnknownName: no such contestant.
    """
    for name in names:
        if name not in CONTESTANTS:
            raise UnknownName("contestant", name, CONTESTANTS)
    rows = []
    for name in names:
        one = CONTESTANTS[name]
        torch.manual_seed(seed)
        head = one.build(features_of(model, labels.tokens[:1])).to(model.device)
        settings = HeadTraining(steps=steps, seed=seed, log_targets=one.log_targets, checkpoint_every=steps)
        head, _, score = fit_head(head, model, labels, settings, augment=augment, report=_named(name, report))
        rows.append(
            {
                "name": name,
                "title": one.title,
                "parameters": sum(p.numel() for p in head.parameters()),
                "r2": round(score, 4),
                "seconds": _seconds(head, model, labels),
            }
        )
    return {"model": model.name, "states": len(labels), "steps": steps, "seed": seed, "heads": rows}


def _named(name: str, report: Report) -> Report:
    return lambda line: report(f"{name}: {line}")


@torch.inference_mode()
def _seconds(head: MIHead, model: Model, labels: LabelSet) -> float:
    """Of the head alone on the fullest of the first states, the least of five."""
    masked = labels.tokens[:64] == model.vocab.mask_id
    at = int(masked.sum(1).argmax())
    output, row = features_of(model, labels.tokens[at : at + 1]), masked[at : at + 1].to(model.device)
    found = []
    for _ in range(5):
        start = time.perf_counter()
        head.eval()(output, row)
        found.append(time.perf_counter() - start)
    return min(found)
