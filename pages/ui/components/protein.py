"""The bench of the Protein page: strip, map, structure and beliefs, linked in the browser; and the viewer's script."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.components import viewer_script
from pages.ui.components.assets import PAIRS, read

_MOUNT = st.components.v2.component(
    "mi_protein",
    html='<div class="frame"><div class="bench"></div></div>\n',
    css=read("basics.css", "map.css", "molecule.css", "protein.css"),
    js=read(*PAIRS, "protein_strip.js", "protein_map.js", "protein_molecule.js", "protein.js"),
)


def protein_bench(data: dict[str, Any], *, key: str, on_mask: Callable[[], None], on_pin: Callable[[], None]) -> None:
    """Draw it. In a callback, `st.session_state[key]` holds what came: `mask` or `pin`."""
    script = viewer_script.deliver(f"{key}_script")
    _MOUNT(data={**data, "script": script}, key=key, on_mask_change=on_mask, on_pin_change=on_pin)
