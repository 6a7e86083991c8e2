"""Results as plain JSON values and files, for the components, tables and downloads. No Streamlit."""

import csv
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mi_core.information import entropy, kl_divergence, max_entropy
from mi_core.results import MIResult
from mi_core.sudoku.board import CELLS, ORDERS, cell_name, relation

# Keys are what the code calls them, values what people read, also in the address.
VIEWS = {"split": "Split", "side": "Side by side", "difference": "Difference", "estimate": "Estimate", "truth": "Truth"}
ORDER_LABELS = {"row": "Rows", "column": "Columns", "box": "Boxes"}
SCALES = {"ln2": "ln 2", "ln9": "ln 9", "board": "Board"}
SMALLEST_SCALE = 0.001  # nats; where there is nothing to see, noise must not be blown up


@dataclass(frozen=True)
class View:
    """How the map is drawn; keys of VIEWS, ORDERS and SCALES."""

    view: str = "split"
    order: str = "row"
    scale: str = "ln2"


def workbench(
    board: str,
    beliefs: Tensor,
    *,
    estimate: MIResult | None = None,
    truth: MIResult | None = None,
    view: View | None = None,
    pin: int | None = None,
    digit: int | None = None,
    conditionals: Tensor | None = None,
    seen: int = 0,
) -> dict[str, Any]:
    """What the workbench draws.

    Args:
        board: 81 characters, '.' where open.
        beliefs: log-probabilities (81, 9) of the base pass.
        conditionals: log-probabilities (9, 81, 9) once the pinned cell holds each digit.
        seen: stamp of the latest event of the workbench that this answers.
    """
    view = view or View()
    return {
        "board": board,
        "seen": seen,
        "open": _open(board),
        "marks": _rounded(beliefs.exp().flatten()),
        "entropy": _rounded(entropy(beliefs)),
        "estimate": _condensed(estimate),
        "truth": _condensed(truth),
        "order": order(view.order),
        "view": view.view,
        "scale": scale(view.scale, estimate, truth),
        "pin": pin,
        "digit": digit if pin is not None else None,
        "whatif": None if pin is None or conditionals is None else what_if(pin, beliefs, conditionals),
    }


def order(name: str) -> dict[str, Any]:
    """Which cell stands at each line of the map, and the names of its nine blocks."""
    return {"lines": list(ORDERS[name]), "names": [f"{name[0]}{k}" for k in range(1, 10)]}


def scale(name: str, estimate: MIResult | None, truth: MIResult | None) -> dict[str, Any]:
    """Colour limits, nats: maps run from 0 to `high`, differences to `difference` on both sides; `label` says which."""
    if name != "board":
        high, text = (max_entropy(2), "ln 2, one bit") if name == "ln2" else (max_entropy(9), "ln 9, the most there is")
        return {"high": high, "difference": high / 2, "label": f"MI in nats; fixed limits, up to {text}"}
    shown = [r for r in (estimate, truth) if r is not None]
    high = max([SMALLEST_SCALE, *(float(r.mi.max()) for r in shown)])
    difference = float((estimate.mi - truth.mi).abs().max()) if estimate is not None and truth is not None else 0.0
    label = "MI in nats; up to this board's maximum"
    return {"high": high, "difference": max(SMALLEST_SCALE, difference), "label": label}


def what_if(cell: int, beliefs: Tensor, conditionals: Tensor) -> dict[str, Any]:
    """The beliefs for each digit in `cell`, and how far each cell moves: KL(p_j(. | digit) || p_j), nats."""
    probs = conditionals.exp()  # (9, 81, 9)
    moves = kl_divergence(probs, beliefs.exp()[None]).clamp(0, max_entropy(9) * 10)  # (9, 81)
    return {
        "cell": cell,
        "marks": [_rounded(probs[d].flatten()) for d in range(len(probs))],
        "moves": [_rounded(moves[d]) for d in range(len(moves))],
    }


def pair_rows(
    estimate: MIResult | None, truth: MIResult | None, *, pin: int | None = None, count: int = 15
) -> list[dict[str, Any]]:
    """The strongest pairs (of the pinned cell, if there is one) as table rows; the truth ranks, else the estimate."""
    ranking = truth or estimate
    if ranking is None:
        return []
    everything = CELLS * CELLS
    pairs = ranking.top_pairs(everything if pin is not None else count)
    chosen = [(i, j) for i, j, _ in pairs if pin is None or pin in (i, j)][:count]
    return [
        {
            "Cells": f"{cell_name(i)} · {cell_name(j)}" if pin in (None, i) else f"{cell_name(j)} · {cell_name(i)}",
            "Estimate": None if estimate is None else float(estimate.mi[i, j]),
            "Truth": None if truth is None else float(truth.mi[i, j]),
            "Relation": relation(i, j),
        }
        for i, j in chosen
    ]


def pairs_csv(estimate: MIResult | None, truth: MIResult | None) -> str:
    """All open pairs as CSV text, strongest first; nats, empty where not computed."""
    ranking = truth or estimate
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["cell_1", "cell_2", "estimate", "truth", "truth_lower", "truth_upper", "relation"])
    for i, j, _ in ranking.top_pairs(CELLS * CELLS) if ranking is not None else []:
        lower, upper = (truth.lower, truth.upper) if truth is not None else (None, None)
        numbers = [_cell(m, i, j) for m in (_matrix(estimate), _matrix(truth), lower, upper)]
        writer.writerow([cell_name(i), cell_name(j), *numbers, relation(i, j)])
    return text.getvalue()


def npz(result: MIResult) -> bytes:
    """The file that `MIResult.save` writes."""
    with tempfile.TemporaryDirectory() as folder:
        return result.save(Path(folder) / "mi.npz").read_bytes()


def duration(seconds: float) -> str:
    """`0.4 ms`, `12 ms`, `3.1 s`, `2 min 5 s`."""
    if seconds < 1:
        return f"{1000 * seconds:.1f} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _open(board: str) -> list[int]:
    return [cell for cell, character in enumerate(board) if character == "."]


def _condensed(result: MIResult | None) -> list[float] | None:
    """Upper triangle over the open cells, row by row: (0,1), (0,2), ..., (1,2), ..."""
    return None if result is None else _rounded(result.mi[result.pairs], 5)


def _rounded(values: Tensor, digits: int = 4) -> list[float]:
    return [round(float(value), digits) + 0.0 for value in values.tolist()]


def _matrix(result: MIResult | None) -> Tensor | None:
    return None if result is None else result.mi


def _cell(matrix: Tensor | None, i: int, j: int) -> str:
    return "" if matrix is None else f"{float(matrix[i, j]):.6f}"
