"""`train sudoku-mdm`: the masked diffusion model of Sudoku, from nothing, on a CPU in about an hour.

Loss: cross-entropy of the true digit at every open cell, averaged over the open cells of the batch.
"""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.models.sudoku import KIND, SudokuConfig, SudokuNetwork, load_sudoku
from mi_core.sudoku.board import VOCAB
from mi_core.training.loop import Losses, Run, Schedule
from mi_core.training.progress import Cancel, Report
from mi_core.training.sudoku_states import GridSet, training_states
from mi_core.weights import WeightsHeader, read_header, save_weights


@dataclass(frozen=True)
class SudokuTraining(Schedule):
    """Settings of one run."""

    batch: int = 64
    solving: float = 0.5  # share of solving states among the training states
    hard: float = 0.5  # share of hard puzzles among the solving states
    start: str | None = None  # a weight file to start from instead of random weights
    grids: int = 20_000
    held_out: int = 256  # states of further grids, for the losses that the header reports
    network: SudokuConfig = field(default_factory=SudokuConfig)


def train_sudoku_mdm(
    out: Path, settings: SudokuTraining, *, report: Report = print, cancel: Cancel = lambda: False
) -> Path:
    """Train, or go on with the run found beside `out`, and write the averaged weights to `out`.

    A run keeps its state in `out` + `.run/`; the same command picks it up. Returns `out`.
    """
    folder = out.with_name(out.name + ".run")
    data = GridSet.cached(folder / "grids.npz", settings.grids, seed=settings.seed)
    network = _first_network(settings)
    run = Run(folder, network, network.blocks, settings)
    report(f"{run.parameters:,} parameters; {settings.grids:,} base grids; starting at step {run.step}")

    def loss_of(forward: nn.Module, rng: np.random.Generator) -> tuple[Tensor, Losses]:
        states = training_states(rng, data, settings.batch, solving=settings.solving, hard=settings.hard)
        return loss_of_states(forward, *(torch.from_numpy(part) for part in states))

    unseen = _unseen_states(settings)

    def write() -> None:
        metrics = _held_out(run.average.module, *unseen)
        report("held out: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        _write(out, run, settings, metrics)

    run.descend(loss_of, write, report=report, cancel=cancel)
    return out


_HELD_OUT_SEED = 400_000  # added to the seed of the training grids


def _unseen_states(settings: SudokuTraining) -> tuple[Tensor, Tensor, Tensor]:
    """States of grids that are not trained on, half of them solving states, as `training_states` gives them."""
    seed = settings.seed + _HELD_OUT_SEED
    data = GridSet.generate(settings.held_out, seed=seed)
    states = training_states(np.random.default_rng(seed), data, settings.held_out, solving=0.5, hard=0.5)
    tokens, is_open, solving = (torch.from_numpy(part) for part in states)
    return tokens, is_open, solving


@torch.no_grad()
def _held_out(network: nn.Module, tokens: Tensor, is_open: Tensor, solving: Tensor) -> dict[str, float]:
    """Mean loss of an open cell, nats, over all states and over the solving ones."""
    _, losses = loss_of_states(network, tokens, is_open, solving)
    return {"held_out_loss": round(losses["loss"], 4), "held_out_solving_loss": round(losses["solving"], 4)}


def _first_network(settings: SudokuTraining) -> SudokuNetwork:
    torch.manual_seed(settings.seed)  # of the initial weights; everything later draws from the run's generator
    if settings.start is None:
        return SudokuNetwork(settings.network)
    return load_sudoku(Path(settings.start)).network.train().requires_grad_(True)


def loss_of_states(forward: nn.Module, tokens: Tensor, is_open: Tensor, is_solving: Tensor) -> tuple[Tensor, Losses]:
    """Mean over all open cells, and for the log also over those of solving states (NaN if there are none)."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, _ = forward(torch.where(is_open, VOCAB.mask_id, tokens))
    losses = F.cross_entropy(logits.float()[is_open], tokens[is_open], reduction="none")
    solving = losses.detach()[is_solving[:, None].expand_as(is_open)[is_open]]
    loss = losses.mean()
    return loss, {"loss": loss.item(), "solving": solving.mean().item() if len(solving) else math.nan}


def _write(out: Path, run: Run, settings: SudokuTraining, metrics: dict[str, float]) -> None:
    """The averaged weights, with all that made them and how they do on unseen states."""
    trained = {
        **asdict(settings),
        **run.origin(),
        "data": f"{settings.grids} random grids of our generator (seed {settings.seed}), random symmetry at each draw",
    }
    if settings.start is not None:  # keep the history, not where it lay
        start = Path(settings.start)
        trained |= {"start": start.name, "before": read_header(start, KIND).training}
    network: Any = run.average.module
    header = WeightsHeader(KIND, network.config.to_dict(), training=trained, metrics=metrics)
    save_weights(out, network.state_dict(), header)
