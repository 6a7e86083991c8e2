"""Every call that is kept between reruns; the only file with `st.cache_*`.

What a `cache_resource` function returns is shared by all sessions: read it, never change it.
"""

import streamlit as st

from mi_core.catalog import load_head, load_model
from mi_core.head import MIHead
from mi_core.models.protocol import Model


@st.cache_resource(show_spinner="Loading the model")
def get_model(name: str = "sudoku") -> Model:
    """The masked diffusion model."""
    return load_model(name)


@st.cache_resource(show_spinner="Loading the MI head")
def get_head(variant: str = "marginals", model: str = "sudoku") -> MIHead:
    """The neural estimator; `variant` is "marginals" or "paper"."""
    return load_head(model, variant)
