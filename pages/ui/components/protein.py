"""The bench of the Protein page: strip, map, structure and beliefs, linked in the browser; and the viewer's script."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.components import viewer_script
from pages.ui.components.assets import read

_MOUNT = st.components.v2.component(
    "mi_protein",
    html='<div class="frame"><div class="bench"></div></div>\n',
    css=read("protein.css"),
    js=read("board.js", "protein_strip.js", "protein_map.js", "protein_molecule.js", "protein.js"),
)
# A component of its own, without data: Streamlit sends a component's script again whenever its data change.
_SCRIPT = viewer_script.loader()
_DELIVER = _SCRIPT and st.components.v2.component("mi_3dmol", html="<span></span>\n", js=_SCRIPT)


def deliver_viewer(key: str) -> bool:
    """Send the 3D viewer's script to the page once; whether there is one."""
    if _DELIVER:
        _DELIVER(key=f"{key}_script", height=1)
    return bool(_DELIVER)


def protein_bench(data: dict[str, Any], *, key: str, on_mask: Callable[[], None], on_pin: Callable[[], None]) -> None:
    """Draw it. In a callback, `st.session_state[key]` holds what came: `mask` or `pin`."""
    _MOUNT(data={**data, "script": deliver_viewer(key)}, key=key, on_mask_change=on_mask, on_pin_change=on_pin)
