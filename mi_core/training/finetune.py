"""`train finetune`: the Sudoku model tuned to one more rule, on a CPU in under half an hour.

Loss: cross-entropy of the true digit at the open cells of diagonal grids. Matrices move in a low rank, so that what
ships is small. In most states rows, columns and boxes tell more of a cell than its diagonals do, so half of the states
show nearly the diagonals alone, and only their cells count there.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.models.low_rank import update_of
from mi_core.models.sudoku import KIND, load_sudoku
from mi_core.models.tuned import merged_sudoku, save_sudoku_update, tunable_sudoku, with_diagonals
from mi_core.sudoku import generator
from mi_core.sudoku.board import CELLS, VOCAB
from mi_core.sudoku.diagonals import DIAGONAL_UNITS, DIAGONALS, diagonal_symmetries
from mi_core.training.loop import Losses, Run, Schedule
from mi_core.training.progress import Cancel, Report
from mi_core.training.sudoku_mdm import loss_of_states
from mi_core.training.sudoku_states import GridSet, training_states
from mi_core.weights import read_header


@dataclass(frozen=True)
class FineTuning(Schedule):
    """Settings of one run."""

    steps: int = 1_500
    average: float = 0.98  # a short run: a longer memory would keep the untuned weights
    warmup: int = 50
    rate_muon: float = 5e-3
    rate_adamw: float = 3e-3
    batch: int = 16
    solving: float = 0.3  # share of states of puzzles with one solution among the training states
    grids: int = 3_000
    checkpoint_every: int = 100
    rank: int = 8
    focus: float = 0.5  # share of the states in which nearly only the diagonals tell anything


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
    network = tunable_sudoku(base, settings.rank)
    folder = out.with_name(out.name + ".run")
    run = Run(folder, network, network.blocks, settings)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    data = GridSet.cached(folder / "grids.npz", settings.grids, seed=settings.seed, make=diagonal_grids)
    report(f"{trained:,} parameters to tune; {settings.grids:,} base grids; starting at step {run.step}")

    def loss_of(forward: nn.Module, rng: np.random.Generator) -> tuple[Tensor, Losses]:
        tokens, hidden, scored = (torch.from_numpy(part) for part in tuning_states(rng, data, settings))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, _ = forward(torch.where(hidden, VOCAB.mask_id, tokens))
        losses = F.cross_entropy(logits.float()[scored], tokens[scored], reduction="none")
        focused = (scored != hidden).any(-1)[:, None].expand_as(scored)[scored]
        logged = losses.detach()
        return losses.mean(), {"loss": logged[~focused].mean().item(), "focused": logged[focused].mean().item()}

    unseen = unseen_states(settings.seed)
    before, before_tuning = held_out_loss(base, unseen), with_diagonals(base).state_dict()

    def write() -> None:
        averaged: Any = run.average.module
        metrics = {
            "held_out_loss": held_out_loss(merged_sudoku(base, update_of(averaged, before_tuning), out), unseen),
            "held_out_loss_of_base": before,
        }
        report(f"held out: {metrics['held_out_loss']} (base {before})")
        save_sudoku_update(out, averaged, base_file, training=_origin(settings, run, base_file), metrics=metrics)

    run.descend(loss_of, write, report=report, cancel=cancel)
    return out


def _origin(settings: FineTuning, run: Run, base_file: Path) -> dict[str, Any]:
    data = (
        f"{settings.grids} random grids of diagonal Sudoku from our generator (seed {settings.seed}), a random one of "
        "their symmetries at each draw"
    )
    before = read_header(base_file, KIND).training
    return {**asdict(settings), **run.origin(), "data": data, "start": base_file.name, "before": before}


_ON_DIAGONAL = np.isin(np.arange(CELLS), [cell for line in DIAGONALS for cell in line])


def tuning_states(
    rng: np.random.Generator, data: GridSet, settings: FineTuning
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Token ids, the hidden cells and those that count, each (batch, 81).

    A share `focus` of the states show a random part of the diagonals and a small one of the rest; of these, hidden
    cells of the diagonals count. The others are as those of `train sudoku-mdm`, and all hidden cells count.
    """
    tokens, hidden, _ = training_states(
        rng, data, settings.batch, solving=settings.solving, symmetries=diagonal_symmetries
    )
    focused = np.arange(settings.batch) < round(settings.focus * settings.batch)
    part = rng.random((settings.batch, 1))
    shown = rng.random(tokens.shape) < np.where(_ON_DIAGONAL, part, 0.3 * part**2)
    shown[(shown | ~_ON_DIAGONAL).all(axis=1), 0] = False  # at least one cell counts
    hidden = np.where(focused[:, None], ~shown, hidden)
    return tokens, hidden, hidden & (_ON_DIAGONAL | ~focused[:, None])


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
