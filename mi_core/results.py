"""What an estimate of pairwise MI hands back: one record for every estimator, storable without pickle."""

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import FormatError, InputError
from mi_core.shapes import LogProbRow, MaskRow, PairMatrix, Row, VectorN

SCHEMA = 1
MAX_FILE_BYTES = 64 * 2**20
MAX_EXPANDED_BYTES = 512 * 2**20
DEPENDENT = 1e-3  # nats above the noise floor from which on a pair is called dependent


@dataclass(frozen=True, eq=False)
class ProbeDetails:
    """What conditional probing measured, direction by direction; row i was probed, column j was read.

    A row that was not probed (see `probed`) holds NaN.
    """

    probed: MaskRow
    dropped: VectorN  # delta_i: mass of the tokens of i that were not tried
    entropy_difference: PairMatrix  # D_ij = H(p_j) - sum_v p_i(v) H(p_j | x_i=v), the paper's form
    mixture: PairMatrix  # I_ij = H(m_ij) - sum_v p_i(v) H(p_j | x_i=v) >= 0
    gap: PairMatrix  # KL(m_ij || p_j), 0 for a consistent model
    averaged: PairMatrix  # MI of the order-averaged joint, symmetric; NaN unless both directions were probed
    order_divergence: PairMatrix  # JS(J_ij, J_ji) in [0, ln 2], symmetric


@dataclass(frozen=True, eq=False)
class MIResult:
    """A pairwise MI matrix of one state, in nats, with what is needed to judge and reproduce it.

    Revealed positions and the diagonal hold 0 in `mi`, `lower` and `upper`.
    """

    mi: PairMatrix
    masked: MaskRow
    entropy: VectorN  # H(p_i), 0 where revealed
    log_probs: LogProbRow  # the base pass
    tokens: Row
    model: str
    estimator: str  # "probing", "head", ...
    form: str  # which definition of MI the matrix holds
    passes: int  # forward passes, the base pass included
    seconds: float  # wall clock
    settings: dict[str, Any] = field(default_factory=dict)
    lower: PairMatrix | None = None  # certified interval around the value that full probing would give
    upper: PairMatrix | None = None
    error: PairMatrix | None = None  # standard error, where the estimate is a mean over draws
    quantiles: Float[Tensor, "K N N"] | None = None  # at `settings["levels"]`, from a head; no certificate
    probes: ProbeDetails | None = None

    @property
    def pairs(self) -> Tensor:
        """(N, N) bool: i < j, both open. The entries that count in every metric."""
        both = self.masked[:, None] & self.masked[None, :]
        return both.triu(diagonal=1)

    @property
    def dependent(self) -> Tensor:
        """(N, N) bool: the pairs whose MI exceeds the noise floor by more than `DEPENDENT`; without probes, 0 nats."""
        floor = 0.0 if self.noise_floor is None else self.noise_floor.nan_to_num(nan=0.0)
        return self.pairs & (self.mi > floor + DEPENDENT)

    def top_pairs(self, count: int) -> list[tuple[int, int, float]]:
        """The `count` strongest pairs (i < j) with their MI, strongest first; ties keep position order."""
        first, second = self.pairs.nonzero(as_tuple=True)
        values = self.mi[first, second]
        order = values.sort(descending=True, stable=True).indices[:count]
        return [(int(first[k]), int(second[k]), float(values[k])) for k in order]

    @property
    def asymmetry(self) -> PairMatrix | None:
        """|I_ij - I_ji| of the mixture form; NaN where a direction was not probed. None without probes."""
        if self.probes is None:
            return None
        return (self.probes.mixture - self.probes.mixture.T).abs()

    @property
    def noise_floor(self) -> PairMatrix | None:
        """MI that the model's own inconsistency would feign between independent positions.

        floor_ij = gap_ij (1 - c_i) / (1 + c_i), c_i = sum_v p_i(v)^2, averaged over the probed directions; half of it
        for the averaged joint. None without probes, NaN where neither direction was probed.
        """
        if self.probes is None:
            return None
        concentration = (2 * self.log_probs).exp().sum(-1)
        directed = self.probes.gap * ((1 - concentration) / (1 + concentration))[:, None]
        floor = mean_of_directions(directed)
        return floor / 2 if self.form == "averaged" else floor

    @property
    def negative_share(self) -> float:
        """Share of the probed off-diagonal entries where the paper's entropy difference is below -1e-12."""
        if self.probes is None:
            return 0.0
        entries = self.probes.entropy_difference[self._probed_entries]
        return float((entries < -1e-12).double().mean()) if entries.numel() else 0.0

    @property
    def mean_gap(self) -> float:
        """Mean consistency gap KL(m_ij || p_j) over the probed entries, nats."""
        if self.probes is None:
            return 0.0
        entries = self.probes.gap[self._probed_entries]
        return float(entries.mean()) if entries.numel() else 0.0

    @property
    def _probed_entries(self) -> Tensor:
        assert self.probes is not None
        off = ~torch.eye(len(self.masked), dtype=torch.bool)
        return off & self.masked[None, :] & (self.probes.probed & self.masked)[:, None]

    def save(self, path: Path) -> Path:
        """Write an npz file: arrays `mi` (N,N), `entropy` (N,), `masked` (N,) and the rest, settings as JSON text."""
        arrays: dict[str, Any] = {}
        plain: dict[str, Any] = {"schema": SCHEMA}
        for name, value in _flat(self).items():
            if isinstance(value, Tensor):
                arrays[name] = value.numpy()
            else:
                plain[name] = value
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(file, meta=np.array(json.dumps(plain)), **arrays)
        os.replace(part, path)
        return path

    @classmethod
    def load(cls, source: Path | BinaryIO) -> "MIResult":
        """Read what `save` wrote. Never unpickles.

        Raises:
            InputError: no such file, or one too large to be such a result.
            FormatError: damaged, of another kind or version.
        """
        values = _read_npz(source)
        details = {k.removeprefix("probe_"): values.pop(k) for k in list(values) if k.startswith("probe_")}
        probes = ProbeDetails(**details) if details else None
        try:
            return cls(**values, probes=probes)
        except TypeError as error:
            raise FormatError("This file is not an MI result: it lacks some of the arrays of one.") from error


def mean_of_directions(directed: Float[Tensor, "N N"]) -> Float[Tensor, "N N"]:
    """Symmetric mean of M and M^T over the entries that are not NaN; NaN where both are."""
    return torch.stack([directed, directed.T]).nanmean(0)


def _flat(result: MIResult) -> dict[str, Any]:
    values = {f.name: getattr(result, f.name) for f in fields(result)}
    probes = values.pop("probes")
    if probes is not None:
        values |= {f"probe_{f.name}": getattr(probes, f.name) for f in fields(probes)}
    return {k: v for k, v in values.items() if v is not None}


def _read_npz(source: Path | BinaryIO) -> dict[str, Any]:
    if isinstance(source, Path):
        if not source.is_file():
            raise InputError(f"There is no result file at {source}.")
        if source.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{source.name} is larger than {MAX_FILE_BYTES // 2**20} MB; no MI result is.")
    try:
        with np.load(source, allow_pickle=False) as file:
            if sum(info.file_size for info in file.zip.infolist()) > MAX_EXPANDED_BYTES:
                raise FormatError("This file expands to more than 512 MB; no MI result does.")
            plain = json.loads(str(file["meta"]))
            arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "meta"}
        schema = plain.pop("schema")
    except FormatError:
        raise
    except Exception as error:  # zipfile, zlib, numpy and json each have their own way to say "damaged"
        raise FormatError("This file is not an MI result (npz written by `python -m mi_core mi --out`).") from error
    if schema != SCHEMA:
        raise FormatError(f"This MI result has version {schema}; this program reads version {SCHEMA}.")
    return {**plain, **arrays}
