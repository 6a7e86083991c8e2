"""`train finetune`: the Sudoku model tuned to one more rule, on a CPU in under half an hour.

Loss: as that of `train sudoku-mdm`, on diagonal Sudoku. Matrices move in a low rank, so what ships is small.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mi_core.models.sudoku import KIND, load_sudoku
from mi_core.models.tuned import merged, save_update, tunable, update_of
from mi_core.sudoku import generator
from mi_core.sudoku.diagonals import DIAGONAL_UNITS, diagonal_symmetries
from mi_core.training.loop import Losses, Run, Schedule
from mi_core.training.progress import Cancel, Report
from mi_core.training.sudoku_mdm import loss_of_states
from mi_core.training.sudoku_states import GridSet, training_states
from mi_core.weights import read_header


@dataclass(frozen=True)
class FineTuning(Schedule):
    """Settings of one run."""

    steps: int = 3_000
    average: float = 0.99  # a short run: a longer memory would keep the untuned weights
    warmup: int = 50
    rate_muon: float = 5e-3
    rate_adamw: float = 5e-3
    batch: int = 16
    solving: float = 0.3  # share of states of puzzles with one solution among the training states
    grids: int = 3_000
    rank: int = 8


def diagonal_grids(count: int, *, seed: int) -> GridSet:
    """Random grids of diagonal Sudoku, each with the clues of a puzzle that its rules solve uniquely (20 ms each)."""
    boards, grids = generator.puzzles(count, low=45, high=60, seed=seed, tries=1, units=DIAGONAL_UNITS)
    nothing = np.zeros(count, dtype=np.bool_)
    return GridSet(grids, boards > 0, nothing, np.zeros_like(boards, dtype=np.bool_))


def train_diagonal(
    out: Path, base_file: Path, settings: FineTuning, *, report: Report = print, cancel: Cancel = lambda: False
) -> Path:
    """Tune the model of `base_file`, or go on with the run found beside `out`, and write the update to `out`.

    Raises:
        InputError, FormatError: no base file, or not a Sudoku model's.
    """
    base = load_sudoku(base_file).network
    torch.manual_seed(settings.seed)  # of the low-rank factors; everything later draws from the run's generator
    network = tunable(base, settings.rank)
    folder = out.with_name(out.name + ".run")
    run = Run(folder, network, network.blocks, settings)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    data = GridSet.cached(folder / "grids.npz", settings.grids, seed=settings.seed, make=diagonal_grids)
    report(f"{trained:,} parameters to tune; {settings.grids:,} base grids; starting at step {run.step}")

    def loss_of(forward: nn.Module, rng: np.random.Generator) -> tuple[Tensor, Losses]:
        states = training_states(rng, data, settings.batch, solving=settings.solving, symmetries=diagonal_symmetries)
        return loss_of_states(forward, *(torch.from_numpy(part) for part in states))

    unseen = unseen_states(settings.seed)
    before = held_out_loss(base, unseen)

    def write() -> None:
        averaged: Any = run.average.module
        metrics = {
            "held_out_loss": held_out_loss(merged(base, update_of(averaged, base), out), unseen),
            "held_out_loss_of_base": before,
        }
        report(f"held out: {metrics['held_out_loss']} (base {before})")
        save_update(out, averaged, base_file, training=_origin(settings, run, base_file), metrics=metrics)

    run.descend(loss_of, write, report=report, cancel=cancel)
    return out


def _origin(settings: FineTuning, run: Run, base_file: Path) -> dict[str, Any]:
    data = (
        f"{settings.grids} random grids of diagonal Sudoku from our generator (seed {settings.seed}), a random one of "
        "their symmetries at each draw"
    )
    before = read_header(base_file, KIND).training
    return {**asdict(settings), **run.origin(), "data": data, "start": base_file.name, "before": before}


_HELD_OUT = 256  # states
_HELD_OUT_SEED = 400_000  # added to the seed of the training grids


def unseen_states(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Randomly masked states of grids that are not trained on, as `training_states` gives them."""
    data = diagonal_grids(_HELD_OUT, seed=seed + _HELD_OUT_SEED)
    rng = np.random.default_rng(seed + _HELD_OUT_SEED)
    states = training_states(rng, data, _HELD_OUT, solving=0.0, symmetries=diagonal_symmetries)
    tokens, is_open, solving = (torch.from_numpy(part) for part in states)
    return tokens, is_open, solving


@torch.no_grad()
def held_out_loss(network: nn.Module, states: tuple[Tensor, Tensor, Tensor]) -> float:
    """Mean loss of an open cell, nats."""
    return round(loss_of_states(network, *states)[1]["loss"], 4)
