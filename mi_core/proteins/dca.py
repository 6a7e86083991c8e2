"""What an alignment alone says about contacts: covariance MI and mean-field direct coupling analysis.

Both are baselines that a model's MI map is held against. Frequencies are weighted (`families.weights`) and smoothed by
a pseudocount lambda in [0, 1], q = 21:

    f_i(a) = (1 - lambda) f'_i(a) + lambda / q        f_ij(a, b) = (1 - lambda) f'_ij(a, b) + lambda / q^2
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mi_core.errors import InputError
from mi_core.proteins.families import STATES
from mi_core.shapes import PairMatrix, VectorN

MI_PSEUDOCOUNT = 0.0
DCA_PSEUDOCOUNT = 0.5  # lambda = M_eff, as Morcos et al. use
MAX_COLUMNS = 300  # the covariance matrix then has 36 million entries, 288 MB
_CHUNK = 4096  # sequences


def covariance_mi(
    rows: UInt8[Tensor, "M N"], weights: Float[Tensor, " M"], *, pseudocount: int | float = MI_PSEUDOCOUNT
) -> PairMatrix:
    """Mutual information between alignment columns, nats; the gap is a 21st state. Diagonal 0, no APC.

    Raises:
        InputError: no sequences, weights that do not fit, a pseudocount outside [0, 1], or more than 300 columns.
    """
    single, pairs = frequencies(rows, weights, pseudocount=pseudocount)
    count = rows.shape[1]
    joint = pairs.reshape(count, STATES, count, STATES)
    entropies = torch.special.entr(single).sum(1)  # (N,)
    joint_entropies = torch.special.entr(joint).sum((1, 3))  # (N, N)
    found: Tensor = entropies[:, None] + entropies[None, :] - joint_entropies
    return found.clamp(min=0).fill_diagonal_(0)


def mean_field_couplings(
    rows: UInt8[Tensor, "M N"], weights: Float[Tensor, " M"], *, pseudocount: int | float = DCA_PSEUDOCOUNT
) -> Float[Tensor, "N N q q"]:
    """Couplings e_ij(a, b) of the 20 x 20 amino acid pairs, gap as the reference state: minus the inverse covariance.

    Morcos et al. 2011, doi:10.1073/pnas.1111471108.

    Raises:
        InputError: as `covariance_mi`; also a pseudocount of 0, with which there may be no inverse.
    """
    if pseudocount == 0:
        raise InputError("Mean-field couplings need a pseudocount above 0: without it the covariance has no inverse.")
    single, pairs = frequencies(rows, weights, pseudocount=pseudocount)
    count, q = rows.shape[1], STATES - 1
    means = single[:, :q].reshape(-1)
    joint = pairs.reshape(count, STATES, count, STATES)[:, :q, :, :q].reshape(count * q, count * q)
    covariance = joint - torch.outer(means, means)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    return -inverse.reshape(count, q, count, q).permute(0, 2, 1, 3)  # (N, N, q, q)


def mean_field_dca(
    rows: UInt8[Tensor, "M N"], weights: Float[Tensor, " M"], *, pseudocount: int | float = DCA_PSEUDOCOUNT
) -> PairMatrix:
    """Frobenius norm of the mean-field couplings between amino acids, in the zero-sum gauge. Diagonal 0, no APC.

    The gauge is taken over all 21 states, the norm over the 20 amino acids: gaps come in stretches, so that their
    couplings show neighbouring columns, not contacts (Ekeberg et al. 2013, doi:10.1103/PhysRevE.87.012707).

    Raises:
        InputError: as `mean_field_couplings`.
    """
    couplings = mean_field_couplings(rows, weights, pseudocount=pseudocount)
    first = couplings.sum(2, keepdim=True) / STATES  # means over 21 states: those of the gap are 0
    second = couplings.sum(3, keepdim=True) / STATES
    centred = couplings - first - second + first.sum(3, keepdim=True) / STATES
    return centred.pow(2).sum((2, 3)).sqrt().fill_diagonal_(0)


def frequencies(
    rows: UInt8[Tensor, "M N"], weights: Float[Tensor, " M"], *, pseudocount: int | float
) -> tuple[Float[Tensor, "N q"], Float[Tensor, "Nq Nq"]]:
    """Smoothed frequencies f_i(a), (N, 21), and f_ij(a, b), (21 N, 21 N) with index 21 i + a.

    On the diagonal blocks f_ii(a, b) = f_i(a) where a = b, else 0.

    Raises:
        InputError: as `covariance_mi`.
    """
    _check(rows, weights, pseudocount)
    count = rows.shape[1]
    pairs = torch.zeros(count * STATES, count * STATES)
    offsets = STATES * torch.arange(count)
    for start in range(0, len(rows), _CHUNK):
        chosen = rows[start : start + _CHUNK].long() + offsets
        ones = torch.zeros(len(chosen), count * STATES).scatter_(1, chosen, 1)  # (m, 21 N)
        pairs += (ones * weights[start : start + _CHUNK, None].float()).T @ ones
    smoothed = pairs.double() / weights.sum() * (1 - pseudocount) + pseudocount / STATES**2
    single = pairs.diagonal().double().reshape(count, STATES) / weights.sum() * (1 - pseudocount) + pseudocount / STATES
    blocks = smoothed.view(count, STATES, count, STATES)
    for i in range(count):
        blocks[i, :, i, :] = single[i].diag()
    return single, smoothed


def _check(rows: Tensor, weights: Tensor, pseudocount: int | float) -> None:
    if not len(rows) or len(rows) != len(weights):
        raise InputError(f"One weight for each sequence is needed: {len(weights)} weights, {len(rows)} sequences.")
    if not 0 <= pseudocount <= 1:
        raise InputError(f"A pseudocount lies in [0, 1], not {pseudocount}.")
    if rows.shape[1] > MAX_COLUMNS:
        raise InputError(f"This alignment has {rows.shape[1]} columns; coupling analysis takes at most {MAX_COLUMNS}.")


def effective_number(weights: VectorN) -> float:
    """M_eff, the sum of the weights."""
    return float(weights.sum())
