"""Protein chains from PDB and mmCIF files, read with biotite. Coordinates are in Å.

Positions are 0-based inside. Author residue numbers, with insertion codes, appear only as labels: they may jump, run
backwards and be negative.
"""

import warnings
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from biotite.structure import AtomArray
from biotite.structure.info import link_type, one_letter_code
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFFile, get_structure
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import FormatError, InputError, MiCoreError, UnknownName
from mi_core.proteins.files import MEGABYTE, read_text
from mi_core.proteins.sequence import AMINO_ACIDS, VOCAB
from mi_core.shapes import Row

MAX_BYTES = 10 * MEGABYTE
LEAST, MOST = -999.9, 9999.9  # Å; what the columns of a PDB line hold
BACKBONE = ("N", "CA", "C", "O")
UNKNOWN = "X"

_PARENTS = {  # where the component dictionary has none of the 20 letters; force fields name protonation states
    **{"SEC": "C", "PYL": "K", "ASX": "D", "GLX": "E"},
    **dict.fromkeys(("HID", "HIE", "HSD", "HSE", "HSP"), "H"),
    **{"CYX": "C", "CYM": "C", "ASH": "D", "GLH": "E", "LYN": "K"},
}
_THREE = "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR"  # as AMINO_ACIDS
_NAMES = dict(zip(AMINO_ACIDS, _THREE.split(), strict=True))
_LETTERS = {name: letter for letter, name in _NAMES.items()}
_PEPTIDE_LENGTH = 2.5  # Å between C and the next N; 1.33 where bonded, 3.8 between consecutive Cα of a broken chain


@dataclass(frozen=True, eq=False)
class Chain:
    """The residues of one chain that have a Cα, in the order of the file; N of them, A heavy atoms in all."""

    id: str
    sequence: str  # N letters, X where a residue has no parent among the 20
    numbers: tuple[int, ...]  # author numbering
    insertions: tuple[str, ...]  # insertion codes, "" where there is none
    names: tuple[str, ...]  # three-letter component names, e.g. MSE
    backbone: Float[Tensor, "N 4 3"]  # N, CA, C, O; NaN where an atom is missing
    beta: Float[Tensor, "N 3"]  # Cβ; Cα for glycine; built from the backbone where the file has none
    atoms: Float[Tensor, "A 3"]  # heavy atoms, no hydrogens
    owners: Int[Tensor, " A"]  # residue that each heavy atom belongs to, ascending
    atom_names: tuple[str, ...]
    elements: tuple[str, ...]
    deposited: str = ""  # the whole sequence where the file states it, residues that were not seen included

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def labels(self) -> tuple[str, ...]:
        """Author residue numbers with insertion code, e.g. 52 and 52A."""
        return tuple(f"{n}{i}" for n, i in zip(self.numbers, self.insertions, strict=True))

    @property
    def tokens(self) -> Row:
        """Token ids 0..19, the mask where the residue is unknown, shape (N,)."""
        return VOCAB.encode(self.sequence.replace(UNKNOWN, VOCAB.mask))

    @property
    def modified(self) -> tuple[tuple[str, str], ...]:
        """Label and component name of the residues that are none of the 20 and stand as their parent."""
        pairs = zip(self.labels, self.names, strict=True)
        return tuple((label, name) for label, name in pairs if name not in _LETTERS)

    @property
    def breaks(self) -> tuple[int, ...]:
        """Positions i whose residue is not bonded to i + 1: C and N are more than 2.5 Å apart, or one is missing."""
        bond = (self.backbone[:-1, 2] - self.backbone[1:, 0]).norm(dim=-1)
        return tuple((~(bond <= _PEPTIDE_LENGTH)).nonzero().flatten().tolist())

    def find(self, number: int, insertion: str = "") -> int:
        """Position of the first residue with this author number.

        Raises:
            InputError: the chain has none.
        """
        for position, pair in enumerate(zip(self.numbers, self.insertions, strict=True)):
            if pair == (number, insertion):
                return position
        raise InputError(f"Chain {self.id} has no residue {number}{insertion}.")

    @property
    def pdb(self) -> str:
        """The chain as PDB text for a viewer, made from numbers alone: nothing of the file's text is passed on.

        Chain name and residue numbers are those of `viewer_id` and `viewer_numbers`.
        """
        numbers = self.viewer_numbers
        lines = [self._atom_line(k, numbers) for k in range(len(self.owners))]
        return "\n".join([*lines, "TER", "END", ""])

    def _atom_line(self, k: int, numbers: tuple[int, ...]) -> str:
        i, (x, y, z) = int(self.owners[k]), self.atoms[k].tolist()
        name, element = self.atom_names[k], self.elements[k]
        padded = f" {name:<3}" if len(element) == 1 and len(name) < 4 else f"{name:<4}"
        component = _NAMES.get(self.sequence[i], "UNK")
        return (
            f"ATOM  {(k + 1) % 100_000:5d} {padded} {component} {self.viewer_id}"
            f"{numbers[i]:4d}{self.insertions[i] or ' '}   {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {element:>2}"
        )

    @property
    def viewer_id(self) -> str:
        """The chain's name in `pdb`, one character."""
        return self.id if len(self.id) == 1 and self.id.isascii() and self.id.isalnum() else "A"

    @property
    def viewer_numbers(self) -> tuple[int, ...]:
        """Residue numbers in `pdb`: the author's, or 1..N (modulo 10,000) where one has more than four characters."""
        if all(-999 <= number <= 9999 for number in self.numbers):
            return self.numbers
        return tuple(i % 10_000 for i in range(1, len(self) + 1))


@dataclass(frozen=True, eq=False)
class Structure:
    """The protein chains of one file, its first model."""

    chains: tuple[Chain, ...]
    models: int

    def chain(self, chain_id: str | None = None) -> Chain:
        """The chain of this name; the first if None.

        Raises:
            UnknownName: there is none of this name.
        """
        for chain in self.chains:
            if chain_id in (None, chain.id):
                return chain
        raise UnknownName("chain", str(chain_id), [chain.id for chain in self.chains])


def read_structure(source: Path | bytes) -> Structure:
    """The protein chains of a PDB or mmCIF file, gzip or not, at most 10 MB unpacked.

    Of several models the first counts; of alternate locations the one with the highest occupancy (the first of equals),
    one for a whole residue. Selenomethionine and other modified residues stand as their parent amino acid, as the
    component dictionary of the PDB gives it. Residues without Cα, ligands and water are left out, as are atoms whose
    coordinates no PDB line could hold (not finite, or beyond -999.9 to 9999.9 Å).

    Raises:
        InputError: no such file, too large, or no protein in it.
        FormatError: damaged, or neither PDB nor mmCIF.
    """
    text = read_text(source, limit=MAX_BYTES, what="structure")
    reader = _read_cif if _is_cif(text) else _read_pdb
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # biotite reports guessed elements and the like, of no concern here
            atoms, models, deposited = reader(text)
    except MiCoreError:
        raise
    except Exception as error:  # a damaged file makes biotite stumble anywhere: IndexError, KeyError, ValueError, ...
        raise FormatError("This file cannot be read as PDB or mmCIF; it is damaged or of another kind.") from error
    chains = _chains(atoms, deposited)
    if not chains:
        raise InputError("This structure holds no protein: no chain has two or more amino acids with a Cα atom.")
    return Structure(chains, models)


# Reading


def _is_cif(text: str) -> bool:
    """Whether the first line that is not a comment opens a data block."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return next(lines, "").lstrip().lower().startswith("data_")


def _read_pdb(text: str) -> tuple[AtomArray, int, dict[str, str]]:
    lines = text.splitlines()
    if not any(line.startswith(("ATOM  ", "HETATM")) for line in lines):
        raise FormatError("This is neither a PDB file (no ATOM lines) nor an mmCIF file (no data_ block).")
    kept = [line.ljust(80) for line in lines if line.startswith(("ATOM  ", "HETATM", "MODEL ", "ENDMDL", "TER", "END"))]
    file = PDBFile.read(StringIO("\n".join(kept)))
    array = file.get_structure(model=1, altloc="all", extra_fields=["occupancy"])
    return array, file.get_model_count(), _deposited_pdb(lines)


def _read_cif(text: str) -> tuple[AtomArray, int, dict[str, str]]:
    block = CIFFile.deserialize(text).block
    if "atom_site" not in block:
        raise InputError("This structure holds no protein: the mmCIF file has no atom_site table.")
    fields = ["occupancy"] if "occupancy" in block["atom_site"] else []
    array = get_structure(block, model=1, altloc="all", extra_fields=fields)
    if not fields:
        array.set_annotation("occupancy", np.ones(len(array)))
    site = block["atom_site"]
    models = len(set(site["pdbx_PDB_model_num"].as_array(str))) if "pdbx_PDB_model_num" in site else 1
    return array, models, _deposited_cif(block)


def _deposited_pdb(lines: list[str]) -> dict[str, str]:
    """Sequence of each chain from the SEQRES records."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith("SEQRES"):
            found[line[11:12].strip()] = found.get(line[11:12].strip(), "") + _spelled(line[19:70].split())
    return found


def _deposited_cif(block: Any) -> dict[str, str]:
    if "pdbx_poly_seq_scheme" not in block:
        return {}
    table = block["pdbx_poly_seq_scheme"]
    found: dict[str, list[str]] = {}
    for chain, name in zip(table["pdb_strand_id"].as_array(str), table["mon_id"].as_array(str), strict=True):
        found.setdefault(str(chain), []).append(str(name))
    return {chain: _spelled(names) for chain, names in found.items()}


# From atoms to chains


def letter_of(name: str) -> str:
    """One of the 20 letters for a three-letter component, that of its parent where it is modified, X where unknown."""
    letter = _LETTERS.get(name) or _PARENTS.get(name) or one_letter_code(name) or UNKNOWN
    return letter if letter in AMINO_ACIDS else UNKNOWN


def _spelled(names: list[str]) -> str:
    return "".join(letter_of(name) for name in names)


def _is_amino_acid(name: str, hetero: bool) -> bool:
    """A free amino acid among the ligands is a HETATM with one of the 20 names; in a chain those are ATOM."""
    if name in _LETTERS:
        return not hetero
    return name == "UNK" or name in _PARENTS or "PEPTIDE LINKING" in str(link_type(name)).upper()


def _chains(atoms: AtomArray, deposited: dict[str, str]) -> tuple[Chain, ...]:
    within = ((atoms.coord > LEAST) & (atoms.coord < MOST)).all(axis=1)  # NaN is not
    atoms = atoms[within & ~np.isin(atoms.element, ("H", "D"))]
    names = {name: _is_amino_acid(str(name), hetero=False) for name in set(atoms.res_name)}
    free = atoms.hetero & np.isin(atoms.res_name, list(_LETTERS))
    atoms = atoms[np.array([names[name] for name in atoms.res_name], dtype=bool) & ~free]
    order = dict.fromkeys(atoms.chain_id.tolist())  # first seen, first listed
    chains = (_chain(str(key), atoms[atoms.chain_id == key], deposited.get(str(key), "")) for key in order)
    return tuple(chain for chain in chains if chain is not None)


def _chain(chain_id: str, atoms: AtomArray, deposited: str) -> Chain | None:
    residues = [residue for residue in _residues(atoms) if "CA" in residue.atom_name]
    if len(residues) < 2:
        return None
    names = tuple(str(residue.res_name[0]) for residue in residues)
    backbone = torch.stack([_backbone(residue) for residue in residues])
    joined = [str(name) for residue in residues for name in residue.atom_name]
    return Chain(
        id=chain_id,
        sequence=_spelled(list(names)),
        numbers=tuple(int(residue.res_id[0]) for residue in residues),
        insertions=tuple(_safe(str(residue.ins_code[0]))[:1] for residue in residues),
        names=names,
        backbone=backbone,
        beta=torch.stack([_beta(*pair) for pair in zip(residues, backbone, strict=True)]),
        atoms=torch.cat([_coordinates(residue) for residue in residues]),
        owners=torch.repeat_interleave(torch.tensor([len(residue) for residue in residues])),
        atom_names=tuple(_safe(name)[:4] for name in joined),
        elements=tuple(_safe(str(element))[:2] for residue in residues for element in residue.element),
        deposited=deposited,
    )


def _safe(text: str) -> str:
    """Only the characters that atom names are made of, so that no markup reaches a page."""
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in "'*"))


def _residues(atoms: AtomArray) -> list[AtomArray]:
    """The atoms of each residue, one location each, in the order in which residues first appear.

    Atoms are gathered by author number and insertion code: where a position is shared by two amino acids, files list
    them one after the other or atom by atom.
    """
    groups: dict[tuple[int, str], list[int]] = {}
    for k, key in enumerate(zip(atoms.res_id.tolist(), atoms.ins_code.tolist(), strict=True)):
        groups.setdefault(key, []).append(k)
    return [_one_location(atoms[members]) for members in groups.values()]


def _one_location(residue: AtomArray) -> AtomArray:
    """The alternate location with the highest occupancy, and of atoms that are listed twice the first."""
    name = _heaviest(residue.res_name, residue.occupancy)
    residue = residue[residue.res_name == name]
    shared = np.isin(residue.altloc_id, ("", " ", ".", "?"))
    if not shared.all():
        chosen = _heaviest(residue.altloc_id[~shared], residue.occupancy[~shared])
        residue = residue[shared | (residue.altloc_id == chosen)]
    return residue[np.sort(np.unique(residue.atom_name, return_index=True)[1])]


def _heaviest(keys: np.ndarray, occupancy: np.ndarray) -> Any:
    """The key with the largest mean occupancy; the first of equals."""
    means = {key: np.nan_to_num(occupancy[keys == key]).mean() for key in dict.fromkeys(keys.tolist())}
    return max(means, key=lambda key: means[key])


def _coordinates(residue: AtomArray) -> Tensor:
    return torch.from_numpy(residue.coord.astype(np.float64))


def _backbone(residue: AtomArray) -> Tensor:
    """(4, 3): N, CA, C, O; NaN where missing."""
    found = torch.full((4, 3), torch.nan, dtype=torch.float64)
    for row, name in enumerate(BACKBONE):
        if name in residue.atom_name:
            found[row] = _coordinates(residue[residue.atom_name == name])[0]
    return found


def _beta(residue: AtomArray, backbone: Tensor) -> Tensor:
    """(3,) Cβ; Cα for glycine and where neither Cβ nor the backbone to build it from is there."""
    if "CB" in residue.atom_name:
        return _coordinates(residue[residue.atom_name == "CB"])[0]
    built = ideal_beta(backbone[None])[0]
    return backbone[1] if residue.res_name[0] == "GLY" or bool(built.isnan().any()) else built


def ideal_beta(backbone: Float[Tensor, "N 4 3"]) -> Float[Tensor, "N 3"]:
    """Cβ where ideal geometry puts it, from N, CA, C; NaN where one is missing.

    The coefficients are those of trRosetta and ProteinMPNN (Yang et al. 2020, doi:10.1073/pnas.1914677117).
    """
    n, ca, c, _ = backbone.unbind(dim=1)
    b, d = ca - n, c - ca
    return -0.58273431 * torch.cross(b, d, dim=-1) + 0.56802827 * b - 0.54067466 * d + ca
