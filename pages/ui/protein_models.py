"""Which model speaks on the Protein page, and in what sense."""

import streamlit as st

from mi_core.catalog import FAMILIES, OWN_ESMC, Entry, entries
from mi_core.errors import MiCoreError
from mi_core.models.placed import OnSequence
from mi_core.models.protocol import Model
from mi_core.protein_view import Protein
from mi_core.proteins.presets import PRESETS
from pages.ui import protein_cached
from pages.ui.protein_cached import Speaker

MODELS = {
    "family-kunitz": "Kunitz inhibitors, linear",
    "esmc-kunitz": "ESM-C Kunitz, one family",
    "esmc-mini-kunitz": "ESM-C mini, tuned to Kunitz",
    "family-response-regulator": "Response regulators, linear",
    "family-rrm": "RNA recognition motifs, linear",
    "family-pdz": "PDZ domains, linear",
    "family-sh3": "SH3 domains, linear",
    "esmc-mini": "ESM-C mini",
    "proteinmpnn": "ProteinMPNN, given the backbone",
    "antiberty": "AntiBERTy, antibodies",
    "esmc_300m": "ESM-C 300M",
    "esmc_600m": "ESM-C 600M",
}
SPEAKING = {
    "esmc-mini": "**ESM-C mini** speaks: a small model of any protein that ships with the explorer. It knows which "
    "residues are likely where, and next to nothing of which touch: for that take a family's model, or ESM-C 300M.",
    "esmc-mini-kunitz": "**ESM-C mini, tuned to Kunitz inhibitors** speaks: the small model of any protein after a "
    "short training on the family of BPTI. With two fifths of BPTI shown, 7 in 10 of its 29 strongest pairs touch "
    "(mean of 24 masks; chance 1 in 12; before the tuning, none).",
    "esmc-kunitz": "**ESM-C Kunitz** speaks: a small model that ships with the explorer, after a first, short training "
    "on one family, Kunitz inhibitors. Its head follows the probed MI (R² .94 on held-out sequences, .815 on "
    "six families of which it saw nothing). Averaged over 96 sequences cut to the domain both find contacts; on a "
    "single chain with residues around the domain, such as BPTI, they find few: take the linear model or the tuned "
    "ESM-C mini.",
    "proteinmpnn": "**ProteinMPNN** speaks, *given the backbone*: which residues it couples when it designs for this "
    "structure. It is no evidence that contacts were inferred from sequence.",
    "antiberty": "**AntiBERTy** speaks: a language model of antibody sequences; of other proteins it knows nothing.",
    "esmc_300m": "**ESM-C 300M** speaks: EvolutionaryScale's published model, from the sequence alone.",
    "esmc_600m": "**ESM-C 600M** speaks: EvolutionaryScale's published model, from the sequence alone.",
}
LINEAR = (
    "**A linear model of one family** speaks ({what}): what each visible column of the alignment adds to a hidden one. "
    "It ships with the explorer, and its ground truth takes well under a second. {note}"
)
OF_EXAMPLE = {
    "bpti": "family-kunitz",
    "pdz": "family-pdz",
    "sh3": "family-sh3",
    "chey": "family-response-regulator",
    "nanobody": "antiberty",
}  # what speaks first of an example; of any other protein the small model of any
ANY = "esmc-mini"
HALF, ALL = "ratio:.5", "all"
PUBLISHED = ("esmc_300m", "esmc_600m")
FAILED = "pr_failed"  # what could not be loaded, and why: it is not tried again at every rerun


@st.cache_data(ttl=60, show_spinner=False)
def _known() -> dict[str, Entry]:
    return {entry.name: entry for entry in entries() if entry.name in MODELS}


def _first(example: str) -> str:
    known = _known()
    return next((name for name in (OF_EXAMPLE.get(example, ANY), ANY, *MODELS) if known[name].available), ANY)


def follow(example: str) -> None:
    """Another example was chosen: unless the user picked a model for every protein, its own speaks."""
    if st.session_state.get("pr_model") in (*OF_EXAMPLE.values(), ANY):
        st.session_state["pr_model"] = _first(example)


def start_mask(name: str) -> str:
    """What is masked of a new protein: for a family's model, which needs no context and no time, everything."""
    return ALL if name in FAMILIES else HALF


def choose(protein: Protein) -> str:
    """The picker; the name of the model."""
    first = _first(next((name for name, preset in PRESETS.items() if preset.title == protein.name), ""))
    return st.selectbox(
        "Model",
        list(MODELS),
        index=list(MODELS).index(first),
        format_func=lambda name: MODELS[name],
        key="pr_model",
        bind="query-params",
        width=290,
    )


def weights_field(name: str) -> str:
    """The path of a local weight file for the published models; empty for the others."""
    path = st.text_input(
        "Weights of ESM-C on this computer",
        key="pr_weights",
        persist_state="session",
        placeholder="file or folder (.pth, .safetensors)",
        help="For rooms without internet. Only ESM-C 300M and 600M read it; without it they come from the hub.",
    )
    return path.strip() if name in PUBLISHED else ""


def kept_weights(name: str) -> str:
    """What the field of the Protein page says."""
    return str(st.session_state.get("pr_weights", "")).strip() if name in PUBLISHED else ""


def load(name: str, weights: str, protein: Protein) -> tuple[Speaker, Model | None]:
    """The model, or None with one message where it cannot be had; the page goes on without MI."""
    who = protein_cached.speaker(name, weights, protein)
    failed: dict[Speaker, str] = st.session_state.setdefault(FAILED, {})
    if who not in failed:
        try:
            model = protein_cached.get_model(who, protein)
        except MiCoreError as error:
            if name in PUBLISHED:
                failed[who] = str(error)
            _missing(name, str(error))
            return who, None
        st.caption(_said(name, model))
        return who, model
    _missing(name, failed[who])
    st.button("Try again", key="pr_retry", on_click=failed.clear, icon=":material/refresh:")
    return who, None


def _said(name: str, model: Model) -> str:
    if name not in FAMILIES:
        return SPEAKING[name]
    what = FAMILIES[name][0].rpartition("family, ")[2]
    return LINEAR.format(what=what, note=model.note if isinstance(model, OnSequence) else "")


def _missing(name: str, why: str) -> None:
    if name in OWN_ESMC:
        why = f"The weights of {MODELS[name]} are not in this copy of the explorer; choose one of the other models."
    st.warning(why)
