"""Families of aligned sequences: reading them, weighting them, and where their columns lie in a structure.

A family is M sequences over N columns in 21 states: the 20 amino acids (ids 0..19) and the gap (20).
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mi_core.errors import FormatError, InputError
from mi_core.proteins.alignment import Placement, align, placement
from mi_core.proteins.files import MEGABYTE, read_text
from mi_core.proteins.sequence import AMINO_ACIDS
from mi_core.proteins.structure import Chain

GAP = len(AMINO_ACIDS)
STATES = GAP + 1
MAX_BYTES = 64 * MEGABYTE
MAX_ROWS, MAX_COLUMNS = 200_000, 1024
IDENTITY = 0.8  # sequences this alike count as one

_RARE = "XBZJUO*"  # no single amino acid of the 20: read as gaps, as usual in coupling analysis
_CODES = np.full(256, 255, dtype=np.uint8)
_CODES[np.frombuffer(AMINO_ACIDS.encode(), np.uint8)] = np.arange(GAP)
_CODES[np.frombuffer(f"-.{_RARE}".encode(), np.uint8)] = GAP
_TABLE_LINES = 20_000


@dataclass(frozen=True, eq=False)
class Family:
    """An alignment of M sequences over N columns."""

    names: tuple[str, ...]
    rows: UInt8[Tensor, "M N"]  # ids 0..19, 20 for a gap

    def __len__(self) -> int:
        return len(self.names)

    @property
    def columns(self) -> int:
        """N, the columns of the alignment."""
        return self.rows.shape[1]

    def row(self, name: str) -> Tensor:
        """The aligned sequence of this name, shape (N,).

        Raises:
            InputError: there is none.
        """
        if name not in self.names:
            raise InputError(f"This alignment has no sequence {name!r}; its first is {self.names[0]!r}.")
        return self.rows[self.names.index(name)]

    def sequences(self) -> tuple[str, ...]:
        """The sequences without their gaps."""
        return tuple(spell(row).replace("-", "") for row in self.rows)


def spell(row: Tensor) -> str:
    """Letters and '-' of one aligned sequence (N,)."""
    return "".join(f"{AMINO_ACIDS}-"[state] for state in row.tolist())


# Reading


def read_family(source: Path | bytes) -> Family:
    """An alignment in FASTA, A2M or Stockholm, gzip or not; at most 64 MB, 200,000 sequences and 1024 columns.

    Where there are lower-case letters and the upper-case ones with '-' line up by themselves, it is read as A2M: lower
    case and '.' are insertions and left out. Otherwise case does not count and '.' is a gap. X, B, Z, J, U, O and '*'
    are read as gaps.

    Raises:
        InputError: no such file, empty, or too large.
        FormatError: damaged, no alignment, rows of different lengths, or a character that is no residue.
    """
    text = read_text(source, limit=MAX_BYTES, what="alignment")
    records = _stockholm(text) if text.lstrip().startswith("# STOCKHOLM") else _fasta(text)
    if not records:
        raise FormatError("This alignment holds no sequences.")
    if len(records) > MAX_ROWS:
        raise InputError(f"This alignment has {len(records):,} sequences; at most {MAX_ROWS:,} can be read.")
    names, rows = zip(*records, strict=True)
    return Family(tuple(names), _encoded(names, _match_columns(names, rows)))


def _fasta(text: str) -> list[tuple[str, str]]:
    head, *parts = re.split(r"^>", text.lstrip(), flags=re.MULTILINE)
    if head.strip():
        raise FormatError(
            "This is no alignment in FASTA, A2M or Stockholm: it begins with neither '>' nor '# STOCKHOLM'."
        )
    pairs = (part.partition("\n")[::2] for part in parts)
    return [((title.split() or ["unnamed"])[0], "".join(body.split())) for title, body in pairs]


def _stockholm(text: str) -> list[tuple[str, str]]:
    """The first alignment of a Stockholm file; rows may be spread over several blocks."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("//"):
            break
        if line.strip() and not line.startswith("#"):
            name, *letters = line.split()
            rows.setdefault(name, []).extend(letters)
    return [(name, "".join(letters)) for name, letters in rows.items()]


def _match_columns(names: Iterable[str], rows: Iterable[str]) -> list[str]:
    """The rows without A2M's insertions, all of one length."""
    rows = list(rows)
    stripped = [re.sub(r"[a-z.]", "", row) for row in rows]
    insertions = any(re.search(r"[a-z]", row) for row in rows)
    if insertions and len({len(row) for row in stripped}) == 1 and stripped[0]:
        rows = stripped
    for name, row in zip(names, rows, strict=True):
        if len(row) != len(rows[0]):
            raise FormatError(
                f"The sequences are not aligned: {name} has {len(row)} columns, the first {len(rows[0])}."
            )
    if not 2 <= len(rows[0]) <= MAX_COLUMNS:
        raise InputError(f"This alignment has {len(rows[0])} columns; 2 to {MAX_COLUMNS} can be used.")
    return [row.upper() for row in rows]


def _encoded(names: Iterable[str], rows: list[str]) -> Tensor:
    letters = np.frombuffer("".join(rows).encode("ascii", "replace"), np.uint8).reshape(len(rows), -1)
    states = _CODES[letters]
    bad = np.argwhere(states == 255)
    if len(bad):
        row, column = bad[0].tolist()
        name, letter = list(names)[row], rows[row][column]
        raise FormatError(f"Character {letter!r} in column {column + 1} of {name} is neither amino acid nor gap.")
    return torch.from_numpy(states)


def encode_rows(rows: Sequence[str]) -> UInt8[Tensor, "M N"]:
    """Rows of letters and '-', all of one length, in 21 states: what `spell` wrote."""
    letters = np.frombuffer("".join(rows).encode("ascii"), np.uint8).reshape(len(rows), -1)
    return torch.from_numpy(_CODES[letters])


# Weights


def weights(rows: UInt8[Tensor, "M N"], *, identity: int | float = IDENTITY, tile: int = 512) -> Float[Tensor, " M"]:
    """1 / the number of sequences (itself included) that agree in at least this share of the columns, gaps included.

    Their sum is the effective number of sequences. Equal rows are counted once and compared once; states are compared
    as bit planes, 64 columns at a time, so that 100 million pairs of 53 columns take seconds on one core.

    Args:
        tile: rows compared with as many others at a time, so that they stay in the cache; the result is the same.

    Raises:
        InputError: `identity` outside (0, 1].
    """
    if not 0 < identity <= 1:
        raise InputError(f"The identity above which sequences count as one lies in (0, 1], not {identity}.")
    unique, inverse, counts = torch.unique(rows, dim=0, return_inverse=True, return_counts=True)
    planes, copies = _bit_planes(unique.numpy()), counts.numpy().astype(np.float64)
    allowed = int(np.floor((1 - identity) * rows.shape[1] + 1e-9))  # columns that may differ
    neighbours = np.zeros(len(unique))
    starts = range(0, len(unique), tile)
    for i, j in ((i, j) for i in starts for j in starts if i <= j):  # each tile serves its rows and its columns
        mine, others = slice(i, i + tile), slice(j, j + tile)
        alike = _differences(planes[:, :, mine], planes[:, :, others]) <= allowed
        neighbours[mine] += alike @ copies[others]
        if i != j:
            neighbours[others] += copies[mine] @ alike
    return torch.from_numpy(1 / neighbours)[inverse]


def _bit_planes(rows: np.ndarray) -> np.ndarray:
    """(5, W, M) uint64: bit b of the states of 64 columns in a word."""
    count, columns = rows.shape
    padded = np.zeros((count, -(-columns // 64) * 64), dtype=np.uint8)
    padded[:, :columns] = rows
    planes = [np.packbits((padded >> bit) & 1, axis=1).view(np.uint64).T for bit in range(5)]
    return np.ascontiguousarray(np.stack(planes))


def _differences(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(m, M) number of columns in which rows differ, from planes (5, W, m) and (5, W, M)."""
    total = np.zeros((some.shape[2], others.shape[2]), dtype=np.uint16)
    for word in range(some.shape[1]):
        differ = some[0, word][:, None] ^ others[0, word][None, :]
        for bit in range(1, 5):
            differ |= some[bit, word][:, None] ^ others[bit, word][None, :]
        total += np.bitwise_count(differ)
    return total


# Columns in a structure


def place_row(row: UInt8[Tensor, " N"], chain: Chain) -> Placement:
    """Columns on residues by aligning one row's own letters with the chain; a column where it has a gap gets none.

    Raises:
        InputError: a row of gaps only, or too long a pair.
    """
    columns = (row != GAP).nonzero().flatten()
    own = align(spell(row[columns]), chain)
    residues = torch.full((len(row),), -1)
    residues[columns] = own.residues
    return placement(spell(row), chain, residues)


def read_mapping(source: Path | bytes, chain: Chain, columns: int) -> Placement:
    """Columns on residues from a table, each amino acid checked against the chain.

    Two kinds are read: CSV with the header `msa_col_0based,ref_aa,pdb_resnum,pdb_aa`, and the tab-separated `.indices`
    of the covariation benchmark (github.com/Kortemme-Lab/covariation): column, amino acid, a count, `827 A`, a count.

    Args:
        columns: N, the columns of the alignment.

    Raises:
        InputError: no such file, or too large.
        FormatError: another kind of table, a column or residue that does not exist, or an amino acid that differs.
    """
    text = read_text(source, limit=MEGABYTE, what="mapping")
    lines = text.splitlines()[:_TABLE_LINES]
    entries = _csv_entries(lines) if lines[0].startswith("msa_col_0based") else _indices_entries(lines)
    at = {label: position for position, label in reversed(list(enumerate(chain.labels)))}  # the first of equals
    residues, letters = torch.full((columns,), -1), ["-"] * columns
    for column, label, letter in entries:
        if not 0 <= column < columns or label not in at:
            raise FormatError(
                f"The mapping puts column {column} on residue {label}, and one of the two does not exist."
            )
        if chain.sequence[at[label]] != letter:
            found = chain.sequence[at[label]]
            raise FormatError(f"The mapping has {letter} at residue {label}, and the structure has {found}.")
        residues[column], letters[column] = at[label], letter
    return placement("".join(letters), chain, residues)


def _csv_entries(lines: list[str]) -> list[tuple[int, str, str]]:
    try:
        table = [(int(row["msa_col_0based"]), row["pdb_resnum"], row["pdb_aa"]) for row in csv.DictReader(lines)]
    except (KeyError, ValueError, TypeError) as error:
        raise FormatError(
            "This table of columns and residues cannot be read; see `read_mapping` for its form."
        ) from error
    return [entry for entry in table if entry[1]]


def _indices_entries(lines: list[str]) -> list[tuple[int, str, str]]:
    try:
        cells = [line.split("\t") for line in lines if line.strip()]
        return [(int(row[0]), row[3].split()[0], row[1]) for row in cells]
    except (IndexError, ValueError) as error:
        raise FormatError(
            "This table of columns and residues cannot be read; see `read_mapping` for its form."
        ) from error
