"""`train sudoku-mdm`: the masked diffusion model of Sudoku, from nothing, on a CPU in about an hour.

Loss: cross-entropy of the true digit at every open cell, averaged over the open cells of the batch. Matrices inside
the blocks are updated by Muon (Jordan et al. 2024; torch's own), everything else by AdamW; at equal steps this learns
several times faster here than AdamW alone. The shipped weights are an exponential average over the last steps.
"""

import json
import math
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mi_core.models.sudoku import KIND, SudokuConfig, SudokuNetwork, load_sudoku
from mi_core.training.progress import Cancel, Clock, Report, cosine_with_warmup
from mi_core.training.sudoku_states import GridSet, training_states
from mi_core.weights import WeightsHeader, read_header, save_weights


@dataclass(frozen=True)
class SudokuTraining:
    """Settings of one run."""

    steps: int = 16_000
    minutes: float | None = None  # end by working time instead; the learning rate follows the clock
    batch: int = 64
    rate_muon: float = 3e-3
    rate_adamw: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 200
    average: float = 0.999  # decay of the exponential average of the weights
    solving: float = 0.5  # share of solving states among the training states
    hard: float = 0.5  # share of hard puzzles among the solving states
    start: str | None = None  # a weight file to start from instead of random weights
    grids: int = 20_000
    seed: int = 1
    compile: bool = False  # torch.compile: a fifth faster, needs a C++ compiler
    checkpoint_every: int = 250
    network: SudokuConfig = field(default_factory=SudokuConfig)


def train_sudoku_mdm(
    out: Path, settings: SudokuTraining, *, report: Report = print, cancel: Cancel = lambda: False
) -> Path:
    """Train, or go on with the run found beside `out`, and write the averaged weights to `out`.

    A run keeps its state in `out` + `.run/`; the same command picks it up. Returns `out`.
    """
    run = _Run(out, settings)
    report(f"{run.parameters:,} parameters; {settings.grids:,} base grids; starting at step {run.step}")
    losses: list[tuple[float, float]] = []
    while not run.done and not cancel():
        losses.append(run.advance())
        if run.step % 50 == 0:
            everything = np.mean([loss for loss, _ in losses])
            solving = np.mean([loss for _, loss in losses if not math.isnan(loss)] or [math.nan])
            report(
                f"step {run.step}  loss {everything:.4f}  solving {solving:.4f}  "
                f"{run.clock.seconds / 60:.1f} min  left {run.clock.eta(run.step)}"
            )
            losses.clear()
        if run.step % settings.checkpoint_every == 0:
            run.save()
    run.save()
    return out


class _Run:
    """State of a training run: network, average, optimisers, randomness, clock."""

    def __init__(self, out: Path, settings: SudokuTraining) -> None:
        self.out, self.settings = out, settings
        self.folder = out.with_name(out.name + ".run")
        self.data = GridSet.cached(self.folder / "grids.npz", settings.grids, seed=settings.seed)
        torch.manual_seed(settings.seed)  # initial weights; everything later draws from self.rng
        self.network = SudokuNetwork(settings.network)
        if settings.start is not None:
            self.network = load_sudoku(Path(settings.start)).network.train().requires_grad_(True)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average))  # type: ignore[no-untyped-call]
        self.optimisers = _optimisers(self.network, settings)
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimisers]
        self.rng = np.random.default_rng(settings.seed)
        self.step, self.spent = 0, 0.0
        self._resume()
        self.clock = Clock(settings.steps, settings.minutes, self.spent)
        self.forward = torch.compile(self.network) if settings.compile else self.network

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    @property
    def done(self) -> bool:
        return self.clock.fraction(self.step) >= 1.0

    def advance(self) -> tuple[float, float]:
        """One step; the mean loss over all open cells and over those of solving states (NaN if none)."""
        factor = cosine_with_warmup(self.clock.fraction(self.step), self.step, warmup=self.settings.warmup)
        for optimiser, rates in zip(self.optimisers, self.rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        tokens, is_open, is_solving = training_states(
            self.rng, self.data, self.settings.batch, solving=self.settings.solving, hard=self.settings.hard
        )
        loss, losses, mask = self._loss(torch.from_numpy(tokens), torch.from_numpy(is_open))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.average.update_parameters(self.network)
        self.step += 1
        solving_cells = torch.from_numpy(is_solving)[:, None].expand_as(mask)[mask]
        return loss.item(), losses[solving_cells].mean().item()

    def _loss(self, tokens: Tensor, is_open: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs = torch.where(is_open, 9, tokens)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, _ = self.forward(inputs)
        losses = F.cross_entropy(logits.float()[is_open], tokens[is_open], reduction="none")
        return losses.mean(), losses.detach(), is_open

    def save(self) -> None:
        """The averaged weights to `out`, everything needed to go on to the run folder."""
        trained = {
            **asdict(self.settings),
            "steps_done": self.step,
            "minutes_done": round(self.clock.seconds / 60, 1),
            "data": f"{self.settings.grids} random grids of our generator (seed {self.settings.seed}), "
            "random symmetry at each draw",
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
            "torch": torch.__version__,
        }
        if self.settings.start is not None:  # keep the history, not where it lay
            start = Path(self.settings.start)
            trained |= {"start": start.name, "before": read_header(start, KIND).training}
        header = WeightsHeader(KIND, self.network.config.to_dict(), training=trained)
        save_weights(self.out, self.average.module.state_dict(), header)
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "spent": self.clock.seconds,
        }
        part = self.folder / "state.pt.part"
        torch.save(state, part)
        os.replace(part, self.folder / "state.pt")

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.spent = state["step"], state["spent"]


def _optimisers(network: SudokuNetwork, settings: SudokuTraining) -> list[torch.optim.Optimizer]:
    matrices = [p for p in network.blocks.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in ids]
    return [
        torch.optim.Muon(
            matrices, lr=settings.rate_muon, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=settings.rate_adamw, betas=(0.9, 0.98), weight_decay=0.0),
    ]
