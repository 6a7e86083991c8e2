"""Benchmark records as curves: quality against passes, one curve a strategy, and which settings no other one beats."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mi_core.benchmarks.evaluation import Contestant
from mi_core.benchmarks.report import Row, read_record
from mi_core.errors import FormatError
from mi_core.strategies import STRATEGIES

DIVERGENCE = "jsd_pairs"
"""The measure of `bench protein-generation`: Jensen-Shannon divergence of pair frequencies, nats; less is better."""


@dataclass(frozen=True)
class Standing:
    """One strategy at one setting."""

    strategy: str
    title: str  # with the source of its pair matrix where that is a matter of choice
    knobs: str  # "gamma 0.3, lam 1", empty for none
    nfe: float
    nfe_ci: tuple[float, float]
    share: float  # solved or valid; or the divergence, of which less is better
    share_ci: tuple[float, float]
    n: int
    best: bool  # no other setting has as few passes and a share as high
    by_technique: tuple[tuple[str, int, int], ...] = ()  # name, solved, puzzles
    by_blanks: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True)
class Standings:
    """A record, ready to be drawn."""

    measure: str  # "solved", "valid" or DIVERGENCE
    points: tuple[Standing, ...]
    command: str
    date: str
    machine: str

    @property
    def curves(self) -> tuple[tuple[Standing, ...], ...]:
        """The points of each strategy and source, fewest passes first."""
        ordered = sorted(self.points, key=lambda p: p.title)
        groups = (tuple(sorted(g, key=lambda p: p.nfe)) for _, g in groupby(ordered, key=lambda p: p.title))
        return tuple(sorted(groups, key=lambda points: [p.title for p in self.points].index(points[0].title)))

    @property
    def front(self) -> tuple[Standing, ...]:
        """The settings that no other one beats, fewest passes first."""
        return tuple(sorted((p for p in self.points if p.best), key=lambda p: p.nfe))

    def to_csv(self) -> str:
        """One line a setting."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            ["strategy", "knobs", "nfe", "nfe_low", "nfe_high", self.measure, "low", "high", "n", "on_front"]
        )
        for p in self.points:
            writer.writerow([p.title, p.knobs, p.nfe, *p.nfe_ci, p.share, *p.share_ci, p.n, int(p.best)])
        return out.getvalue()


def read_standings(path: Path, measure: str) -> Standings:
    """The curves of a record that `bench sudoku`, `bench generate` or `bench protein-generation` wrote.

    Args:
        measure: "solved", "valid" or DIVERGENCE.

    Raises:
        InputError: no such file.
        FormatError: not such a record.
    """
    record = read_record(path)
    try:
        rows: list[Row] = [row for row in record["result"] if row["strategy"] is not None]  # natural sequences: None
        sign = -1 if measure == DIVERGENCE else 1
        best = pareto([(float(row["nfe"]), sign * float(row[measure])) for row in rows])
        fixed = _minor_knobs(rows)
        points = tuple(_standing(row, measure, on, fixed) for row, on in zip(rows, best, strict=True))
        return Standings(measure, points, record["command"], record["date"], record["machine"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(
            f"{path.name} holds no curves; `bench sudoku`, `bench generate` and `bench protein-generation` make them."
        ) from error


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of the (cost, quality) points no other one beats: none costs no more, is as good, and better in one."""
    return [
        not any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points) for cost, quality in points
    ]


def _minor_knobs(rows: Sequence[Row]) -> set[tuple[str, str]]:
    """(strategy, knob) of the knobs that take few values beside one that takes many: a curve each, not one zigzag."""
    values: dict[str, dict[str, set[float]]] = {}
    for row in rows:
        for knob, value in row["params"].items():
            values.setdefault(row["strategy"], {}).setdefault(knob, set()).add(float(value))
    found = set()
    for strategy, knobs in values.items():
        major = max(knobs, key=lambda knob: len(knobs[knob]))
        found |= {(strategy, knob) for knob in knobs if knob != major and len(knobs[knob]) > 1}
    return found


def _standing(row: Row, measure: str, best: bool, minor: set[tuple[str, str]]) -> Standing:
    name = row["strategy"]
    title = STRATEGIES[name].title if name in STRATEGIES else name
    source = row["mi_source"]
    if source and not (source.startswith("head-marginals") or source in ("structure", "couplings")):
        title = f"{title}, {source}"
    minors = [f"{knob} {value:g}" for knob, value in row["params"].items() if (name, knob) in minor]
    title = ", ".join([title, *minors]).replace("lam ", "lambda ")
    share = float(row[measure])
    low, high = row.get(f"{measure}_ci", (share, share))
    knobs = Contestant(name, row["params"]).label.removeprefix(name).strip()
    return Standing(
        strategy=name,
        title=title,
        knobs=knobs.replace("=", " ").replace("lam ", "lambda "),
        nfe=float(row["nfe"]),
        nfe_ci=(float(row["nfe_ci"][0]), float(row["nfe_ci"][1])),
        share=share,
        share_ci=(float(low), float(high)),
        n=int(row["n"]),
        best=best,
        by_technique=tuple((str(t), int(s), int(k)) for t, s, k in row.get("by_technique", ())),
        by_blanks=tuple(sorted((str(t), int(s), int(k)) for t, s, k in row.get("by_blanks", ()))),
    )
