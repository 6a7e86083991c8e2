"""What protein models are trained on: family alignments without their gaps, and general sequences beside them."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from mi_core.errors import InputError
from mi_core.proteins.families import MAX_BYTES, read_family, spell, weights
from mi_core.proteins.files import read_text
from mi_core.proteins.sequence import AMINO_ACIDS
from mi_core.training.corpus import Corpus

SHORTEST = 20  # residues; shorter ones are fragments
HELD_OUT = 0.05  # of every family


def family_name(path: Path) -> str:
    """The family that a file is named after: PF00014 of `PF00014_mgap6.fasta.gz`."""
    return re.split(r"[._]", path.name, maxsplit=1)[0]


def alignments_in(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths`, and every file in the folders among them.

    Raises:
        InputError: there is no such file or folder.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no alignment at {path}.")
        found += sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    return found


def corpus_of(
    alignments: Sequence[Path],
    *,
    general: Path | None = None,
    general_share: float = 0.1,
    aligned_share: float = 0.0,
    flank: int = 0,
    left_out: Collection[str] = (),
    seed: int = 0,
) -> tuple[Corpus, dict[str, list[str]]]:
    """Training sequences with their weights, and those held out of each family.

    Within a family sequences that are 80 % identical count as one. Families are drawn in proportion to the square root
    of their effective number of sequences, so that large ones do not crowd out small ones. A sequence that is held out
    of one file is in none of the others.

    Args:
        aligned_share: how often a sequence is drawn as its row of the alignment, gaps and all.
        flank: residues at most that stand before and behind a drawn sequence.
        general: FASTA of sequences of any kind, drawn with probability `general_share`.
        left_out: families (`family_name`) of which nothing is trained on.

    Raises:
        InputError, FormatError: no alignments, or one that cannot be read.
    """
    if not alignments:
        raise InputError("Name at least one alignment to train on (FASTA, A2M or Stockholm).")
    rng = np.random.default_rng(seed)
    held: dict[str, list[str]] = {}
    kept: list[tuple[str, float, int]] = []
    columns = 0
    for name, width, mine, aside in split(alignments, left_out, rng):
        held.setdefault(name, []).extend(_plain(letters) for letters, _ in aside)
        share = sum(weight for _, weight in mine) ** -0.5 if mine else 0.0
        kept += [(letters, weight * share, columns) for letters, weight in mine]
        columns += width
    unseen = {letters for group in held.values() for letters in group}
    kept = [row for row in kept if _plain(row[0]) not in unseen]
    kept += _general(general, general_share * sum(row[1] for row in kept) / (1 - general_share))
    origin = {
        "families": sorted(set(held) - set(left_out)),
        "left_out": sorted(left_out),
        "held_out_share": HELD_OUT,
        "aligned_share": aligned_share,
        "flank": flank,
        "general": general.name if general else None,
        "general_share": general_share if general else 0,
        "sequences": len(kept),
        "seed": seed,
    }
    letters, drawn, first = zip(*kept, strict=True)
    return Corpus(tuple(letters), np.array(drawn), origin, np.array(first), aligned_share, flank), held


def reference_of(
    alignments: Sequence[Path], count: int, lengths: tuple[int, int], *, seed: int = 0, trained: bool = False
) -> list[str]:
    """Sequences that `corpus_of` holds out with the same seed, drawn as it draws those it trains on, each once.

    Args:
        trained: those it trains on instead.
        count: at most; all there are, if that is fewer.
        lengths: shortest and longest.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, float] = {}
    for _, _, mine, aside in split(alignments, (), rng):
        share = sum(weight for _, weight in mine) ** -0.5 if mine else 0.0
        fitting = ((_plain(letters), weight) for letters, weight in (mine if trained else aside))
        drawn |= {letters: weight * share for letters, weight in fitting if lengths[0] <= len(letters) <= lengths[1]}
    if not drawn:
        return []
    chances = np.array(list(drawn.values()))
    chosen = rng.choice(len(drawn), size=min(count, len(drawn)), replace=False, p=chances / chances.sum())
    letters = list(drawn)
    return [letters[k] for k in chosen]


Weighted = list[tuple[str, float]]  # rows of an alignment and their weights


def split(
    alignments: Sequence[Path], left_out: Collection[str], rng: np.random.Generator
) -> Iterator[tuple[str, int, Weighted, Weighted]]:
    """Of every alignment its family, its columns, and its rows: those to train on, and those held out."""
    for path in sorted(alignments, key=lambda p: p.name):
        family, name = read_family(path), family_name(path)
        rows = list(zip(map(spell, family.rows), weights(family.rows).tolist(), strict=True))
        rows = [(letters, weight) for letters, weight in rows if len(_plain(letters)) >= SHORTEST]
        aside = rng.random(len(rows)) < (1 if name in left_out else HELD_OUT)
        mine, held = ([row for row, out in zip(rows, aside, strict=True) if out == wanted] for wanted in (False, True))
        yield name, family.columns, mine, held


def _plain(row: str) -> str:
    """The sequence of an aligned row."""
    return row.replace("-", "")


def _general(path: Path | None, total: float) -> list[tuple[str, float, int]]:
    """General sequences of the 20 amino acids alone, with equal weights that sum to `total` and no columns."""
    if path is None:
        return []
    found = _usable(path)
    return [(letters, total / len(found), -1) for letters in found]


def sequences_in(path: Path) -> list[str]:
    """The sequences of a FASTA file that hold at least `SHORTEST` residues and nothing but the 20 amino acids.

    Raises:
        InputError: no such file, or none of its sequences is of that kind.
        FormatError: not a text file.
    """
    found = _usable(path)
    if not found:
        raise InputError(
            f"{path.name} holds no sequence of at least {SHORTEST} residues of the 20 amino acids; "
            "give FASTA without gaps and unknown residues."
        )
    return found


def _usable(path: Path) -> list[str]:
    text = read_text(path, limit=MAX_BYTES, what="sequence")
    found = ["".join(part.splitlines()[1:]).upper() for part in text.split(">") if part.strip()]
    return [letters for letters in found if len(letters) >= SHORTEST and set(letters) <= set(AMINO_ACIDS)]


def sample_of(held: dict[str, list[str]], count: int, *, seed: int = 0) -> list[str]:
    """`count` held-out sequences at most, the families taking turns."""
    generator = torch.Generator().manual_seed(seed)
    queues = []
    for group in held.values():
        order = torch.randperm(len(group), generator=generator).tolist()
        queues.append([group[i] for i in order])
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[k] for k in range(longest) for queue in queues if k < len(queue)][:count]
