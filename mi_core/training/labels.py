"""Probed MI of many states: what the head is trained on.

Sudoku: half of the states are complete grids masked at random with a ratio from U[0, 1]; the others are met while
decoding (puzzles, boards with several solutions, the empty board) by strategies of different boldness. Proteins:
sequences of a FASTA file, and tables: draws from the table, both masked with a ratio from U[0, 1]. Shards are written
as they are made and never made twice; their content depends on the recipe and the shard's number alone.

A few positions of each state are probed, not all: the same passes then show the head many more states. A pair with one
end probed carries the MI of that direction, and which end it is is chance, so that the best fit is the mean of the two.
That is the MI of the averaged joint where the model is consistent. Where it is not (a protein model, far from what it
knows), it is more, since averaging two joints that disagree blurs both: there only pairs with both ends probed may
count, `ends=2`.
"""

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mi_core.decoding import decode
from mi_core.errors import FormatError, InputError, SettingError
from mi_core.models.exact import ExactModel
from mi_core.models.protocol import Model
from mi_core.probing import probe
from mi_core.proteins import sequence
from mi_core.sudoku import generator
from mi_core.sudoku.board import VOCAB
from mi_core.training.corpus import random_ends
from mi_core.training.progress import Cancel, Clock, Report
from mi_core.training.sudoku_states import GridSet, random_symmetries, training_states
from mi_core.vocab import Vocab

SHARD = 64  # states
PROBED = 12  # positions probed in each state
LABEL_SEED = 7_000  # of shard 0; none of the shipped puzzle sets uses it
SEED_STEP = 10  # between the seeds of two shards
LONGEST = 256  # residues of a protein state unless more are asked for
PAD = -1  # behind the end of a sequence that is shorter than others of its set; 255 in files
_PAD_IN_FILE = 255
_BOLDNESS = (0.05, 0.3, 1.0, 3.0)  # gammas of the runs whose states are collected


@dataclass(frozen=True)
class LabelSet:
    """States with their probed MI, of one length or padded to the longest."""

    tokens: Tensor  # (S, N) int64, `PAD` behind the end
    mi: Tensor  # (S, N, N) float16, nats; NaN where not labelled
    from_decoding: Tensor  # (S,) bool

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> Tensor:
        """(S,) positions of each state."""
        return (self.tokens != PAD).sum(1)


@dataclass(frozen=True)
class LabelRecipe:
    """Everything that the content of a shard depends on, beside its number."""

    model: str  # a name of `mi_core.catalog`
    weights: str | None = None  # a weight file to take instead of the model's own
    low_precision: bool = False
    seed: int = LABEL_SEED
    mass: float = 0.995
    positions: int = PROBED  # probed in each state
    sequences: tuple[str, ...] = ()  # of amino acids; for protein models
    longest: int = LONGEST  # residues of a state
    flank: int = 0  # random residues at most before and behind half of the sequences
    ends: int = 1  # of a pair that must have been probed for it to be labelled, 1 or 2
    unlike: str = ""  # the alignments whose relatives are not among the sequences, for the header of a head

    def __post_init__(self) -> None:
        if not 0 < self.mass <= 1:
            raise SettingError(f"mass must be above 0 and at most 1, got {self.mass}.")
        if self.ends not in (1, 2):
            raise SettingError(f"Of a pair 1 or 2 ends are probed, got {self.ends}.")


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
    """Fill `folder` up to `shards` shards (or until the time is over) in this process and read them all.

    Raises:
        FormatError: the folder holds labels of another model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock, recipe = Clock(shards, minutes), LabelRecipe(model.name, mass=mass)
    for number in range(shards):
        path = shard_path(folder, number)
        if cancel() or (clock.fraction(number) >= 1 and number > 0):
            break
        if not path.is_file():
            write_shard(path, shard_bytes(model, recipe, number))
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
    return _one_after_another([_read_shard(path, model) for path in paths])


def mixed(sets: Sequence[LabelSet]) -> LabelSet:
    """Several sets as one, each at an even pace: the first tenth of it is the first tenth of every set."""
    pace = torch.cat([(torch.arange(len(part)) + 0.5) / len(part) for part in sets])
    whole, order = _one_after_another(sets), pace.argsort(stable=True)
    return LabelSet(whole.tokens[order], whole.mi[order], whole.from_decoding[order])


def _one_after_another(sets: Sequence[LabelSet]) -> LabelSet:
    longest = max(part.tokens.shape[1] for part in sets)

    def padded(part: Tensor, value: int | float) -> Tensor:
        return torch.from_numpy(_padded(part.numpy(), longest, value))

    return LabelSet(
        torch.cat([padded(part.tokens, PAD) for part in sets]),
        torch.cat([padded(part.mi, np.nan) for part in sets]),
        torch.cat([part.from_decoding for part in sets]),
    )


def _read_shard(path: Path, model: str) -> LabelSet:
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
            made_for, tokens, mi, decoding = str(file["model"]), file["tokens"], file["mi"], file["decoding"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{path.name} is damaged; delete it and make the labels again.") from error
    if made_for != model:
        raise FormatError(f"{path.name} holds labels of model {made_for}, not {model}.")
    numbers = torch.from_numpy(tokens.astype(np.int64))
    return LabelSet(numbers.where(numbers != _PAD_IN_FILE, PAD), torch.from_numpy(mi), torch.from_numpy(decoding))


def _padded(array: NDArray[Any], length: int, value: int | float) -> NDArray[Any]:
    """Every axis but the first filled up to `length` with `value`."""
    room = length - array.shape[1]
    if room == 0:
        return array
    return np.pad(array, [(0, 0)] + [(0, room)] * (array.ndim - 1), constant_values=value)


def shard_states(model: Model, recipe: LabelRecipe, number: int) -> tuple[list[Tensor], NDArray[np.bool_]]:
    """The states of a shard and which of them were met while decoding.

    Raises:
        InputError: states of this kind of model are not known, or a protein model without sequences.
    """
    seed = recipe.seed + SEED_STEP * number
    if model.vocab is VOCAB:
        tokens, decoding = label_states(model, SHARD, seed=seed)
        return list(tokens), decoding.numpy()
    if model.vocab is sequence.VOCAB:
        states = protein_states(recipe.sequences, number, seed=recipe.seed, longest=recipe.longest, flank=recipe.flank)
    elif isinstance(model, ExactModel):
        states = table_states(model, SHARD, seed=seed)
    else:
        raise InputError(f"There are no label states for model {model.name}: neither Sudoku, protein nor table.")
    return states, np.zeros(len(states), dtype=bool)


def protein_states(
    sequences: Sequence[str], number: int, *, seed: int, longest: int = LONGEST, flank: int = 0
) -> list[Tensor]:
    """One shard of sequences, each residue hidden with probability t ~ U[0, 1], at least two in each.

    Shard after shard goes through all sequences in a random order, then through all again in another.

    Args:
        longest: residues; of a longer sequence a random stretch is taken.
        flank: half of the sequences get up to so many random residues before and behind, as around a domain.

    Raises:
        InputError: no sequences.
        SettingError: no room for two residues.
    """
    if longest < 2:
        raise SettingError(f"A state needs at least 2 residues, got {longest} as the longest.")
    if not sequences:
        raise InputError("Labels of a protein model need sequences; name --fasta or --alignment.")
    rng = np.random.default_rng([seed, number])
    states = []
    for k in range(number * SHARD, (number + 1) * SHARD):
        again, place = divmod(k, len(sequences))
        chosen = sequences[np.random.default_rng([seed, 1 + again, 0]).permutation(len(sequences))[place]]
        begin = int(rng.integers(max(0, len(chosen) - longest) + 1))
        before, behind = random_ends(rng, flank) if flank else ("", "")
        letters = before + chosen[begin : begin + longest] + behind
        states.append(_hidden_at_random(rng, sequence.VOCAB.encode(letters), sequence.VOCAB))
    return states


def table_states(model: ExactModel, count: int, *, seed: int) -> list[Tensor]:
    """`count` draws from a table, each symbol hidden with probability t ~ U[0, 1], at least two in each."""
    rng = np.random.default_rng(seed)
    probs = model.table.probs
    drawn = rng.choice(probs.numel(), size=count, p=probs.flatten().numpy())
    rows = np.stack(np.unravel_index(drawn, tuple(probs.shape)), axis=1)
    return [_hidden_at_random(rng, torch.from_numpy(row.astype(np.int64)), model.vocab) for row in rows]


def _hidden_at_random(rng: np.random.Generator, tokens: Tensor, vocab: Vocab) -> Tensor:
    hidden = rng.random(len(tokens)) < rng.random()
    hidden[rng.permutation(np.flatnonzero(~hidden))[: max(0, 2 - int(hidden.sum()))]] = True
    return torch.where(torch.from_numpy(hidden), vocab.mask_id, tokens)


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
    states, cell = symmetric_states(rng, tokens)
    return states, mi.gather(1, cell[:, :, None].expand_as(mi)).gather(2, cell[:, None, :].expand_as(mi))


def symmetric_states(rng: np.random.Generator, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """States (B, 81) under a random symmetry of the game each, and the cell that went to each place (B, 81)."""
    cell, digits = (torch.from_numpy(part) for part in random_symmetries(rng, len(tokens)))
    names = torch.cat([digits, torch.full((len(tokens), 1), VOCAB.mask_id)], dim=1)  # the mask stays the mask
    return names.gather(1, tokens.gather(1, cell)), cell


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{number:05d}.npz"


def shard_bytes(model: Model, recipe: LabelRecipe, number: int) -> bytes:
    """The whole file of a shard; the same bytes for the same recipe and number."""
    states, decoding = shard_states(model, recipe, number)
    rng = np.random.default_rng(recipe.seed + SEED_STEP * number)
    settings: dict[str, Any] = {"mass": recipe.mass, "count": recipe.positions, "ends": recipe.ends}
    labels = [label(model, row, rng, **settings)[None] for row in states]
    longest = max(map(len, states))
    tokens = [_padded(row.numpy()[None], longest, _PAD_IN_FILE) for row in states]
    file = BytesIO()
    np.savez_compressed(
        file,
        tokens=np.concatenate(tokens).astype(np.uint8),
        mi=np.concatenate([_padded(mi, longest, np.nan) for mi in labels]),
        decoding=decoding,
        model=np.array(model.name),
    )
    return file.getvalue()


def write_shard(path: Path, content: bytes) -> None:
    """Write atomically: a shard is there as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def label(
    model: Model, tokens: Tensor, rng: np.random.Generator, *, mass: float, count: int = PROBED, ends: int = 1
) -> NDArray[np.float16]:
    """Probed MI of pairs one or both of whose ends are among `count` positions drawn from the uncertain ones, (N, N);
    NaN elsewhere.

    A position that is all but certain depends on nothing: its pairs are labelled 0 without a pass.
    """
    base = model(tokens[None]).log_probs[0]
    masked = tokens == model.vocab.mask_id
    uncertain = masked & (base.exp().amax(-1).cpu() < mass)
    where = uncertain.nonzero()[:, 0].numpy()
    chosen = torch.zeros_like(masked)
    chosen[rng.permutation(where)[:count]] = True
    mi = probe(model, tokens, mass=mass, positions=chosen, base=base).mi
    known = ~uncertain[:, None] | ~uncertain
    known |= (chosen[:, None] & chosen) if ends == 2 else (chosen[:, None] | chosen)
    return torch.where(known, mi, torch.nan).numpy().astype(np.float16)
