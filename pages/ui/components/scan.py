"""The mutation scan of the Likelihood page: sequence, heatmap of all single mutants, structure."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.components import viewer_script
from pages.ui.components.assets import BASICS, read

_MOUNT = st.components.v2.component(
    "mi_scan",
    html='<div class="frame"><div class="scan"></div></div>\n',
    css=read("basics.css", "molecule.css", "protein.css", "scan.css"),
    js=read(*BASICS, "protein_molecule.js", "residues.js", "scan.js"),
)


def scan_bench(data: dict[str, Any], *, key: str, on_pin: Callable[[], None]) -> None:
    """Draw it. In a callback, `st.session_state[key]` holds what came: `pin`."""
    script = viewer_script.deliver(f"{key}_script") if data["structure"] else False
    _MOUNT(data={**data, "script": script}, key=key, on_pin_change=on_pin)
