"""What the family of the protein says: couplings of an alignment that the reader brings, else those that ship."""

import hashlib

import streamlit as st

from mi_core.benchmarks.coevolution import FamilyScores, family_scores, shipped
from mi_core.errors import InputError, MiCoreError
from mi_core.protein_view import Protein
from mi_core.proteins.families import read_family
from mi_core.proteins.presets import PRESETS, load_preset
from mi_core.proteins.structure import Chain

MOST_ROWS = 20_000  # comparing each with each takes seconds
UPLOAD_MB = 10


def field() -> None:
    """Where an alignment is uploaded."""
    st.file_uploader(
        f"Alignment of its family, up to {UPLOAD_MB} MB",
        key="pr_alignment",
        max_upload_size=UPLOAD_MB,
        help="FASTA, A2M or Stockholm, also gzip. Direct coupling analysis of it is drawn beside the map's precision.",
    )


def scores(protein: Protein) -> FamilyScores | None:
    """Couplings over the residues of the structure; a message where the alignment cannot be used."""
    if protein.chain is None:
        return None
    file = st.session_state.get("pr_alignment")
    try:
        if file is None:
            return next((found for name, found in shipped().items() if _is(name, protein.chain)), None)
        data = file.getvalue()
        key = hashlib.sha256(data).hexdigest()
        return _computed(key, protein.structure_key, data, file.name, protein.chain)
    except MiCoreError as error:
        st.error(str(error))
        return None


def _is(name: str, chain: Chain) -> bool:
    return name in PRESETS and load_preset(name) is chain


@st.cache_resource(max_entries=8, show_spinner="Coupling analysis of the alignment")
def _computed(key: str, structure: str, _data: bytes, _name: str, _chain: Chain) -> FamilyScores:
    family = read_family(_data)
    if len(family) > MOST_ROWS:
        raise InputError(
            f"This alignment has {len(family):,} sequences; the page takes at most {MOST_ROWS:,}, so thin it out."
        )
    return family_scores(family, _chain, name="your alignment")
