"""The ground truth of the Protein page: settings, and a run in the background with progress and cancel."""

import streamlit as st

from mi_core import probing
from mi_core.errors import MiCoreError
from mi_core.models.placed import OnSequence
from mi_core.models.protocol import Model
from mi_core.proteins.sequence import VOCAB
from pages.ui import job_controls, payload, probe_controls, protein_cached
from pages.ui.cached import ProbeKey
from pages.ui.protein_cached import Beliefs, Speaker

BATCH = 16
MASSES = ("1", "0.99", "0.95", "0.9", "0.8")
SMOOTH = 300  # residues up to which the page is quick


def settings() -> tuple[str, float]:
    """The widgets of form and mass."""
    explained = "Each masked residue tries its likeliest amino acids until they carry this much probability."
    return probe_controls.settings("pr", MASSES, "0.95", explained)


def key_of(who: Speaker, state: str, form: str, mass: float) -> ProbeKey:
    """Where the result is kept."""
    return who.key(state), form, mass


def controls(key: ProbeKey, state: str, model: Model | None, beliefs: Beliefs | None) -> None:
    """The button, or progress and Cancel while it runs."""
    if model is None or beliefs is None:
        job_controls.stop_other("pr", probe_controls.subject(key))
        return
    few = state.count(VOCAB.mask) < 2
    explained = "Mask two residues or more." if few else f"Probes every masked residue: {cost(state, beliefs)}."
    tokens = VOCAB.encode(state)
    if not few and isinstance(model, OnSequence):  # a linear model: thousands of passes a second
        probe_controls.at_once(key, tokens, model)
    probe_controls.controls("pr", key, tokens, lambda: model, batch=BATCH, explained=explained, disabled=few)


def cost(state: str, beliefs: Beliefs) -> str:
    """What full probing takes at most, in words."""
    passes = probing.full_passes(state.count(VOCAB.mask), VOCAB.size)
    return f"at most {passes:,} passes, about {payload.duration(passes * beliefs.seconds)} at the pace of the first"


def beliefs(who: Speaker, state: str, model: Model | None) -> Beliefs | None:
    """The base pass of a state; a message where the model cannot read it."""
    if model is None:
        return None
    try:
        return protein_cached.get_beliefs(who, state, model)
    except MiCoreError as error:
        st.error(str(error))
        return None


def absent(state: str, beliefs: Beliefs | None) -> str:
    """What stands in the empty triangle."""
    if beliefs is None:
        return "No model, no MI"
    return "Fewer than two residues are masked" if state.count(VOCAB.mask) < 2 else "Ground truth: not computed yet"


def caption(state: str, beliefs: Beliefs | None) -> None:
    """What the picture means and what the truth costs."""
    parts = [
        "Blue residues are masked, grey ones given; hatched lines of the map are given residues, which have nothing to "
        "share. Lines in 3D are solid blue where the pair touches and dashed vermillion where it does not."
    ]
    if beliefs is not None:
        parts.append(f"Ground truth of this mask: {cost(state, beliefs)}.")
        if beliefs.outside > 0.05:
            parts.append(f"The model gave {beliefs.outside:.0%} to other symbols than the 20, renormalised here.")
    if len(state) > SMOOTH:
        parts.append(f"Above {SMOOTH} residues drawing and probing take noticeably longer.")
    st.caption(" ".join(parts))
