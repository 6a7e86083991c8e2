"""What a protein model is trained on: sequences, how often each is drawn, and the columns of their alignments."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mi_core.errors import InputError
from mi_core.proteins.sequence import AMINO_ACIDS

NOT_PREDICTED = -100  # what cross_entropy leaves out


def random_ends(rng: np.random.Generator, most: int) -> tuple[str, str]:
    """Residues of any kind as around a domain in its chain: up to `most` at either end, half the time none."""
    before, behind = rng.integers(most + 1, size=2) * (rng.random() < 0.5)
    return "".join(rng.choice(list(AMINO_ACIDS), size=before)), "".join(rng.choice(list(AMINO_ACIDS), size=behind))


@dataclass(frozen=True)
class Corpus:
    """Sequences and how often each is drawn."""

    sequences: tuple[str, ...]  # letters of the 20 amino acids; '-' where an aligned row has a gap
    weights: NDArray[np.float64]  # (S,), any positive scale
    origin: dict[str, Any]  # what a weight file says of the data
    columns: NDArray[np.int64]  # (S,) number of the first column of its alignment among those of all; -1: none
    aligned: float = 0.0  # share of the draws that keep the gaps
    flank: int = 0  # of half of the draws: residues of any kind at most before and behind, as around a domain

    def __post_init__(self) -> None:
        if not self.sequences or len(self.sequences) != len(self.weights):
            raise InputError(f"{len(self.sequences)} sequences and {len(self.weights)} weights cannot be trained on.")

    def draw(self, rng: np.random.Generator) -> tuple[str, NDArray[np.int64]]:
        """One sequence, by weight, and the column of each of its letters, `NOT_PREDICTED` where there is none."""
        found = np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1], side="right")
        at = min(int(found), len(self.sequences) - 1)
        letters, columns = self.sequences[at], np.full(len(self.sequences[at]), NOT_PREDICTED)
        if self.columns[at] >= 0:
            columns = self.columns[at] + np.arange(len(letters))
        if "-" in letters and rng.random() >= self.aligned:
            columns = columns[[letter != "-" for letter in letters]]
            letters = letters.replace("-", "")
        return self._flanked(letters, columns, rng) if self.flank else (letters, columns)

    def _flanked(
        self, letters: str, columns: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[str, NDArray[np.int64]]:
        before, behind = random_ends(rng, self.flank)
        ends = (len(before), len(behind))
        return before + letters + behind, np.pad(columns, ends, constant_values=NOT_PREDICTED)

    @property
    def column_count(self) -> int:
        """Columns of all alignments, at least 1."""
        ends = (
            first + len(row) for first, row in zip(self.columns.tolist(), self.sequences, strict=True) if first >= 0
        )
        return max(ends, default=1)

    @property
    def _cumulative(self) -> NDArray[np.float64]:
        if "_sums" not in self.__dict__:
            object.__setattr__(self, "_sums", np.cumsum(self.weights))
        sums: NDArray[np.float64] = self.__dict__["_sums"]
        return sums
