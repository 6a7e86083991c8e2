"""Probed MI of many Sudoku states: what the head is trained on.

Half of the states are complete grids masked at random with a ratio from U[0, 1]; the others are met while decoding
(puzzles, boards with several solutions, the empty board) by strategies of different boldness. Shards are written as
they are made and never made twice; their content depends on the seed and the shard's number alone.

A few positions of each state are probed, not all: the same passes then show the head many more states. A pair with one
end probed carries the MI of that direction, and which end it is is chance, so that the best fit is the symmetric MI.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mi_core.decoding import decode
from mi_core.errors import FormatError
from mi_core.models.protocol import Model
from mi_core.probing import probe
from mi_core.sudoku import generator
from mi_core.sudoku.board import VOCAB
from mi_core.training.progress import Cancel, Clock, Report
from mi_core.training.sudoku_states import GridSet, random_symmetries, training_states

SHARD = 64  # states
PROBED = 12  # positions probed in each state
LABEL_SEED = 7_000  # of shard 0; none of the shipped puzzle sets uses it
_BOLDNESS = (0.05, 0.3, 1.0, 3.0)  # gammas of the runs whose states are collected


@dataclass(frozen=True)
class LabelSet:
    """States with their probed MI."""

    tokens: Tensor  # (S, 81) int64
    mi: Tensor  # (S, 81, 81) float16, nats; NaN where not labelled
    from_decoding: Tensor  # (S,) bool

    def __len__(self) -> int:
        return len(self.tokens)


def make_labels(
    model: Model,
    folder: Path,
    *,
    shards: int,
    mass: float = 0.995,
    report: Report = print,
    cancel: Cancel = lambda: False,
    minutes: float | None = None,
) -> LabelSet:
    """Fill `folder` up to `shards` shards (or until the time is over) and read them all.

    Raises:
        FormatError: the folder holds labels of another model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock(shards, minutes)
    for number in range(shards):
        path = _shard_path(folder, number)
        if cancel() or (clock.fraction(number) >= 1 and number > 0):
            break
        if not path.is_file():
            _write_shard(model, path, number, mass)
            report(f"labels: {(number + 1) * SHARD} states  left {clock.eta(number + 1)}")
    return read_labels(folder, model.name)


def read_labels(folder: Path, model: str) -> LabelSet:
    """Every shard in `folder`.

    Raises:
        FormatError: no shards, or shards of another model.
    """
    paths = sorted(folder.glob("shard-*.npz"))
    if not paths:
        raise FormatError(f"There are no label shards in {folder.name}.")
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            if str(file["model"]) != model:
                raise FormatError(f"{path.name} holds labels of model {file['model']}, not {model}.")
            parts.append((file["tokens"].astype(np.int64), file["mi"], file["decoding"]))
    tokens, mi, decoding = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return LabelSet(torch.from_numpy(tokens), torch.from_numpy(mi), torch.from_numpy(decoding))


def label_states(model: Model, count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """`count` states, half masked at random and half met while decoding, and which are the latter."""
    at_random = count // 2
    masked = random_states(at_random, seed=seed)
    met = decoding_states(model, count - at_random, seed=seed + 1)
    flags = torch.cat([torch.zeros(at_random, dtype=torch.bool), torch.ones(len(met), dtype=torch.bool)])
    return torch.cat([masked, met]), flags


def random_states(count: int, *, seed: int) -> Tensor:
    """Fresh complete grids, each cell masked with probability t, t ~ U[0, 1] for each grid; (count, 81)."""
    data = GridSet.generate(count, seed=seed)
    rng = np.random.default_rng(seed)
    tokens, is_open, _ = training_states(rng, data, count, solving=0.0)
    return torch.from_numpy(np.where(is_open, 9, tokens))


def decoding_states(model: Model, count: int, *, seed: int) -> Tensor:
    """States met by sampled MI-free runs from puzzles, boards with several solutions and the empty board."""
    rng = np.random.default_rng(seed)
    runs = max(4, count // 4)
    starts = _starts(runs, seed)
    collected: list[tuple[int, ...]] = []
    for k, gamma in enumerate(_BOLDNESS):
        part = starts[k :: len(_BOLDNESS)]
        traces = decode(model, part, "eb-sampler", {"gamma": gamma}, seed=seed + k, temperature=1.0)
        for trace in traces:
            states = trace.states[:-1]
            picked = rng.choice(len(states), size=min(4, len(states)), replace=False)
            collected += [states[i] for i in picked]
    order = rng.permutation(len(collected))
    while len(order) < count:  # short runs: some states serve twice rather than too few being returned
        order = np.concatenate([order, order])
    return torch.tensor([collected[i] for i in order[:count]], dtype=torch.int64)


def _starts(runs: int, seed: int) -> Tensor:
    """A third each: unique puzzles, those with up to 20 further clues removed, empty boards."""
    boards, _ = generator.puzzles(runs, low=45, high=60, seed=seed, tries=1)
    rng = np.random.default_rng(seed)
    for k in range(runs):
        if k % 3 == 1:
            boards[k, rng.choice(81, size=30, replace=False)] = 0
        elif k % 3 == 2:
            boards[k] = 0
    return torch.from_numpy(np.where(boards == 0, 9, boards.astype(np.int64) - 1))


def symmetric_labels(rng: np.random.Generator, tokens: Tensor, mi: Tensor) -> tuple[Tensor, Tensor]:
    """States (B, 81) and labels (B, 81, 81) under a random symmetry of the game each.

    The model is trained on all symmetric copies and treats them nearly alike (tests/test_training.py holds it to that),
    so that a few thousand probed states serve for any number of training steps.
    """
    cell, digits = (torch.from_numpy(part) for part in random_symmetries(rng, len(tokens)))
    names = torch.cat([digits, torch.full((len(tokens), 1), VOCAB.mask_id)], dim=1)  # the mask stays the mask
    moved = mi.gather(1, cell[:, :, None].expand_as(mi)).gather(2, cell[:, None, :].expand_as(mi))
    return names.gather(1, tokens.gather(1, cell)), moved


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.npz"


def _write_shard(model: Model, path: Path, number: int, mass: float) -> None:
    seed = LABEL_SEED + 10 * number
    tokens, decoding = label_states(model, SHARD, seed=seed)
    rng = np.random.default_rng(seed)
    mi = np.stack([label(model, row, rng, mass=mass) for row in tokens])
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(
            file, tokens=tokens.numpy().astype(np.uint8), mi=mi, decoding=decoding.numpy(), model=np.array(model.name)
        )
    os.replace(part, path)


def label(model: Model, tokens: Tensor, rng: np.random.Generator, *, mass: float) -> NDArray[np.float16]:
    """Probed MI of the pairs that touch one of `PROBED` positions drawn from the uncertain ones, (N, N); NaN elsewhere.

    A position that is all but certain depends on nothing: its pairs are labelled 0 without a pass.
    """
    base = model(tokens[None]).log_probs[0]
    masked = tokens == model.vocab.mask_id
    uncertain = masked & (base.exp().amax(-1).cpu() < mass)
    where = uncertain.nonzero()[:, 0].numpy()
    chosen = torch.zeros_like(masked)
    chosen[rng.permutation(where)[:PROBED]] = True
    mi = probe(model, tokens, mass=mass, positions=chosen, base=base).mi
    known = chosen | ~uncertain
    return torch.where(known[:, None] | known[None, :], mi, torch.nan).numpy().astype(np.float16)
