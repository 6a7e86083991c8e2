"""What the Protein page keeps between reruns: models, beliefs, estimates, contacts.

All sessions share it: read it, never change it.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from mi_core import head as heads
from mi_core.catalog import FAMILIES, load_model
from mi_core.errors import InputError
from mi_core.models.protocol import Model
from mi_core.protein_view import Protein, backbone_of, known_contacts
from mi_core.proteins.contacts import ContactMap
from mi_core.proteins.sequence import VOCAB
from mi_core.results import MIResult
from mi_core.shapes import LogProbRow
from pages.ui import cached

BACKBONE_MODEL = "proteinmpnn"


@dataclass(frozen=True)
class Speaker:
    """A model as the page names it: what it is called, its weight file, and what of the protein it was given."""

    name: str
    weights: str = ""
    given: str = ""  # the key of the structure, or the letters

    def key(self, state: str) -> str:
        """Where results of this model and state are kept."""
        return "|".join((self.name, self.weights, self.given, state))


@dataclass(frozen=True, eq=False)
class Beliefs:
    """One pass."""

    log_probs: LogProbRow
    outside: float  # mean share that the network gave to other symbols at the open residues
    seconds: float


def speaker(name: str, weights: str, protein: Protein) -> Speaker:
    """The model for this protein; one of a backbone or of a family depends on it."""
    given = protein.structure_key if name == BACKBONE_MODEL else protein.letters if name in FAMILIES else ""
    return Speaker(name, weights, given)


@st.cache_resource(max_entries=12, show_spinner="Loading the model")
def _load(who: Speaker, _protein: Protein) -> Model:
    chain = backbone_of(_protein) if who.name == BACKBONE_MODEL else None
    weights = Path(who.weights).expanduser() if who.weights else None
    return load_model(who.name, weights=weights, backbone=chain, sequence=_protein.tokens)


def get_model(who: Speaker, protein: Protein) -> Model:
    """The model.

    Raises:
        InputError, FormatError: it cannot be loaded, or not for this protein.
    """
    if who.name == BACKBONE_MODEL:
        backbone_of(protein)  # the cache knows the structure, not whether the sequence is its own
    return _load(who, protein)


@st.cache_resource(max_entries=128, show_spinner=False)
def get_beliefs(who: Speaker, state: str, _model: Model) -> Beliefs:
    """What the model believes of each residue of a state, and the time of one pass."""
    tokens = VOCAB.encode(state)
    _model(tokens[None])  # the first pass after a pause is slower, and the time is shown
    begun = time.perf_counter()
    output = _model(tokens[None])
    seconds = time.perf_counter() - begun
    is_open = tokens == VOCAB.mask_id
    outside = 0.0
    if output.outside is not None and bool(is_open.any()):
        outside = float(output.outside[0].cpu()[is_open].mean())
    return Beliefs(output.log_probs[0].cpu(), outside, seconds)


@st.cache_resource(max_entries=128, show_spinner=False)
def _estimate(who: Speaker, state: str, _model: Model) -> MIResult:
    return heads.estimate(_model, cached.get_head("marginals", who.name), VOCAB.encode(state))


def get_estimate(who: Speaker, state: str, model: Model) -> MIResult | None:
    """The neural estimate; None where no head ships for this model."""
    try:
        return _estimate(who, state, model)
    except InputError:
        return None


@st.cache_resource(max_entries=32, show_spinner=False)
def get_contacts(structure: str, letters: str, definition: str, _protein: Protein) -> ContactMap | None:
    """Contacts in the positions of the sequence."""
    return known_contacts(_protein, definition)


def contacts_of(protein: Protein, definition: str) -> ContactMap | None:
    """As `known_contacts`, kept."""
    return get_contacts(protein.structure_key, protein.letters, definition, protein)
