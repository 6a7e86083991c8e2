"""Which residue of a structure, or column of a family, a position is: global alignment with biotite, BLOSUM62."""

from dataclasses import dataclass

import torch
from biotite.sequence import ProteinSequence
from biotite.sequence.align import SubstitutionMatrix, align_optimal

from mi_core.errors import InputError
from mi_core.proteins.sequence import VOCAB
from mi_core.proteins.structure import UNKNOWN, Chain
from mi_core.shapes import Row

GAP_OPEN, GAP_EXTEND = -10, -1  # BLOSUM62 half-bits, the defaults of EMBOSS and BLAST within a unit
MAX_CELLS = 4_000_000  # of the alignment's table; 512 positions against more residues than any chain of 10 MB shows


@dataclass(frozen=True, eq=False)
class Placement:
    """A sequence of N positions on the residues of a chain."""

    residues: Row  # (N,) index into the chain, -1 where the position has no residue
    identity: float  # share of the aligned pairs with equal letters, open and unknown ones not counted; NaN without any
    mismatches: tuple[tuple[int, str, str], ...]  # position, its letter, the residue's letter

    @property
    def aligned(self) -> int:
        """Positions that have a residue."""
        return int((self.residues >= 0).sum())

    @property
    def coverage(self) -> float:
        """Share of the sequence's positions that have a residue."""
        return self.aligned / len(self.residues)

    def __str__(self) -> str:
        named = "no letters to compare" if self.identity != self.identity else f"identity {self.identity:.0%}"
        return f"{self.aligned} of {len(self.residues)} positions lie on residues of the structure, {named}"


def align(letters: str, chain: Chain) -> Placement:
    """Align a sequence (N letters, `_` where open) with the residues of a chain.

    Global, affine gaps, none charged at the ends. Align the sequence before it is masked: open positions match anything
    at -1, so a sequence that is mostly open has no alignment to speak of, except one as long as the chain.

    Raises:
        InputError: an empty sequence, or too long a pair.
    """
    if not letters:
        raise InputError("An empty sequence cannot be aligned with a structure.")
    if len(letters) * len(chain) > MAX_CELLS:
        raise InputError(f"{len(letters)} positions and {len(chain)} residues are too many to align.")
    if set(letters) == {VOCAB.mask} and len(letters) == len(chain):
        return placement(letters, chain, torch.arange(len(chain)))
    residues = torch.full((len(letters),), -1)
    for position, residue in pair_up(letters, chain.sequence)[0]:
        residues[position] = residue
    return placement(letters, chain, residues)


def pair_up(first: str, second: str) -> tuple[list[tuple[int, int]], float]:
    """The positions of two sequences that lie on each other, ascending, and the score of that in half-bits.

    Global, affine gaps, none charged at the ends; open positions match anything at -1.
    """
    pair = [ProteinSequence(text.replace(VOCAB.mask, UNKNOWN)) for text in (first, second)]
    matrix = SubstitutionMatrix.std_protein_matrix()
    best = align_optimal(*pair, matrix, gap_penalty=(GAP_OPEN, GAP_EXTEND), terminal_penalty=False, max_number=1)[0]
    return [(i, j) for i, j in best.trace.tolist() if i >= 0 and j >= 0], float(best.score)


def placement(letters: str, chain: Chain, residues: Row) -> Placement:
    """The placement that `residues` (N,) describes, its identity counted."""
    pairs = [(p, letters[p], chain.sequence[r]) for p, r in enumerate(residues.tolist()) if r >= 0]
    named = [pair for pair in pairs if pair[1] in VOCAB.symbols and pair[2] in VOCAB.symbols]
    wrong = tuple(pair for pair in named if pair[1] != pair[2])
    identity = 1 - len(wrong) / len(named) if named else float("nan")
    return Placement(residues, identity, wrong)
