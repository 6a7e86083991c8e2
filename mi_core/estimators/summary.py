"""Results of one estimator on many states, pooled with the truth into plain values: scores, density, intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan, log
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from mi_core.agreement import agreement, auroc, precision_at_top
from mi_core.errors import InputError
from mi_core.probing import in_form
from mi_core.results import MIResult, mean_of_directions

Values = dict[str, Any]
RATIOS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SIZES = (0.0, 0.001, 0.01, 0.1, 0.3, float("inf"))  # nats of true MI
STRONGEST = (5, 10, 20, 40, 80, 160)  # pairs whose precision is counted
CELLS = 44  # of the density along each axis
LEAST, GREATEST = 1e-5, 2.5  # nats, the ends of its logarithmic axes; what is smaller stands in the first cell
WORST = 6  # states kept by number
UNCERTAIN = 0.03  # nats of min(H_i, H_j) from which on a pair counts for the calibration
NOTHING = 1e-9  # nats: MI that rounding alone may feign
_WHOLE = {"probing", "probing-mixture", "probing-paper"}  # nothing was cut, so there is no interval to speak of


@dataclass(frozen=True, eq=False)
class Pooled:
    """P open pairs of all states."""

    guess: Tensor  # (P,)
    true: Tensor  # (P,)
    floor: Tensor  # (P,) noise floor of the truth
    smaller: Tensor  # (P,) min(H_i, H_j)
    state: Tensor  # (P,) number of the state
    ratio: Tensor  # (P,) its mask ratio

    def part(self, at: Tensor) -> "Pooled":
        """Some of the pairs, by a mask (P,)."""
        return Pooled(*(getattr(self, name)[at] for name in self.__dataclass_fields__))


def pooled(results: Sequence[MIResult], truths: Sequence[MIResult]) -> Pooled:
    """All open pairs of all states.

    Raises:
        InputError: results of different states.
    """
    columns: list[list[Tensor]] = [[] for _ in range(6)]
    for s, (result, truth) in enumerate(zip(results, truths, strict=True)):
        if not torch.equal(result.tokens, truth.tokens):
            raise InputError("The two results belong to different states, so they cannot be compared.")
        pairs = truth.pairs
        count = int(pairs.sum())
        floor = torch.zeros_like(truth.mi) if truth.noise_floor is None else truth.noise_floor.nan_to_num(nan=0.0)
        smaller = torch.minimum(truth.entropy[:, None], truth.entropy[None, :])
        ratio = float(truth.masked.double().mean())
        parts = [m[pairs] for m in (result.mi, truth.mi, floor, smaller)]
        parts += [torch.full((count,), s), torch.full((count,), ratio, dtype=torch.float64)]
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    return Pooled(*(torch.cat(column) for column in columns))


def summary(results: Sequence[MIResult], truths: Sequence[MIResult], *, in_nats: bool) -> Values:
    """One estimator's row of a study; None stands where a score is not defined."""
    pairs = pooled(results, truths)
    values: Values = {
        "in_nats": in_nats,
        "passes": fmean(result.passes for result in results),
        "seconds": fmean(result.seconds for result in results),
        **_scores(pairs, in_nats),
        "top": _mean([_top(r, t, int(t.masked.sum())) for r, t in zip(results, truths, strict=True)]),
        "strongest": [
            {"k": k, "precision": _mean([_top(r, t, k) for r, t in zip(results, truths, strict=True)])}
            for k in STRONGEST
        ],
        "worst": _worst(results, truths, in_nats),
    }
    values["by_ratio"] = _bands(pairs, pairs.ratio, RATIOS, True, in_nats)
    values["by_size"] = _bands(pairs, pairs.true, SIZES, False, in_nats)
    if in_nats:
        values["density"] = density(pairs.guess, pairs.true)
    if intervals := _intervals(results, truths):
        values["interval"] = intervals
    return values


def _scores(pairs: Pooled, in_nats: bool) -> Values:
    found = agreement(pairs.guess, pairs.true)
    off = pairs.guess - pairs.true
    return {
        "pairs": found.pairs,
        "pearson": _plain(found.pearson),
        "spearman": _plain(found.spearman),
        "r2": _plain(found.r2) if in_nats else None,
        "rmse": _plain(found.rmse, 6) if in_nats else None,
        "bias": _plain(float(off.mean()), 6) if in_nats and len(off) else None,
        "auroc": _plain(auroc(pairs.guess, pairs.true > pairs.floor + NOTHING)),
        "mean_truth": _plain(float(pairs.true.mean()), 6) if len(off) else None,
    }


def _cuts(key: Tensor, edges: Sequence[float], upper: bool) -> Iterator[tuple[Values, Tensor]]:
    """The bands of `key` that hold anything; the upper edge belongs to a band where `upper`, else the lower one."""
    for low, high in pairwise(edges):
        inside = (low < key) & (key <= high) if upper else (low <= key) & (key < high)
        if bool(inside.any()):
            yield {"low": low, "high": None if high == float("inf") else high}, inside


def _bands(pairs: Pooled, key: Tensor, edges: Sequence[float], upper: bool, in_nats: bool) -> list[Values]:
    parts = ((band, pairs.part(inside)) for band, inside in _cuts(key, edges, upper))
    return [{**band, "states": len(set(part.state.tolist())), **_scores(part, in_nats)} for band, part in parts]


def _top(result: MIResult, truth: MIResult, k: int) -> float:
    pairs = truth.pairs
    if int(pairs.sum()) <= k:
        return float("nan")  # all of them: nothing is chosen
    return precision_at_top(result.mi[pairs], truth.mi[pairs], k)


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not isnan(value)]
    return _plain(fmean(known)) if known else None


def _worst(results: Sequence[MIResult], truths: Sequence[MIResult], in_nats: bool) -> list[Values]:
    """The states that came out worst: by root mean square error, or by ranks for a score without unit."""
    rows = []
    for s, (result, truth) in enumerate(zip(results, truths, strict=True)):
        found = agreement(result.mi[truth.pairs], truth.mi[truth.pairs])
        measure = found.rmse if in_nats else 1 - found.spearman
        if not isnan(measure):
            rows.append({"state": s, "off": round(measure, 6), "open": int(truth.masked.sum())})
    return sorted(rows, key=lambda row: row["off"], reverse=True)[:WORST]


def density(guess: Tensor, true: Tensor) -> str:
    """How many pairs lie in each cell: `column,row,count` of truth, estimate and pairs, one word a cell that has any.

    A record holds thousands of them; `cells_of` reads them back, `cell_centres` says where they lie.
    """
    index = [((v.clamp(LEAST, GREATEST) / LEAST).log() / log(GREATEST / LEAST) * CELLS).long() for v in (true, guess)]
    column, row = (i.clamp(0, CELLS - 1) for i in index)
    counts = torch.bincount(row * CELLS + column, minlength=CELLS * CELLS)
    return " ".join(f"{k % CELLS},{k // CELLS},{int(counts[k])}" for k in counts.nonzero()[:, 0].tolist())


def cells_of(text: str) -> list[tuple[int, int, int]]:
    """What `density` wrote: column of the truth, row of the estimate, pairs."""
    cells = [tuple(map(int, word.split(","))) for word in text.split()]
    return [(column, row, count) for column, row, count in cells]


def cell_centres() -> list[float]:
    """Nats in the middle of each cell of the density, (CELLS,)."""
    step = log(GREATEST / LEAST) / CELLS
    return [float(torch.tensor(log(LEAST) + (k + 0.5) * step).exp()) for k in range(CELLS)]


def _intervals(results: Sequence[MIResult], truths: Sequence[MIResult]) -> Values | None:
    """How often the intervals held the truth, and how wide they are, for estimators that state some."""
    held: list[Tensor] = []
    width: list[Tensor] = []
    kind = ""
    for result, truth in zip(results, truths, strict=True):
        pairs = truth.pairs
        if result.quantiles is not None:
            kind, low, high = "trained 90 %", result.quantiles[0], result.quantiles[-1]
        elif result.error is not None:
            kind, low, high = "90 % of the draws", result.mi - 1.645 * result.error, result.mi + 1.645 * result.error
        elif result.lower is not None and result.upper is not None and result.estimator not in _WHOLE:
            kind, low, high = "certified", result.lower, result.upper
        else:
            return None
        target = _own_target(result, truth)
        held.append(((low - NOTHING <= target) & (target <= high + NOTHING))[pairs])
        width.append((high - low)[pairs])
    inside, span = torch.cat(held).double(), torch.cat(width)
    if not len(span):
        return None
    return {
        "kind": kind,
        "held": _plain(float(inside.mean()), 6),
        "mean_width": _plain(float(span.mean()), 6),
        "max_width": _plain(float(span.max()), 6),
    }


def _own_target(result: MIResult, truth: MIResult) -> Tensor:
    """What the interval of `result` is about: full probing in its own form; a trained one is about the truth itself."""
    if truth.probes is None or result.quantiles is not None:
        return truth.mi
    if result.error is not None:  # draws of the KL divergence, see `sampled`
        return mean_of_directions(truth.probes.mixture + truth.probes.gap).nan_to_num(nan=0.0)
    return in_form(truth, result.form).mi


def calibration(results: Sequence[MIResult], truths: Sequence[MIResult]) -> Values:
    """How often the truth lies below each quantile and within the outer ones, over the pairs of uncertain positions."""
    levels = [float(level) for level in results[0].settings["levels"]]
    base = pooled(results, truths)
    stated = [(r.quantiles, t.pairs) for r, t in zip(results, truths, strict=True) if r.quantiles is not None]
    stack = torch.cat([quantiles[:, pairs] for quantiles, pairs in stated], dim=1)  # (K, P)
    crossings = int((stack.diff(dim=0) < 0).sum())
    uncertain = base.smaller >= UNCERTAIN
    pairs, stack = base.part(uncertain), stack[:, uncertain]
    inside = (stack[0] <= pairs.true) & (pairs.true <= stack[-1])
    span = stack[-1] - stack[0]
    keys = {"by_ratio": (pairs.ratio, RATIOS, True), "by_size": (pairs.true, SIZES, False)}
    keys["by_median"] = (stack[levels.index(0.5)], SIZES, False)
    bands = {name: [band | _held(inside[at], span[at]) for band, at in _cuts(*key)] for name, key in keys.items()}
    return {
        "levels": levels,
        "below": [_plain(_share(pairs.true <= quantile)) for quantile in stack],
        "pairs": len(pairs.true),
        "least_entropy": UNCERTAIN,
        "inside": _plain(_share(inside)),
        "crossings": crossings,
        **bands,
    }


def _held(inside: Tensor, span: Tensor) -> Values:
    return {"pairs": len(inside), "inside": _plain(_share(inside)), "width": _plain(float(span.mean()), 6)}


def _share(hits: Tensor) -> float:
    return float(hits.double().mean()) if len(hits) else float("nan")


def _plain(value: float, digits: int = 4) -> float | None:
    """Rounded for a record; None for NaN, which JSON does not have."""
    return None if isnan(value) else round(value, digits)
