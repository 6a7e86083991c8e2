"""What the alignment of a protein's family says about its pairs: the curve that a model's map is held against.

Mean-field direct coupling analysis with average-product correction, computed from an alignment that the user brings or
read from the record of `bench dca`, which holds the scores of the examples that ship.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mi_core.benchmarks.report import read_record
from mi_core.errors import FormatError, InputError
from mi_core.proteins.contacts import apc
from mi_core.proteins.dca import mean_field_dca
from mi_core.proteins.families import GAP, Family, place_row, spell, weights
from mi_core.proteins.structure import Chain
from mi_core.shapes import PairMatrix, Row

RECORD = Path(__file__).resolve().parents[2] / "assets" / "results" / "protein_dca.json"
LEAST_IDENTITY = 0.25  # of the row that is laid on the chain; below it the columns may lie anywhere
UNITS = 10_000  # of a stored score
WORD = 3  # letters of the words by which the nearest row is found


@dataclass(frozen=True, eq=False)
class FamilyScores:
    """Scores of the pairs of a chain of N residues."""

    family: str
    sequences: int
    effective: float  # sequences that are alike counted once
    identity: float  # of the row that lies on the chain
    residues: Row  # (K,) of the chain that have a column
    scores: PairMatrix  # (K, K) mean-field couplings, APC; higher is stronger

    def over_positions(self, residues: Row) -> PairMatrix:
        """The scores (L, L) over the positions of a sequence placed on this chain, NaN where there is no column.

        Args:
            residues: (L,) of the chain, -1 where a position has none.
        """
        whole = torch.full((len(residues), len(residues)), torch.nan, dtype=torch.float64)
        place = {residue: k for k, residue in enumerate(self.residues.tolist())}
        positions = torch.tensor([i for i, r in enumerate(residues.tolist()) if r in place], dtype=torch.int64)
        columns = torch.tensor([place[r] for r in residues.tolist() if r in place], dtype=torch.int64)
        whole[positions[:, None], positions[None, :]] = self.scores[columns[:, None], columns[None, :]].double()
        return whole

    def to_json(self) -> dict[str, Any]:
        """Plain values; residues, and the upper triangle of the scores in ten-thousandths, as numbers in a text."""
        first, second = torch.triu_indices(len(self.residues), len(self.residues), 1)
        return {
            "family": self.family,
            "sequences": self.sequences,
            "effective": round(self.effective, 1),
            "identity": round(self.identity, 4),
            "residues": " ".join(map(str, self.residues.tolist())),
            "scores": " ".join(str(round(UNITS * value)) for value in self.scores[first, second].tolist()),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FamilyScores":
        """Read what `to_json` wrote.

        Raises:
            FormatError: a field is missing or of another kind.
        """
        try:
            residues = torch.tensor([int(text) for text in values["residues"].split()], dtype=torch.int64)
            scores = torch.zeros(len(residues), len(residues), dtype=torch.float64)
            first, second = torch.triu_indices(len(residues), len(residues), 1)
            scores[first, second] = torch.tensor([int(text) / UNITS for text in values["scores"].split()]).double()
            facts = (str(values["family"]), int(values["sequences"]), float(values["effective"]))
            return cls(*facts, float(values["identity"]), residues, scores + scores.T)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise FormatError("These couplings of a family cannot be read; `bench dca` writes them.") from error


def nearest_row(family: Family, chain: Chain) -> Tensor:
    """The aligned sequence (N,) that shares the most three-letter words with a chain."""
    words = {chain.sequence[k : k + WORD] for k in range(len(chain) - WORD + 1)}

    def shared(letters: str) -> int:
        return len(words & {letters[k : k + WORD] for k in range(len(letters) - WORD + 1)})

    best = max(range(len(family)), key=lambda k: shared(spell(family.rows[k][family.rows[k] != GAP])))
    return family.rows[best]


def family_scores(family: Family, chain: Chain, *, name: str) -> FamilyScores:
    """Direct coupling analysis of an alignment, its columns laid on a chain through the sequence nearest to it.

    Raises:
        InputError: the family is another one, or has more than 300 columns.
    """
    placed = place_row(nearest_row(family, chain), chain)
    columns = (placed.residues >= 0).nonzero()[:, 0]
    if len(columns) < 2 or placed.identity < LEAST_IDENTITY:
        raise InputError(
            f"No sequence of {name} resembles chain {chain.id}: the nearest has {placed.identity:.0%} of its letters."
        )
    counted = weights(family.rows)
    scores = apc(mean_field_dca(family.rows, counted))[columns[:, None], columns[None, :]]
    return FamilyScores(name, len(family), float(counted.sum()), placed.identity, placed.residues[columns], scores)


@lru_cache(maxsize=2)
def shipped(path: Path = RECORD) -> dict[str, FamilyScores]:
    """The recorded scores of the examples, by their name; empty where there is no record.

    Raises:
        FormatError: the record is damaged.
    """
    if not path.is_file():
        return {}
    return {name: FamilyScores.from_json(values) for name, values in read_record(path)["result"].items()}
