"""Models that need nothing but a sequence, by what they speak of; and the protein that they are asked of."""

import streamlit as st

from mi_core.catalog import FAMILIES, TUNED, entries
from mi_core.protein_view import Protein, of_chain, of_record
from mi_core.proteins.presets import PRESETS, load_preset
from mi_core.proteins.sequence import parse
from pages.ui.protein_cached import BACKBONE_MODEL
from pages.ui.protein_models import MODELS as PROTEIN_MODELS

SUDOKU = {"sudoku": "Sudoku", TUNED: "Sudoku, tuned to the diagonals"}
PROTEIN = {name: title for name, title in PROTEIN_MODELS.items() if name not in (BACKBONE_MODEL, *FAMILIES)}


@st.cache_data(ttl=60, show_spinner=False)
def _available() -> set[str]:
    return {entry.name for entry in entries() if entry.kind == "model" and entry.available}


def here(models: dict[str, str]) -> dict[str, str]:
    """Those that can be loaded now."""
    return {name: title for name, title in models.items() if name in _available()}


OWN = "own"
START_PROTEIN = "bpti"


def choose_protein(prefix: str) -> tuple[str, str]:
    """Draw the picker, keys `PREFIX_protein` and `PREFIX_letters`: the name of an example, or OWN and its letters."""
    titles = {name: preset.title for name, preset in PRESETS.items()} | {OWN: "Own sequence"}
    name = st.selectbox(
        "Protein",
        list(titles),
        list(titles).index(START_PROTEIN),
        format_func=titles.__getitem__,
        key=f"{prefix}_protein",
        bind="query-params",
        width=290,
    )
    if name != OWN:
        return name, ""
    start = load_preset(START_PROTEIN).sequence
    return OWN, st.text_input("Letters or FASTA", start, key=f"{prefix}_letters", bind="query-params", width=320)


def protein_of(name: str, letters: str) -> Protein:
    """The protein that was chosen, with its structure where it has one.

    Raises:
        InputError: letters that cannot be read.
    """
    return of_record(parse(letters)) if name == OWN else of_chain(load_preset(name), PRESETS[name].title)
