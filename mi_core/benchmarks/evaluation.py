"""Benchmarks: strategies on puzzles and on the empty board, the estimator against probing, speeds as ratios.

Every function returns plain rows for JSON; the commands that call them are in `mi_core.cli`.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor

from mi_core.agreement import agreement, precision_at_peers
from mi_core.decoding import DecodeTrace, MISource, decode
from mi_core.head import MIHead, estimate
from mi_core.models.protocol import Model
from mi_core.probing import full_passes, probe
from mi_core.results import MIResult
from mi_core.strategies import get_strategy
from mi_core.sudoku.board import CELLS, VOCAB, is_valid_solution
from mi_core.sudoku.sets import PuzzleSet

Tick = Callable[[int, int, str], None]  # done, total, label
Row = dict[str, Any]


def quiet(done: int, total: int, label: str) -> None:
    """No progress wanted."""


@dataclass(frozen=True)
class Contestant:
    """A strategy with its settings and the source of its pair matrix, `NAME@SOURCE:key=value,...` in commands."""

    strategy: str
    settings: dict[str, Any]
    source: str | None = None  # None: what its rule takes by default

    @property
    def label(self) -> str:
        """The same text again."""
        at = f"@{self.source}" if self.source else ""
        return self.strategy + at + "".join(f" {k}={v:g}" for k, v in self.settings.items())


SourceOf = Callable[[Contestant], MISource | None]
"""Gives a contestant's source; asked for strategies that need one."""


def share(successes: int, n: int) -> tuple[float, list[float]]:
    """Share and its 95 % Wilson interval."""
    if n == 0:
        return math.nan, [math.nan, math.nan]
    interval = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    return successes / n, [round(float(interval.low), 4), round(float(interval.high), 4)]


def mean(values: Sequence[float]) -> tuple[float, list[float]]:
    """Mean and its 95 % normal interval."""
    centre = fmean(values)
    half = 1.96 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return centre, [round(centre - half, 3), round(centre + half, 3)]


def bench_sudoku(
    model: Model,
    puzzles: PuzzleSet,
    contestants: Sequence[Contestant],
    *,
    source_of: SourceOf,
    seed: int = 0,
    temperature: float = 0.0,
    min_p: float = 0.0,
    repeats: int = 1,
    tick: Tick = quiet,
    cancel: Callable[[], bool] | None = None,
) -> list[Row]:
    """Each strategy on each puzzle: exact solutions, valid grids, passes.

    Args:
        repeats: runs of each puzzle, each with luck of its own; with more than one also `distinct`, how many different
            valid grids a puzzle's runs found.
    """
    rows = []
    start, wanted = (part.repeat_interleave(repeats, 0) for part in (puzzles.puzzles, puzzles.solutions))
    for contestant in contestants:
        traces, seconds = run_contestant(model, start, contestant, source_of, seed, (temperature, min_p), tick, cancel)
        finals = torch.tensor([trace.tokens for trace in traces])
        exact = (finals == wanted).all(-1).tolist()
        valid = sum(is_valid_solution(final) for final in finals)
        shares = _shares(len(traces), solved=sum(exact), valid=valid)
        parts = {
            "by_technique": _by(_each(puzzles.techniques, repeats), exact),
            "by_blanks": _by(_each([str(blanks) for blanks in puzzles.blanks], repeats), exact),
        }
        if repeats > 1:
            parts |= _distinct(finals, repeats)
        rows.append(row_of(contestant, traces, seconds) | shares | parts)
    return rows


def _each(labels: Sequence[str], repeats: int) -> list[str]:
    return [label for label in labels for _ in range(repeats)]


def _distinct(finals: Tensor, repeats: int) -> Row:
    """Different valid grids among the runs of a puzzle, the mean over puzzles and its interval."""
    counts = []
    for runs in finals.view(-1, repeats, finals.shape[-1]):
        counts.append(float(len({tuple(run.tolist()) for run in runs if is_valid_solution(run)})))
    value, interval = mean(counts)
    return {"repeats": repeats, "distinct": round(value, 3), "distinct_ci": interval}


def _by(labels: Sequence[str], solved: Sequence[bool]) -> list[tuple[str, int, int]]:
    """Label, solved, puzzles; the label with the most puzzles first. Unlabelled puzzles are left out."""
    counts = Counter(label for label in labels if label)
    hits = Counter(label for label, hit in zip(labels, solved, strict=True) if hit)
    return [(label, hits[label], count) for label, count in counts.most_common()]


def bench_generate(
    model: Model,
    boards: int,
    contestants: Sequence[Contestant],
    *,
    source_of: SourceOf,
    seed: int = 0,
    temperature: float = 1.0,
    min_p: float = 0.0,
    tick: Tick = quiet,
    cancel: Callable[[], bool] | None = None,
) -> list[Row]:
    """Each strategy from the empty board, tokens sampled: valid grids, distinct valid grids, passes."""
    start = torch.full((boards, CELLS), VOCAB.mask_id)
    rows = []
    for contestant in contestants:
        traces, seconds = run_contestant(model, start, contestant, source_of, seed, (temperature, min_p), tick, cancel)
        valid = [trace.output for trace in traces if is_valid_solution(torch.tensor(trace.tokens))]
        extra = {"distinct": len(set(valid)), "temperature": temperature, "min_p": min_p}
        rows.append(row_of(contestant, traces, seconds) | _shares(boards, valid=len(valid)) | extra)
    return rows


def run_contestant(
    model: Model,
    start: Tensor,
    contestant: Contestant,
    source_of: SourceOf,
    seed: int,
    drawing: tuple[float, float],
    tick: Tick,
    cancel: Callable[[], bool] | None,
) -> tuple[list[DecodeTrace], float]:
    source = source_of(contestant) if get_strategy(contestant.strategy).needs_mi else None
    begin = time.perf_counter()
    traces = decode(
        model,
        start,
        contestant.strategy,
        contestant.settings,
        seed=seed,
        temperature=drawing[0],
        min_p=drawing[1],
        mi_source=source,
        progress=lambda done, total: tick(done, total, contestant.label),
        cancel=cancel,
    )
    return traces, time.perf_counter() - begin


def row_of(contestant: Contestant, traces: list[DecodeTrace], seconds: float) -> Row:
    nfe, interval = mean([float(trace.nfe) for trace in traces])
    return {
        "strategy": contestant.strategy,
        "params": traces[0].settings,
        "mi_source": traces[0].mi_source,
        "nfe": round(nfe, 3),
        "nfe_ci": interval,
        "n": len(traces),
        "seconds": round(seconds, 2),
    }


def _shares(n: int, **counts: int) -> Row:
    row: Row = {}
    for name, count in counts.items():
        value, interval = share(count, n)
        row |= {name: round(value, 4), f"{name}_ci": interval}
    return row


RATIO_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def bench_estimator(model: Model, head: MIHead, states: Tensor | Sequence[Tensor], *, tick: Tick = quiet) -> Row:
    """The head against full probing (every token tried) on states (N,), pooled over the open pairs.

    By fifths of the mask ratio and in all; for Sudoku also, on the empty board, the share of the 810 strongest pairs
    that share a row, column or box, for both routes; passes and the ratio of wall clocks of the same run.
    """
    truths, guesses = [], []
    for k, tokens in enumerate(states):
        truths.append(probe(model, tokens, mass=1.0))
        guesses.append(estimate(model, head, tokens))
        tick(k + 1, len(states), "states")
    ratios = [float(r.masked.double().mean()) for r in truths]
    bands = []
    for low, high in pairwise(RATIO_EDGES):
        at = [k for k, ratio in enumerate(ratios) if low < ratio <= high]
        if at:
            bands.append({"mask_ratio": [low, high], **_scores([guesses[k] for k in at], [truths[k] for k in at])})
    on_board = {"precision": _peers_on_the_empty_board(model, head)} if model.vocab is VOCAB else {}
    return {
        **_scores(guesses, truths),
        "by_mask_ratio": bands,
        **on_board,
        "passes_probing": fmean(r.passes for r in truths),
        "passes_head": 1,
        "speedup": round(sum(r.seconds for r in truths) / sum(r.seconds for r in guesses), 1),
        "negative_share": round(fmean(r.negative_share for r in truths), 4),
        "mean_gap": fmean(r.mean_gap for r in truths),
        "estimator": guesses[0].estimator,
        "model": model.name,
    }


def _peers_on_the_empty_board(model: Model, head: MIHead) -> Row:
    empty = torch.full((CELLS,), VOCAB.mask_id)
    truth, guess = probe(model, empty, mass=1.0), estimate(model, head, empty)
    return {"probing": precision_at_peers(truth), "head": precision_at_peers(guess), "pairs": 810}


def _scores(guesses: list[MIResult], truths: list[MIResult]) -> Row:
    f = torch.cat([g.mi[t.pairs] for g, t in zip(guesses, truths, strict=True)])
    y = torch.cat([t.mi[t.pairs] for t in truths])
    score = agreement(f, y)
    values = {k: round(getattr(score, k), 4) for k in ("pearson", "spearman", "r2")}
    # Most pairs of a board that is nearly full are independent; the order of their zeros says nothing.
    dependent = torch.cat([t.dependent[t.pairs] for t in truths])
    ranked = agreement(f[dependent], y[dependent]).spearman
    return {
        **values,
        "rmse": round(score.rmse, 5),
        "states": len(truths),
        "pairs": score.pairs,
        "dependent_pairs": int(dependent.sum()),
        "dependent_spearman": None if math.isnan(ranked) else round(ranked, 4),
    }


def bench_cut(
    model: Model,
    starts: Mapping[str, Tensor],
    source: MISource,
    *,
    per_run: int = 6,
    mass: float = 0.99,
    min_entropy: float = 0.05,
    tick: Tick = quiet,
) -> Row:
    """How many passes cutting saves on the states that MI-guided decoding (.1, 1) meets, and what it may cost.

    Args:
        starts: boards (S, 81) by what they are.
        per_run: states of each run at most, at equal distances, the first among them.
        mass, min_entropy: of `mi_core.probing.probe`.
    """
    rows = []
    for name, boards in starts.items():
        settings = {"gamma": 0.1, "lam": 1.0}
        traces = decode(model, boards, "mi-guided", settings, mi_source=source, temperature=1.0)
        states = [state for trace in traces for state in _spread(trace.states[:-1], per_run)]
        found = []
        for k, state in enumerate(states):
            tick(k, len(states), name)
            found.append(probe(model, torch.tensor(state), mass=mass, min_entropy=min_entropy))
        full = [full_passes(int(r.masked.sum()), model.vocab.size) for r in found]
        widths = [width for r in found if (width := _width(r)) is not None]
        rows.append(
            {
                "starts": name,
                "runs": len(boards),
                "states": len(states),
                "open_cells": fmean(float(r.masked.sum()) for r in found),
                "full_passes": fmean(full),
                "passes": fmean(r.passes for r in found),
                "fewer": round(sum(full) / sum(r.passes for r in found), 2),
                "mean_interval": fmean(widths) if widths else None,
            }
        )
    return {"model": model.name, "mass": mass, "min_entropy": min_entropy, "rows": rows}


def _width(result: MIResult) -> float | None:
    """Mean width of the certified interval of an open pair, nats; None without pairs."""
    if result.lower is None or result.upper is None or not bool(result.pairs.any()):
        return None
    return float((result.upper - result.lower)[result.pairs].mean())


def _spread(states: Sequence[Any], count: int) -> list[Any]:
    """`count` of them at equal distances, or all."""
    step = max(1, -(-len(states) // count))
    return list(states[::step])


def bench_speed(
    model: Model, fast: Model, head: MIHead, puzzles: Tensor, *, repeats: int = 3, tick: Tick = quiet
) -> Row:
    """Wall-clock ratios, all measured in one run: best of `repeats` for each.

    `plain_loop` is full probing one position at a time, its V probes as a batch, in float32. On the empty board every
    token carries mass and nothing can be cut; on `puzzles` (S, 81) probing as it is by default (tokens of mass .99,
    bounds and all) stands against the same loop. `fast` is the same model in bfloat16; the largest difference that
    makes to the matrix stands beside its speed.
    """
    empty = torch.full((CELLS,), VOCAB.mask_id)
    by_default = [probe(model, puzzle) for puzzle in puzzles]
    jobs: dict[str, Callable[[], object]] = {
        "head": lambda: estimate(model, head, empty),
        "probing": lambda: probe(model, empty, mass=1.0, form="mixture"),
        "probing_low_precision": lambda: probe(fast, empty, mass=1.0, form="mixture"),
        "plain_loop": lambda: probe(model, empty, mass=1.0, form="mixture", batch_size=VOCAB.size),
        "puzzles_by_default": lambda: [probe(model, puzzle) for puzzle in puzzles],
        "puzzles_plain_loop": lambda: [probe(model, puzzle, mass=1.0, batch_size=VOCAB.size) for puzzle in puzzles],
        "matrix_product": _matrix_product,
    }
    seconds = _fastest(jobs, repeats, tick)
    exact, rough = (probe(m, empty, mass=1.0).mi for m in (model, fast))
    peak = 2 * _MATRIX**3 / seconds["matrix_product"]
    rate = full_passes(CELLS, VOCAB.size) * _flops(model) / seconds["probing"]
    return {
        "open_cells": CELLS,
        "passes": full_passes(CELLS, VOCAB.size),
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "head_over_probing": round(seconds["probing"] / seconds["head"], 1),
        "probing_over_plain_loop": round(seconds["plain_loop"] / seconds["probing"], 2),
        "default_over_plain_loop": round(seconds["puzzles_plain_loop"] / seconds["puzzles_by_default"], 2),
        "puzzles": len(puzzles),
        "puzzles_open_cells": fmean(float(r.masked.sum()) for r in by_default),
        "puzzles_passes": fmean(r.passes for r in by_default),
        "low_precision_over_plain_loop": round(seconds["plain_loop"] / seconds["probing_low_precision"], 2),
        "low_precision_largest_difference": float((exact - rough).abs().max()),
        "largest_mi": float(exact.max()),
        "probing_gflops": round(rate / 1e9, 1),
        "matrix_product_gflops": round(peak / 1e9, 1),
        "share_of_matrix_product": round(rate / peak, 3),
        "threads": torch.get_num_threads(),
    }


def _fastest(jobs: Mapping[str, Callable[[], object]], repeats: int, tick: Tick) -> dict[str, float]:
    """Seconds of each job, the best of `repeats`; the jobs take turns, so that a slow moment meets all of them."""
    seconds = dict.fromkeys(jobs, math.inf)
    for k in range(repeats):
        for number, (name, job) in enumerate(jobs.items(), start=1):
            begin = time.perf_counter()
            job()
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
            tick(k * len(jobs) + number, repeats * len(jobs), name)
    return seconds


_MATRIX = 2048


def _matrix_product() -> Tensor:
    a = torch.ones(_MATRIX, _MATRIX)
    return a @ a


def _flops(model: Model) -> int:
    """Floating-point operations of one forward pass of one sequence, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(torch.full((1, CELLS), VOCAB.mask_id))
    return int(counter.get_total_flops())
