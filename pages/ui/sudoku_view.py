"""How the Sudoku page looks at a board: map, order and colours, estimator, and what the ground truth is."""

from dataclasses import dataclass

import streamlit as st

from mi_core.head import VARIANTS
from pages.ui import ground_truth
from pages.ui.cached import ProbeKey
from pages.ui.payload import ORDER_LABELS, SCALES, VIEWS, View
from pages.ui.widgets import segments


@dataclass(frozen=True)
class Choice:
    """What the widgets say."""

    view: View
    head: str
    truth: ProbeKey


def controls(board: str) -> Choice:
    """Draw the row of widgets, with the button of the ground truth at its end."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = segments("Map", VIEWS, "su_view")
        order = segments("Order of the cells", ORDER_LABELS, "su_order")
        with st.popover("Settings", icon=":material/tune:"):
            scale = segments("Colours go up to (nats)", SCALES, "su_scale", label_visibility="visible")
            head = st.selectbox("Estimator", VARIANTS, key="su_head", bind="query-params")
            key = ground_truth.settings(board)
        ground_truth.controls(key)
    return Choice(View(view, order, scale), head, key)
