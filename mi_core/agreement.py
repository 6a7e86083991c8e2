"""How well an estimate of pairwise MI agrees with a ground truth of the same state, over its open pairs."""

from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from mi_core.errors import InputError
from mi_core.results import MIResult
from mi_core.sudoku.board import CELLS, PEER_PAIRS


@dataclass(frozen=True)
class Agreement:
    """Scores of K pairs; NaN where a score is not defined (fewer than 2 pairs, or a side without variation)."""

    pairs: int
    pearson: float
    spearman: float
    r2: float  # 1 - sum (truth - estimate)^2 / sum (truth - mean)^2; may be negative
    rmse: float  # nats


def agreement(estimate: Tensor, truth: Tensor) -> Agreement:
    """Scores of K estimated values (K,) against the true ones (K,), nats.

    Raises:
        InputError: not two vectors of the same length.
    """
    if estimate.ndim != 1 or estimate.shape != truth.shape:
        raise InputError(f"Two vectors of one length are needed, got {tuple(estimate.shape)} and {tuple(truth.shape)}.")
    x, y = estimate.double(), truth.double()
    residual = float(((y - x) ** 2).sum())
    spread = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    varied = len(x) > 1 and bool((x != x[0]).any()) and bool((y != y[0]).any())
    return Agreement(
        pairs=len(x),
        pearson=float(stats.pearsonr(x.numpy(), y.numpy()).statistic) if varied else float("nan"),
        spearman=float(stats.spearmanr(x.numpy(), y.numpy()).statistic) if varied else float("nan"),
        r2=1 - residual / spread if varied else float("nan"),
        rmse=(residual / len(x)) ** 0.5 if len(x) else float("nan"),
    )


def compare(estimate: MIResult, truth: MIResult) -> Agreement:
    """As `agreement`, over the pairs of two results of one state.

    Raises:
        InputError: the results belong to different states.
    """
    if estimate.tokens.shape != truth.tokens.shape or bool((estimate.tokens != truth.tokens).any()):
        raise InputError("The two results belong to different states, so they cannot be compared.")
    return agreement(estimate.mi[truth.pairs], truth.mi[truth.pairs])


def precision_at_top(estimate: Tensor, truth: Tensor, k: int) -> float:
    """Share of the k largest true values among the k largest estimates, (K,) each. NaN without any.

    Where several true values tie at the edge, any of them counts.
    """
    k = min(k, len(truth))
    if k < 1:
        return float("nan")
    chosen = estimate.sort(descending=True, stable=True).indices[:k]
    edge = truth.sort(descending=True).values[k - 1]
    return float((truth[chosen] >= edge).double().mean())


def auroc(scores: Tensor, positive: Tensor) -> float:
    """Chance that a positive entry (K,) scores higher than another, ties counting half. NaN if all are of one kind."""
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return float("nan")
    ranks = stats.rankdata(scores.double().numpy())
    above = float(ranks[positive.numpy()].sum()) - hits * (hits + 1) / 2
    return above / (hits * misses)


def peer_pairs(result: MIResult) -> Tensor:
    """(N, N) bool: the open pairs i < j of a Sudoku board that share a row, column or box.

    Raises:
        InputError: the result is not that of a board of 81 cells.
    """
    if len(result.masked) != CELLS:
        raise InputError(f"Peers are defined on a board of {CELLS} cells, and this state has {len(result.masked)}.")
    return peer_matrix() & result.pairs


def peer_matrix() -> Tensor:
    """(81, 81) bool, symmetric: cells that share a row, column or box."""
    peers = torch.zeros(CELLS, CELLS, dtype=torch.bool)
    first, second = zip(*PEER_PAIRS, strict=True)
    peers[list(first), list(second)] = True
    return peers | peers.T


def precision_at_peers(result: MIResult, k: int | None = None) -> float:
    """Share of the k strongest open pairs that share a unit; k defaults to the number of such pairs. NaN without any.

    On the empty board there are 810 such pairs, so that a perfect estimate scores 1.
    """
    peers = peer_pairs(result)
    top = result.top_pairs(int(peers.sum()) if k is None else k)
    return sum(bool(peers[i, j]) for i, j, _ in top) / len(top) if top else float("nan")


def certified_width(result: MIResult) -> float:
    """Widest certified interval among the open pairs, nats; 0 where nothing was cut or nothing is certified."""
    if result.lower is None or result.upper is None:
        return 0.0
    widths = (result.upper - result.lower)[result.pairs]
    return float(widths.max()) if widths.numel() else 0.0
