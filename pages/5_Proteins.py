"""Page: which residues of a protein a model couples, and whether they touch in the structure."""

import streamlit as st

from mi_core.protein_view import state_of
from pages.ui import (
    frame,
    probe_controls,
    protein_cached,
    protein_choice,
    protein_family,
    protein_models,
    protein_report,
    protein_strip,
    protein_truth,
    protein_view,
)
from pages.ui.components.protein import protein_bench
from pages.ui.protein_payload import Shown, bench

frame.setup(
    "Proteins",
    intro="Which masked residues does a model couple, and do they touch? **Mutual information** (MI) of two residues: "
    "how much knowing one tells about the other, in nats.",
)

protein = protein_choice.choose()
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = protein_models.choose(protein)
    masked = protein_strip.pattern(protein, protein_models.start_mask(name))
protein_strip.fault()
with st.container(horizontal=True, vertical_alignment="bottom"):
    choice = protein_view.controls(name)
    button = st.container(width="content")
look, state = choice.look, state_of(protein, masked)

who, model = protein_models.load(name, choice.weights, protein)
key = protein_truth.key_of(who, state, choice.form, choice.mass)
beliefs = protein_truth.beliefs(who, state, model)
estimate = None if model is None or beliefs is None else protein_cached.get_estimate(who, state, model)
with button:
    protein_truth.controls(key, state, model, beliefs)

pins = protein_strip.pins(protein)
shown = Shown(
    protein,
    masked,
    contacts=protein_cached.contacts_of(protein, look.definition),
    log_probs=None if beliefs is None else beliefs.log_probs,
    estimate=estimate,
    truth=probe_controls.current(key),
    family=protein_family.scores(protein),
)
protein_bench(
    bench(shown, look, pins=pins, absent=protein_truth.absent(state, beliefs), seen=protein_strip.seen()),
    key=protein_strip.KEY,
    on_mask=protein_strip.masked_on_bench,
    on_pin=protein_strip.pinned_on_bench,
)
protein_truth.caption(state, beliefs)
st.page_link("pages/6_Design.py", label="Design the masked residues, step by step", icon=":material/genetics:")

left, right = st.columns([3, 2], gap="large")
with left:
    protein_report.precision(shown, look)
with right:
    protein_report.pairs(shown, look, pins)
    protein_report.costs(shown)
protein_report.downloads(shown, look, name)
