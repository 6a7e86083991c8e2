"""What the diagonal fine-tune of the Sudoku model learned, measured on grids and puzzles that it never saw.

Are the pairs of the new rule those whose MI rose most? How much likelier are grids that keep the rule, and how often
are puzzles solved that need it?
"""

from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mi_core import differential
from mi_core.benchmarks.evaluation import share
from mi_core.decoding import decode
from mi_core.differential import MIChange
from mi_core.likelihood.lab import random_context
from mi_core.likelihood.question import ask
from mi_core.models.protocol import Model
from mi_core.shapes import Row
from mi_core.sudoku import generator
from mi_core.sudoku.board import CELLS, VOCAB, from_digits
from mi_core.sudoku.diagonals import DIAGONAL_UNITS, NEW_PAIRS

Tick = Callable[[int, int, str], None]


def precision_of_new_pairs(change: MIChange) -> tuple[float, int]:
    """Share of the open pairs of the new rule among as many pairs whose MI rose most, and how many they are."""
    masked = change.masked
    new = {(i, j) for i, j in NEW_PAIRS if masked[i] and masked[j]}
    top = change.risen(len(new))
    return (sum(pair in new for pair in top) / len(new) if new else float("nan")), len(new)


def diagonal_state(grid: Row, hidden: float, *, seed: int) -> Row:
    """A grid with a share of its cells hidden at random, (81,)."""
    shown = list(random_context(grid, 1 - hidden, seed=seed))
    state = torch.full_like(grid, VOCAB.mask_id)
    state[shown] = grid[shown]
    return state


HIDDEN = (0.9, 0.8, 0.7)


def bench_tuning(model: Model, reference: Model, *, grids: int, puzzles: int, seed: int, tick: Tick) -> dict[str, Any]:
    """What the fine-tune learned: MI of the new rule's pairs, rewards of grids that keep it and that do not, puzzles.

    Args:
        grids: unseen diagonal grids; their masked states, and rewards against ordinary grids.
        puzzles: unseen puzzles with one solution by the rules of diagonal Sudoku, decoded a cell at a time.
    """
    boards, solved = generator.puzzles(max(grids, puzzles), low=45, high=60, seed=seed, tries=1, units=DIAGONAL_UNITS)
    _, ordinary = generator.puzzles(grids, low=45, high=60, seed=seed, tries=1)
    rows = _mi_rows(model, reference, solved[:grids], tick)
    same = differential.mi_change(reference, reference, torch.full((CELLS,), VOCAB.mask_id))
    whole = [_reward(model, reference, k, (solved[k], ordinary[k]), tick, grids) for k in range(grids)]
    return {
        "tuned": model.name,
        "reference": reference.name,
        "new_pairs": len(NEW_PAIRS),
        "mi": rows,
        "identity": _identity(reference, same, from_digits(solved[0].tolist())),
        "grids": grids,
        "reward_diagonal": fmean(one for one, _ in whole),
        "reward_ordinary": fmean(other for _, other in whole),
        "puzzles": puzzles,
        "open_cells": fmean((boards[:puzzles] == 0).sum(1).tolist()),
        "solved": {one.name: _solved(one, boards[:puzzles], solved[:puzzles], tick) for one in (reference, model)},
    }


def _mi_rows(model: Model, reference: Model, solved: NDArray[np.uint8], tick: Tick) -> list[dict[str, Any]]:
    """The empty board, then states by the share of cells hidden."""
    empty = torch.full((CELLS,), VOCAB.mask_id)
    states = [(1.0, [empty])]
    for part in HIDDEN:
        grids = [from_digits(grid.tolist()) for grid in solved]
        states.append((part, [diagonal_state(grid, part, seed=k) for k, grid in enumerate(grids)]))
    rows = []
    for part, boards in states:
        found = []
        for k, board in enumerate(boards):
            tick(k, len(boards), f"MI, {part:.0%} hidden")
            found.append(differential.mi_change(model, reference, board))
        scored = [precision_of_new_pairs(change) for change in found]
        is_new = torch.zeros(CELLS, CELLS, dtype=torch.bool)
        is_new[tuple(torch.tensor(NEW_PAIRS).T)] = True
        new, others = ([float(c.difference[c.tuned.pairs & kind].mean()) for c in found] for kind in (is_new, ~is_new))
        rows.append(
            {
                "hidden": part,
                "states": len(boards),
                "pairs": fmean(count for _, count in scored),
                "precision": fmean(value for value, _ in scored),
                "change_new_pairs": fmean(new),
                "change_other_pairs": fmean(others),
                "chance": fmean(
                    count / int(change.tuned.pairs.sum()) for (_, count), change in zip(scored, found, strict=True)
                ),
            }
        )
    return rows


def _identity(model: Model, same: MIChange, grid: Row) -> dict[str, float]:
    """A model against itself: all of these are 0 or 1."""
    shift = differential.token_shift(model, model, torch.full((CELLS,), VOCAB.mask_id))
    gained = differential.reward(model, model, ask(model, grid), passes=CELLS)
    return {
        "reward": gained.log_ratio,
        "largest_mi_change": float(same.difference.abs().max()),
        "least_entropy_of_q": float(shift.entropy.min()),
    }


def _reward(
    model: Model, reference: Model, k: int, pair: tuple[Any, Any], tick: Tick, total: int
) -> tuple[float, float]:
    """Of a diagonal grid and of an ordinary one, nats, each from two orders."""
    tick(k, total, "rewards")
    values = [
        differential.reward(model, reference, ask(model, from_digits(grid.tolist())), samples=2, seed=k).log_ratio
        for grid in pair
    ]
    return values[0], values[1]


def _solved(model: Model, boards: NDArray[np.uint8], grids: NDArray[np.uint8], tick: Tick) -> dict[str, Any]:
    """Puzzles that decoding a cell at a time fills with their one solution; likeliest digits."""
    tick(0, 1, f"puzzles, {model.name}")
    states = torch.stack([from_digits(board.tolist()) for board in boards])
    right = 0
    for trace, grid in zip(decode(model, states, "sequential", temperature=0.0), grids, strict=True):
        right += torch.equal(torch.tensor(trace.tokens), from_digits(grid.tolist()))
    found, interval = share(right, len(boards))
    return {"share": found, "share_ci": interval}
