"""The loop that every network here is trained by: optimisers, averaging, checkpoints, resuming.

Matrices inside the blocks are updated by Muon (Jordan et al. 2024; torch's own), everything else by AdamW; at equal
steps this learns several times faster here than AdamW alone. What ships is an exponential average over the last steps.
"""

import json
import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mi_core.errors import InputError
from mi_core.training.progress import Cancel, Clock, Report, cosine_with_warmup


@dataclass(frozen=True)
class Schedule:
    """How long, how fast, and how often a checkpoint is written."""

    steps: int = 16_000
    minutes: float | None = None  # end by working time instead; the learning rate follows the clock
    rate_muon: float = 3e-3
    rate_adamw: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 200
    average: float = 0.999  # decay of the exponential average of the weights
    seed: int = 1
    compile: bool = False  # torch.compile: a fifth faster, needs a C++ compiler
    checkpoint_every: int = 250


Losses = dict[str, float]
LossOf = Callable[[nn.Module, np.random.Generator], tuple[Tensor, Losses]]
"""One batch through the network: the loss to descend, and what the log shows of it (NaN where it has no value)."""


class Run:
    """State of a training run: network, average, optimisers, randomness, clock.

    Args:
        folder: where the state is kept, if anywhere; a run that was begun there goes on.
        about: what else the run is of, plain values; a run of something else is not gone on with.

    Raises:
        InputError: what is kept there is a run of something else.
    """

    def __init__(
        self,
        folder: Path | None,
        network: nn.Module,
        blocks: nn.Module,
        schedule: Schedule,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.folder, self.network, self.schedule = folder, network, schedule
        self.about = json.dumps([self.parameters, about], sort_keys=True)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.average = AveragedModel(network, avg_fn=_moving_average(schedule.average))
        self.optimisers = _optimisers(network, blocks, schedule)
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimisers]
        self.rng = np.random.default_rng(schedule.seed)
        self.step, self.spent = 0, 0.0
        self._resume()
        self.clock = Clock(schedule.steps, schedule.minutes, self.spent)
        self.forward: Any = torch.compile(network) if schedule.compile else network

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.network.parameters())

    def descend(self, loss_of: LossOf, write: Callable[[], None], *, report: Report, cancel: Cancel) -> None:
        """Steps until the schedule is over or `cancel` says so; `write` stores the averaged weights at checkpoints."""
        recent: list[Losses] = []
        saved = -1
        while self.clock.fraction(self.step) < 1.0 and not cancel():
            recent.append(self._advance(loss_of))
            if self.step % 50 == 0:
                self._tell(recent, report)
                recent.clear()
            if self.step % self.schedule.checkpoint_every == 0:
                self._save(write)
                saved = self.step
        if recent:
            self._tell(recent, report)
        if saved != self.step:
            self._save(write)

    def _tell(self, recent: list[Losses], report: Report) -> None:
        shown = "  ".join(f"{name} {_mean([r[name] for r in recent]):.4f}" for name in recent[0])
        report(f"step {self.step}  {shown}  {self.clock.seconds / 60:.1f} min  left {self.clock.eta(self.step)}")

    def _advance(self, loss_of: LossOf) -> Losses:
        factor = cosine_with_warmup(self.clock.fraction(self.step), self.step, warmup=self.schedule.warmup)
        for optimiser, rates in zip(self.optimisers, self.rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        loss, losses = loss_of(self.forward, self.rng)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.average.update_parameters(self.network)
        self.step += 1
        return losses

    def origin(self) -> dict[str, Any]:
        """What a weight file says of the run so far."""
        return {
            "steps_done": self.step,
            "minutes_done": round(self.clock.seconds / 60, 1),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
            "torch": torch.__version__,
        }

    def _save(self, write: Callable[[], None]) -> None:
        write()
        if self.folder is None:
            return
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "spent": self.clock.seconds,
            "about": self.about,
        }
        part = self.folder / "state.pt.part"
        torch.save(state, part)
        os.replace(part, self.folder / "state.pt")

    def _resume(self) -> None:
        if self.folder is None or not (path := self.folder / "state.pt").is_file():
            return
        state = torch.load(path, weights_only=True)
        if state.get("about") != self.about:
            raise InputError(
                f"{self.folder.name} holds a run of another size, with other settings or on other data; "
                "remove it or write to another file."
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.spent = state["step"], state["spent"]


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """e + (p - e) (1 - decay), and more than that in the first 9 / (1 - decay) steps: short runs forget their start."""

    def average(e: Tensor, p: Tensor, steps: Tensor | int) -> Tensor:
        return e + (p - e) * max(1 - decay, 9 / (10 + int(steps)))

    return average


def _mean(values: list[float]) -> float:
    """The mean of those that are numbers; NaN if none is."""
    found = [value for value in values if not math.isnan(value)]
    return sum(found) / len(found) if found else math.nan


def _optimisers(network: nn.Module, blocks: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    matrices = [p for p in blocks.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in ids]
    return [
        torch.optim.Muon(
            matrices, lr=schedule.rate_muon, weight_decay=schedule.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=schedule.rate_adamw, betas=(0.9, 0.98), weight_decay=0.0),
    ]
