"""A game by hand as plain values for its component and its table. No streamlit here."""

import hashlib
from typing import Any

from mi_core.game import Game, Score
from mi_core.shapes import PairMatrix
from mi_core.stepcost import StepCost

Json = dict[str, Any]
SURE = 0.99  # confidence that the shortcut for certain cells asks for


def table(game: Game, moves: str, cost: StepCost | None) -> Json:
    """What the board and its panel show.

    Args:
        moves: the game's moves as text; with the start and the seed they name its state.
        cost: of the cells that are chosen now, None without any.
    """
    at = game.trace.committed_at()
    view = game.view
    steps = game.trace.steps
    open_cells = [] if view is None else view.masked.nonzero()[:, 0].tolist()
    return {
        "id": _state(game, moves),
        "text": game.trace.text(game.trace.tokens),
        "start": game.trace.text(game.trace.start),
        "steps": [0 if k is None else k + 1 for k in at],
        "last": list(steps[-1].positions) if steps else [],
        "open": open_cells,
        "marks": [0.0] * 729 if view is None else _rounded(view.log_probs.exp().flatten().tolist()),
        "entropy": [0.0] * 81 if view is None else _rounded(view.entropy.tolist()),
        "mi": None if view is None or view.mi is None else _condensed(view.mi, open_cells),
        "step": len(steps) + 1,
        "passes": game.nfe,
        "can_undo": bool(steps),
        "sure": SURE,
        "cost": None if cost is None else _cost(game, cost),
    }


def _state(game: Game, moves: str) -> str:
    trace = game.trace
    return hashlib.sha256(repr((trace.start, trace.seed, trace.temperature, moves)).encode()).hexdigest()[:16]


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]


def _condensed(mi: PairMatrix, cells: list[int]) -> list[float]:
    rows = mi[cells][:, cells].tolist()
    return [round(value, 5) for k, row in enumerate(rows) for value in row[k + 1 :]]


def _cost(game: Game, cost: StepCost) -> Json:
    return {
        "cells": list(cost.positions),
        "sum_mi": cost.sum_mi,
        "eb": cost.eb_bound,
        "tc": cost.total_correlation,
        "gap": 0.0 if len(cost.positions) == 1 else game.answer(cost.positions),
    }


def standings(scores: list[tuple[str, str, Score]]) -> list[Json]:
    """Rows of a table, (name, knobs, score): valid boards first, then the fewest passes."""
    ranked = sorted(scores, key=lambda row: (not row[2].valid, row[2].nfe))
    return [
        {
            "decoder": name,
            "board": _verdict(score),
            "passes": score.nfe,
            "clashes": score.clashes,
            "made together": score.together,
            "steps": score.steps,
            "knobs": knobs,
        }
        for name, knobs, score in ranked
    ]


def _verdict(score: Score) -> str:
    if score.solved:
        return "✓ the only solution"
    return "✓ valid" if score.valid else "✕ not valid"
