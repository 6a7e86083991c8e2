"""Mutual information of two columns of samples, where no model is asked: classical estimators with their spread.

Discrete columns: plug-in (the MI of the observed frequencies), Miller-Madow (Miller 1955: each entropy plus
(symbols seen - 1) / 2n) and Grassberger (2003). Numbers: KSG (Kraskov, Stögbauer, Grassberger 2004,
doi:10.1103/PhysRevE.69.066138, estimator 1), from the distances to the k-th neighbour. The plug-in is biased upwards by
about (a-1)(b-1) / 2n nats for a and b symbols, KSG downwards where the dependence is strong; no interval here covers a
bias.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma

from mi_core.errors import FormatError, InputError, SettingError
from mi_core.proteins.files import MEGABYTE, read_text

MAX_FILE = 4 * MEGABYTE
MAX_ROWS = 50_000
MIN_ROWS = 8
MOST_SYMBOLS = 64  # a column of whole numbers with more is taken for one of measurements
SHOWN = 20  # characters of a cell that a message repeats

Column = NDArray[np.float64]


@dataclass(frozen=True)
class SampleMI:
    """One estimate, nats."""

    name: str
    value: float
    low: float  # central 90 % interval of the sampling noise, not below 0
    high: float
    note: str  # one sentence on when to trust it


@dataclass(frozen=True, eq=False)
class Samples:
    """Two columns of n samples each; discrete ones hold the numbers 0..K-1."""

    first: Column
    second: Column
    discrete: bool
    names: tuple[str, str] = ("x", "y")

    def __post_init__(self) -> None:
        if self.first.ndim != 1 or self.first.shape != self.second.shape:
            raise InputError("Two columns of the same length are needed.")
        if not MIN_ROWS <= len(self.first) <= MAX_ROWS:
            raise InputError(f"Between {MIN_ROWS} and {MAX_ROWS} rows are needed, got {len(self.first)}.")
        for name, column in zip(self.names, (self.first, self.second), strict=True):
            if not np.isfinite(column).all():
                raise InputError(f"Column {name!r} holds a value that is NaN or infinite; leave its row out.")
            if (column == column[0]).all():
                raise InputError(f"Column {name!r} is constant, and a constant shares no information with anything.")


def read_samples(source: Path | bytes) -> Samples:
    """The two columns of a CSV file (comma, semicolon or tab), with or without names in its first row.

    Columns of words, and of at most `MOST_SYMBOLS` different whole numbers, are discrete; if only one is, the other is
    cut into as many equally full parts as its range of values bears (at most 8).

    Raises:
        InputError: no such file, too large, not two columns, words among numbers, NaN, constant, too few rows.
        FormatError: not a text file.
    """
    rows = _rows(read_text(source, limit=MAX_FILE, what="sample"))
    names = ("x", "y")
    if not any(_is_number(cell) for cell in rows[0]) and any(_is_number(cell) for cell in rows[1]):
        names, rows = (rows[0][0], rows[0][1]), rows[1:]
    cells = [[row[k] for row in rows] for k in (0, 1)]
    kinds = [_kind(name, column) for name, column in zip(names, cells, strict=True)]
    if all(kind == "number" for kind in kinds):
        return Samples(np.array(cells[0], np.float64), np.array(cells[1], np.float64), False, names)
    coded = [_coded(column, kind) for column, kind in zip(cells, kinds, strict=True)]
    return Samples(coded[0], coded[1], True, names)


def _rows(text: str) -> list[list[str]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        found = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise FormatError(f"This is no readable CSV file ({error}).") from error
    found = [row for row in found if any(row)]
    for number, row in enumerate(found, start=1):
        if len(row) != 2:
            raise InputError(f"Each row needs two columns; row {number} has {len(row)}.")
        if "" in row:
            raise InputError(f"Row {number} has an empty cell; leave rows with missing values out.")
    if len(found) < MIN_ROWS:
        raise InputError(f"At least {MIN_ROWS} rows are needed, got {len(found)}.")
    if len(found) > MAX_ROWS + 1:
        raise InputError(f"At most {MAX_ROWS} rows can be read, got {len(found)}.")
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _kind(name: str, column: Sequence[str]) -> str:
    """ "symbol" or "number"; words among numbers are a mistake."""
    words = [cell for cell in column if not _is_number(cell)]
    if not words:
        values = {float(cell) for cell in column}
        whole = all(math.isfinite(v) and v == int(v) for v in values)
        return "symbol" if whole and len(values) <= MOST_SYMBOLS else "number"
    if len(words) < len(column):
        raise InputError(f"Column {name[:SHOWN]!r} mixes numbers with text such as {words[0][:SHOWN]!r}.")
    if len(set(words)) > MOST_SYMBOLS:
        raise InputError(f"Column {name[:SHOWN]!r} holds {len(set(words))} different words; at most {MOST_SYMBOLS}.")
    return "symbol"


def _coded(column: Sequence[str], kind: str) -> Column:
    """Numbers 0..K-1 for symbols; measurements are cut into equally full parts."""
    if kind == "symbol":
        written = [repr(float(cell)) if _is_number(cell) else cell for cell in column]  # 1 and 1.0 are the same symbol
        return np.unique(np.array(written), return_inverse=True)[1].astype(np.float64)
    values = np.array(column, np.float64)
    if not np.isfinite(values).all():
        return values  # refused by `Samples`
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 9)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.float64)


# Estimators


def plug_in(first: Column, second: Column) -> float:
    """MI of the observed frequencies of two discrete columns, nats; never negative."""
    return plug_in_of(contingency(first, second))


def plug_in_of(table: Column) -> float:
    """As `plug_in`, of the counts (A, B)."""
    shares = table / table.sum()
    return max(0.0, _entropy(shares.sum(0)) + _entropy(shares.sum(1)) - _entropy(shares))


def miller_madow(first: Column, second: Column) -> float:
    """Plug-in with each entropy corrected by (symbols seen - 1) / 2n; may be negative, hence cut at 0."""
    return miller_madow_of(contingency(first, second))


def miller_madow_of(table: Column) -> float:
    """As `miller_madow`, of the counts (A, B)."""
    seen = [np.count_nonzero(part) - 1 for part in (table.sum(0), table.sum(1), table)]
    return max(0.0, plug_in_of(table) + (seen[0] + seen[1] - seen[2]) / (2 * float(table.sum())))


def grassberger(first: Column, second: Column) -> float:
    """Each entropy as ln n - sum of n_k G(n_k) / n (Grassberger 2003, arXiv physics/0307138), cut at 0."""
    return grassberger_of(contingency(first, second))


def grassberger_of(table: Column) -> float:
    """As `grassberger`, of the counts (A, B)."""
    value = sum(_entropy_of_counts(part) for part in (table.sum(0), table.sum(1))) - _entropy_of_counts(table)
    return max(0.0, value)


def _entropy_of_counts(counts: NDArray[np.float64]) -> float:
    """G(n) = psi(n) + (-1)^n (psi((n + 1) / 2) - psi(n / 2)) / 2: less biased by rarely seen symbols than ln n."""
    seen = counts[counts > 0]
    sign = 1 - 2 * (seen % 2)
    terms = digamma(seen) + sign * (digamma((seen + 1) / 2) - digamma(seen / 2)) / 2
    return float(math.log(seen.sum()) - (seen * terms).sum() / seen.sum())


def ksg(first: Column, second: Column, *, neighbours: int = 3) -> float:
    """KSG estimator 1 of two columns of numbers, nats, cut at 0.

    psi(k) + psi(n) - <psi(n_x + 1) + psi(n_y + 1)> with the distance to the k-th neighbour in the larger coordinate.
    Columns are scaled to unit spread, and equal values set apart by a shift of 1e-10 of it.

    Raises:
        SettingError: not fewer neighbours than samples.
    """
    n = len(first)
    if not 1 <= neighbours < n:
        raise SettingError(f"neighbours must lie in 1..{n - 1}, got {neighbours}.")
    jitter = np.random.default_rng(0).standard_normal((2, n)) * 1e-10
    x, y = first / first.std() + jitter[0], second / second.std() + jitter[1]
    both = np.stack([x, y], axis=1)
    reach = cKDTree(both).query(both, k=neighbours + 1, p=np.inf)[0][:, -1]
    inside = reach * (1 - 1e-9)  # strictly nearer, whatever is rounded when it is added to a value
    counts = [_within(column, inside) for column in (x, y)]  # the point itself included: n_x + 1
    value = digamma(neighbours) + digamma(n) - np.mean(digamma(counts[0]) + digamma(counts[1]))
    return max(0.0, float(value))


def _within(column: Column, reach: Column) -> NDArray[np.int64]:
    """How many values lie within `reach` of each, itself included."""
    ordered = np.sort(column)
    upper = np.searchsorted(ordered, column + reach, side="right")
    return np.asarray(upper - np.searchsorted(ordered, column - reach, side="left"), dtype=np.int64)


def contingency(first: Column, second: Column) -> NDArray[np.float64]:
    """How often each pair of symbols was seen, (A, B); every row and column holds something."""
    x, y = (np.unique(column, return_inverse=True)[1] for column in (first, second))
    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1.0)
    return table


def _entropy(probs: NDArray[np.float64]) -> float:
    seen = probs[probs > 0]
    return float(-(seen * np.log(seen)).sum())


ESTIMATORS: dict[str, tuple[Callable[[Column, Column], float], str]] = {
    "plug-in": (plug_in, "MI of the counted frequencies: too high by about (a-1)(b-1)/2n for a and b symbols."),
    "Miller-Madow": (miller_madow, "The plug-in less its expected excess: better with few samples of few symbols."),
    "Grassberger": (grassberger, "Entropies by counts' digamma: better still where most symbols are seen a few times."),
    "KSG": (ksg, "From nearest neighbours, for numbers: too low where the dependence is very strong."),
}


def estimate_samples(samples: Samples, *, resamples: int = 50, seed: int = 0) -> list[SampleMI]:
    """Every estimator that suits the columns, with a central 90 % interval of its sampling noise.

    The spread is that over random halves of the rows, which for halves is the standard error of the whole (delete-d
    jackknife, Shao and Wu 1989). A bootstrap repeats rows, and repeated rows look like dependence to each of these.

    Raises:
        SettingError: fewer than 10 resamples or more than 1,000.
    """
    if not 10 <= resamples <= 1000:
        raise SettingError(f"resamples must lie in 10..1000, got {resamples}.")
    names = ("plug-in", "Miller-Madow", "Grassberger") if samples.discrete else ("KSG",)
    return [_with_interval(name, samples, resamples, seed) for name in names]


def _with_interval(name: str, samples: Samples, resamples: int, seed: int) -> SampleMI:
    rule, note = ESTIMATORS[name]
    rng = np.random.default_rng(seed)
    n = len(samples.first)
    value = rule(samples.first, samples.second)
    halves = [rng.permutation(n)[: n // 2] for _ in range(resamples)]
    spread = float(np.std([_of_part(rule, samples, half) for half in halves], ddof=1))
    return SampleMI(name, value, max(0.0, value - 1.645 * spread), value + 1.645 * spread, note)


def _of_part(rule: Callable[[Column, Column], float], samples: Samples, rows: NDArray[np.int64]) -> float:
    first, second = samples.first[rows], samples.second[rows]
    constant = (first == first[0]).all() or (second == second[0]).all()
    return 0.0 if constant else rule(first, second)


# Examples of which the truth is known


def gaussian_samples(n: int, *, correlation: float, seed: int = 0) -> tuple[Samples, float]:
    """Two correlated normal columns and their MI, -ln(1 - r^2) / 2.

    Raises:
        SettingError: the correlation is not inside (-1, 1).
    """
    if not -1 < correlation < 1:
        raise SettingError(f"A correlation must lie between -1 and 1, got {correlation}.")
    x, noise = np.random.default_rng(seed).standard_normal((2, n))
    y = correlation * x + math.sqrt(1 - correlation**2) * noise
    return Samples(x, y, False), 0.0 - 0.5 * math.log1p(-(correlation**2))


def noisy_copy(symbols: int, kept: float) -> NDArray[np.float64]:
    """Joint table (K, K): with probability `kept` the second symbol copies the first, else both are drawn evenly.

    Raises:
        SettingError: fewer than two symbols, or a share outside [0, 1].
    """
    if symbols < 2 or not 0 <= kept <= 1:
        raise SettingError(f"A noisy copy needs at least 2 symbols and a share in [0, 1], got {symbols} and {kept}.")
    even = np.full((symbols, symbols), (1 - kept) / symbols**2)
    return even + kept * np.eye(symbols) / symbols


def table_samples(joint: NDArray[np.float64], n: int, *, seed: int = 0) -> tuple[Samples, float]:
    """n draws of a joint table (A, B) of two symbols, and its MI.

    Raises:
        InputError: weights that are negative, not finite, or without a sum.
    """
    joint = np.asarray(joint, dtype=np.float64)
    if joint.ndim != 2 or not np.isfinite(joint).all() or (joint < 0).any() or joint.sum() <= 0:
        raise InputError("A joint table of two symbols has two axes and finite weights of at least 0, not all 0.")
    joint = joint / joint.sum()
    drawn = np.random.default_rng(seed).choice(joint.size, size=n, p=joint.ravel())
    x, y = np.unravel_index(drawn, joint.shape)
    truth = _entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint)
    return Samples(x.astype(np.float64), y.astype(np.float64), True), max(0.0, truth)
