"""What the bench of the tuning page is given, as plain JSON values. No Streamlit."""

from dataclasses import dataclass
from typing import Any

from mi_core.differential import MIChange
from mi_core.protein_view import Protein
from mi_core.sudoku.board import cell_name
from mi_core.tuning import Tuning
from pages.ui.protein_payload import structure

LAYERS = {"reward": "Reward", "kl": "KL", "entropy": "Entropy of q", "q": "q of each token"}
LEAST = {"reward": 0.01, "kl": 0.001, "map": 0.005}  # nats; where nothing moved, noise must not be blown up
DRAWN = 15  # pairs of either kind that a protein's structure joins


@dataclass(frozen=True, eq=False)
class Shown:
    """A report, and how its positions are named."""

    report: Tuning
    symbols: tuple[str, ...]
    protein: Protein | None = None  # None on a board

    @property
    def labels(self) -> list[str]:
        """The name of each position."""
        if self.protein is None:
            return [cell_name(cell) for cell in range(81)]
        return list(self.protein.labels)

    @property
    def letters(self) -> str:
        """The sequence."""
        return "".join(self.symbols[k] for k in self.report.question.tokens.tolist())

    def name(self, position: int) -> str:
        """`r1c1`, or `K15`."""
        return self.labels[position] if self.protein is None else self.letters[position] + self.labels[position]


def bench(shown: Shown, layer: str, *, pin: int | None, seen: int) -> dict[str, Any]:
    """What the bench draws.

    Args:
        layer: a key of LAYERS, what the positions are painted with.
        pin: the position whose changes are painted instead.
        seen: stamp of the latest event of the bench that this answers.
    """
    report, protein = shown.report, shown.protein
    given = set(report.question.context)
    return {
        "seen": seen,
        "key": f"{shown.letters}|{'' if protein is None else protein.structure_key}",
        "board": protein is None,
        "letters": shown.letters,
        "labels": shown.labels,
        "given": "".join("1" if i in given else "0" for i in range(len(shown.letters))),
        "pin": pin,
        "layer": layer,
        "title": LAYERS[layer],
        "values": _values(report, layer),
        "marks": _marks(report) if protein is None and layer == "q" else None,
        "tops": _tops(shown),
        "change": _change(report.change),
        "strong": [[i, j, 1 if up else 0] for i, j, up in _strong(report.change)],
        "structure": None if protein is None else structure(protein),
    }


def _values(report: Tuning, layer: str) -> dict[str, Any]:
    """By position, None where it is given; the limits of the colours."""
    size = len(report.question.tokens)
    out: list[float | None] = [None] * size
    if layer == "reward":
        at, values = report.reward.target, report.reward.contributions.tolist()
    else:
        at, values = report.tokens.positions, (report.tokens.kl if layer == "kl" else report.tokens.entropy).tolist()
    for i, value in zip(at, values, strict=True):
        out[i] = round(value, 5)
    if layer == "reward":
        return {"of": out, "low": -_limit(values, "reward"), "high": _limit(values, "reward"), "signed": True}
    high = _limit(values, "kl") if layer == "kl" else 1.0
    return {"of": out, "low": 0.0, "high": high, "signed": False}


def _limit(values: list[float], what: str) -> float:
    return max([LEAST[what], *map(abs, values)])


def _marks(report: Tuning) -> list[float]:
    """q of each digit of each cell, cell by cell; 0 where given."""
    out = [0.0] * (81 * 9)
    for i, row in zip(report.tokens.positions, report.tokens.q.tolist(), strict=True):
        out[9 * i : 9 * i + 9] = [round(p, 4) for p in row]
    return out


def _tops(shown: Shown) -> list[str]:
    """In words, what the update says of each open position."""
    tokens = shown.report.tokens
    out = [""] * len(shown.letters)
    columns = (tokens.positions, tokens.top(shown.symbols), tokens.entropy.tolist(), tokens.kl.tolist())
    for i, top, entropy, kl in zip(*columns, strict=True):
        best = ", ".join(f"{symbol} {p:.2f}" for symbol, p in top)
        out[i] = f"q: {best}; H(q) {entropy:.3f} of 1; KL {kl:.4f} nats"
    return out


def _change(change: MIChange) -> dict[str, Any]:
    """Upper triangles over the open positions, row by row, nats; `real` 1 where beyond both noise floors."""
    pairs = change.tuned.pairs
    difference = change.difference[pairs].tolist()
    return {
        "open": change.masked.nonzero()[:, 0].tolist(),
        "difference": [round(value, 5) for value in difference],
        "reference": [round(value, 5) for value in change.reference.mi[pairs].tolist()],
        "floor": [round(value, 5) for value in change.floor[pairs].tolist()],
        "real": "".join("1" if real else "0" for real in change.real[pairs].tolist()),
        "high": max([LEAST["map"], *map(abs, difference)]),
    }


def _strong(change: MIChange) -> list[tuple[int, int, bool]]:
    """The pairs that rose and those that fell most, of those beyond the noise floors, and whether they rose."""
    moved = [(i, j, value) for i, j, value, real in change.top_pairs(int(change.tuned.pairs.sum())) if real]
    risen, fallen = ([(i, j, up) for i, j, value in moved if (value > 0) == up][:DRAWN] for up in (True, False))
    return risen + fallen


def pair_rows(shown: Shown, count: int = 15, *, pin: int | None = None) -> list[dict[str, Any]]:
    """The pairs whose MI moved most, as table rows; the pinned position's own if there is one."""
    change = shown.report.change
    rows = []
    for i, j, value, real in change.top_pairs(int(change.tuned.pairs.sum())):
        if pin is not None and pin not in (i, j):
            continue
        rows.append(
            {
                "Pair": f"{shown.name(i)} · {shown.name(j)}",
                "Change": value,
                "Before": float(change.reference.mi[i, j]),
                "After": float(change.tuned.mi[i, j]),
                "Noise floors": float(change.floor[i, j]),
                "Real": "yes" if real else "no",
            }
        )
        if len(rows) == count:
            break
    return rows


def mutant_rows(shown: Shown, count: int = 15) -> list[dict[str, Any]]:
    """The single mutants that the update favours most, as table rows."""
    mutants, tokens = shown.report.mutants, shown.report.question.tokens
    row = {position: k for k, position in enumerate(mutants.target)}
    return [
        {
            "Mutant": f"{shown.symbols[int(tokens[i])]} → {shown.symbols[v]} at {shown.labels[i]}",
            "Reward": value,
            "q": float(mutants.q[row[i], v]),
        }
        for i, v, value in mutants.top(count)
    ]
