"""How the Protein page looks at a state: the row of widgets between the pickers and the bench."""

from dataclasses import dataclass

import streamlit as st

from mi_core.catalog import head_file
from mi_core.proteins.contacts import DEFINITIONS
from pages.ui import protein_family, protein_models, protein_truth
from pages.ui.protein_payload import MOST_LINES, SCALES, SPANS, VIEWS, Look
from pages.ui.widgets import segments


@dataclass(frozen=True)
class Choice:
    """What the widgets say."""

    look: Look
    weights: str
    form: str
    mass: float


def controls(model: str) -> Choice:
    """Draw map, pair and settings widgets."""
    has_head = head_file(model, "marginals").is_file()
    view = segments("Map", VIEWS, "pr_view") if has_head else next(iter(VIEWS))
    span = _pick("Range in sequence", SPANS, "pr_span")
    count = st.slider("Pairs drawn (k)", 1, MOST_LINES, 30, key="pr_k", bind="query-params", width=190)
    with st.popover("Settings", icon=":material/tune:"):
        corrected = st.toggle(
            "Average-product correction",
            value=True,
            key="pr_apc",
            bind="query-params",
            help="Takes away what a residue shares with all others: S_ij - S_i S_j / S.",
        )
        scale = segments("Colours go up to (nats)", SCALES, "pr_scale", label_visibility="visible")
        definition = _pick("A contact is", {k: d.title for k, d in DEFINITIONS.items()}, "pr_contact")
        form, mass = protein_truth.settings()
        protein_family.field()
        weights = protein_models.weights_field(model)
    return Choice(Look(view, scale, span, definition, corrected, count), weights, form, mass)


def _pick(label: str, options: dict[str, str], key: str) -> str:
    return st.selectbox(
        label, list(options), format_func=lambda name: options[name], key=key, bind="query-params", width=220
    )
