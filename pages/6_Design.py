"""Page: watch a strategy design a protein in parallel, on its structure, step by step."""

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.protein_view import state_of
from pages.ui import (
    design,
    frame,
    protein_cached,
    protein_choice,
    protein_models,
    protein_strip,
    protein_truth,
    replay,
    replay_controls,
)

frame.setup(
    "Design",
    intro="A model fills in a protein's masked residues, several in one pass: which go together, why, and what that "
    "costs. The structure takes the colour of the step that committed each residue.",
)
protein = protein_choice.choose()
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = protein_models.choose(protein)
    masked = protein_strip.pattern(protein, protein_models.start_mask(name))
protein_strip.fault()
state = state_of(protein, masked)
who, model = protein_models.load(name, protein_models.kept_weights(name), protein)
beliefs = protein_truth.beliefs(who, state, model)
if model is None or beliefs is None:
    st.stop()
contacts = protein_cached.contacts_of(protein, "beta")
designer = design.Designer(protein, contacts, who, model, beliefs)
sources = design.sources_for(who, model, contacts)
with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
    settings = replay_controls.run_settings("de", lambda: state, sources)
other = replay_controls.comparison(settings, "de", sources)
st.caption(replay.rules([settings, other]))
if not bool(masked.any()) and state == protein.letters:
    st.info("Nothing is masked, so there is nothing to design; mask some residues.")
    st.stop()
wanted = [settings] if other is None else [settings, other]
try:
    found = [design.current(run, designer) for run in wanted]
except MiCoreError as error:
    st.error(str(error))
    st.stop()
missing = [run for run, shown in zip(wanted, found, strict=True) if shown is None]
if missing:
    design.controls(missing, designer)
    st.stop()
replay.show(*found, key="de_replay", prefix="de")
