"""Contacts in a structure, and how well a matrix of scores finds them. Distances are in Å.

A pair counts if its positions are at least `separation` apart along the sequence (6, as in CASP), both are resolved in
the structure, and its score is not NaN. Matrices are (N, N) over the positions of one sequence and symmetric; only the
part above the diagonal is read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.errors import InputError, UnknownName
from mi_core.proteins.structure import Chain
from mi_core.shapes import MaskRow, PairMatrix, Row

MAX_RESIDUES = 2048  # a matrix of distances between more would need more than 32 MB
SEPARATION = 6
RANGES = {"short": (6, 11), "medium": (12, 23), "long": (24, None), "all": (SEPARATION, None)}  # CASP's; |i - j|
FRACTIONS = {"L/5": 5, "L/2": 2, "L": 1}


# Distances


def beta_distances(chain: Chain) -> Float[Tensor, "N N"]:
    """Distances between Cβ atoms (Cα for glycine), Å; 0 on the diagonal.

    Raises:
        InputError: more than 2048 residues.
    """
    _check_length(chain)
    found: Tensor = (chain.beta[:, None] - chain.beta[None, :]).norm(dim=-1)
    return found


def heavy_distances(chain: Chain) -> Float[Tensor, "N N"]:
    """Least distance between any two heavy atoms of two residues, Å; 0 on the diagonal.

    Raises:
        InputError: more than 2048 residues.
    """
    _check_length(chain)
    count = len(chain)
    found = torch.full((count, count), torch.inf, dtype=torch.float64)
    for i in range(count):  # one residue against all atoms, so that memory stays at a dozen rows
        nearest = (chain.atoms[chain.owners == i][:, None] - chain.atoms[None, :]).norm(dim=-1).amin(0)  # (A,)
        found[i] = found[i].scatter_reduce(0, chain.owners, nearest, "amin")
    return found


def _check_length(chain: Chain) -> None:
    if len(chain) > MAX_RESIDUES:
        raise InputError(f"Chain {chain.id} has {len(chain)} residues; contacts are shown for at most {MAX_RESIDUES}.")


@dataclass(frozen=True)
class Definition:
    """One meaning of "contact": a distance below a threshold."""

    title: str
    threshold: float  # Å, the default
    distances: Callable[[Chain], Tensor]
    source: str


DEFINITIONS = {
    "beta": Definition("Cβ within 8 Å", 8.0, beta_distances, "CASP (Cα for glycine)"),
    "heavy": Definition("any heavy atoms within 5 Å", 5.0, heavy_distances, "EVcouplings (Hopf et al. 2012)"),
}


# Contact maps


@dataclass(frozen=True, eq=False)
class ContactMap:
    """Which positions touch, as far as the structure shows them."""

    contacts: Bool[Tensor, "N N"]  # symmetric, False on the diagonal and where unresolved
    resolved: MaskRow  # positions that the structure shows
    distances: PairMatrix  # Å, NaN where unresolved
    definition: str
    threshold: int | float  # Å


def contact_map(
    chain: Chain, *, definition: str = "beta", threshold: int | float | None = None, residues: Row | None = None
) -> ContactMap:
    """Contacts of a chain, in the positions of a sequence that is mapped onto it.

    Args:
        definition: a name in `DEFINITIONS`.
        threshold: Å, exclusive; the definition's own if None.
        residues: (N,) the residue of the chain at each position of the sequence, -1 for none; the chain itself if None.

    Raises:
        UnknownName: no such definition.
        InputError: a threshold that is not positive, a residue that the chain does not have, more than 2048 residues.
    """
    if definition not in DEFINITIONS:
        raise UnknownName("definition of a contact", definition, DEFINITIONS)
    limit = DEFINITIONS[definition].threshold if threshold is None else threshold
    if not limit > 0:
        raise InputError(f"The distance below which residues touch is more than 0 Å, not {limit}.")
    distances = DEFINITIONS[definition].distances(chain)
    return placed(distances, residues if residues is not None else torch.arange(len(chain)), definition, limit)


def placed(distances: Tensor, residues: Row, definition: str, threshold: int | float) -> ContactMap:
    """The map over N positions from distances (R, R) between R residues, see `contact_map`.

    Raises:
        InputError: a residue outside 0..R-1.
    """
    if len(residues) and int(residues.max()) >= len(distances):
        raise InputError(f"Residue {int(residues.max())} was asked for, and the chain has {len(distances)}.")
    resolved = residues >= 0
    at = residues.clamp(min=0)
    both = resolved[:, None] & resolved[None, :]
    inside = distances[at][:, at].masked_fill(~both, torch.nan)
    touching = (inside < threshold) & ~torch.eye(len(residues), dtype=torch.bool)
    return ContactMap(touching, resolved, inside, definition, threshold)


# Scores


def apc(matrix: PairMatrix, *, among: MaskRow | None = None) -> PairMatrix:
    """Average-product correction: S_ij - S_i S_j / S, with the means over the entries off the diagonal.

    It removes what a position shares with all others (Dunn et al. 2008, doi:10.1093/bioinformatics/btm604). The
    diagonal, and what lies outside `among`, is 0. A matrix whose mean is 0 comes back as it is.

    Args:
        among: (N,) the positions that carry scores, e.g. the masked ones; all if None.
    """
    chosen = torch.ones(len(matrix), dtype=torch.bool) if among is None else among
    pairs = chosen[:, None] & chosen[None, :] & ~torch.eye(len(matrix), dtype=torch.bool)
    kept = matrix.masked_fill(~pairs, 0)
    counts = pairs.sum(0).clamp(min=1)
    mean = kept.sum() / pairs.sum().clamp(min=1)
    product = torch.outer(kept.sum(1) / counts, kept.sum(0) / counts)
    return kept if mean == 0 else (kept - product / mean).masked_fill(~pairs, 0)


@dataclass(frozen=True)
class Precision:
    """Share of the k best pairs of a range that are contacts."""

    range: str
    label: str  # "L/5", ...
    k: int  # asked for
    used: int  # min(k, pairs): fewer where the range has fewer
    pairs: int  # that count in this range
    contacts: int  # among them
    precision: float  # NaN without pairs

    @property
    def chance(self) -> float:
        """Precision of a random choice; NaN without pairs."""
        return self.contacts / self.pairs if self.pairs else float("nan")


def precisions(
    scores: PairMatrix, truth: ContactMap, *, length: int | None = None, separation: int = SEPARATION
) -> tuple[Precision, ...]:
    """Precision at L/5, L/2 and L, for short, medium, long range and all.

    Of pairs that tie at the cut each counts with the same share, so that a constant matrix scores exactly chance. k is
    rounded down, at least 1; where a range has fewer pairs, all of them count and `used` says how many.

    Args:
        length: L; the number of resolved positions if None.
        separation: least |i - j|; shortens the ranges from below.

    Raises:
        InputError: matrices of different sizes.
    """
    size = int(truth.resolved.sum()) if length is None else length
    rows = []
    for name in RANGES:
        values, hits = _ranked(scores, truth, name, separation)
        reached = _expected_hits(values, hits)
        for label, divisor in FRACTIONS.items():
            k = max(size // divisor, 1)
            used = min(k, len(values))
            value = float(reached[used - 1]) / used if used else float("nan")
            rows.append(Precision(name, label, k, used, len(values), int(hits.sum()), value))
    return tuple(rows)


def precision_at(
    scores: PairMatrix, truth: ContactMap, k: int, *, span: str = "all", separation: int = SEPARATION
) -> float:
    """Precision of the k best pairs of a range in `RANGES`, as in `precisions`; NaN without pairs or k < 1.

    Raises:
        UnknownName: no such range.
        InputError: matrices of different sizes.
    """
    curve = precision_curve(scores, truth, span=span, separation=separation)
    used = min(k, len(curve))
    return float(curve[used - 1]) if used > 0 else float("nan")


def precision_curve(
    scores: PairMatrix, truth: ContactMap, *, span: str = "all", separation: int = SEPARATION
) -> Float[Tensor, " K"]:
    """Precision of the k best pairs for k = 1..K, K the pairs of the range; ties as in `precisions`.

    Raises:
        UnknownName: no such range.
        InputError: matrices of different sizes.
    """
    reached = _expected_hits(*_ranked(scores, truth, span, separation))
    return reached / torch.arange(1, len(reached) + 1)


def top_pairs(
    scores: PairMatrix, truth: ContactMap, count: int, *, span: str = "all", separation: int = SEPARATION
) -> list[tuple[int, int, float, bool]]:
    """The `count` best pairs (i < j) with score and whether they touch, best first; ties keep position order.

    Raises:
        UnknownName: no such range.
        InputError: matrices of different sizes.
    """
    first, second = eligible(scores, truth, span=span, separation=separation).nonzero(as_tuple=True)
    order = scores[first, second].sort(descending=True, stable=True).indices[:count].tolist()
    pairs = ((int(first[k]), int(second[k])) for k in order)
    return [(i, j, float(scores[i, j]), bool(truth.contacts[i, j])) for i, j in pairs]


def eligible(
    scores: PairMatrix, truth: ContactMap, *, span: str = "all", separation: int = SEPARATION
) -> Bool[Tensor, "N N"]:
    """The pairs i < j that count in a range: far enough apart, resolved, with a score.

    Raises:
        UnknownName: no such range.
        InputError: matrices of different sizes.
    """
    if span not in RANGES:
        raise UnknownName("range", span, RANGES)
    if scores.shape != truth.contacts.shape:
        raise InputError(f"Scores {tuple(scores.shape)} and contacts {tuple(truth.contacts.shape)} differ in size.")
    low, high = RANGES[span]
    low = separation if span == "all" else max(low, separation)
    places = torch.arange(len(scores))
    apart = places[None, :] - places[:, None]
    far = (apart >= max(low, 1)) & (apart <= (len(scores) if high is None else high))
    return far & truth.resolved[:, None] & truth.resolved[None, :] & ~scores.isnan()


def _ranked(scores: Tensor, truth: ContactMap, span: str, separation: int) -> tuple[Tensor, Tensor]:
    """Scores and contacts (K,) of the pairs that count, best first."""
    pairs = eligible(scores, truth, span=span, separation=separation)
    values, order = scores[pairs].double().sort(descending=True, stable=True)
    return values, truth.contacts[pairs][order].double()


def _expected_hits(values: Tensor, hits: Tensor) -> Float[Tensor, " K"]:
    """Contacts among the first k pairs, k = 1..K, expected over the orders of tied pairs; values descending."""
    group = torch.nn.functional.pad((values[1:] != values[:-1]).long(), (1, 0))[: len(values)].cumsum(0)  # (K,) ties
    sums = torch.zeros(2, len(values), dtype=torch.float64).index_add(
        1, group, torch.stack([hits, torch.ones_like(hits)])
    )
    return (sums[0] / sums[1])[group].cumsum(0)
