"""The bench of the tuning page: board or sequence, map of the change of MI and structure, linked in the browser."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.components import viewer_script
from pages.ui.components.assets import PAIRS, read

_MOUNT = st.components.v2.component(
    "mi_change",
    html='<div class="frame"><div class="change"></div></div>\n',
    css=read("basics.css", "map.css", "board.css", "molecule.css", "protein.css", "change.css"),
    js=read(*PAIRS, "board.js", "heatmap.js", "protein_map.js", "protein_molecule.js", "residues.js", "change.js"),
)


def change_bench(data: dict[str, Any], *, key: str, on_pin: Callable[[], None]) -> None:
    """Draw it. In a callback, `st.session_state[key]` holds what came: `pin`."""
    script = viewer_script.deliver(f"{key}_script") if data["structure"] else False
    _MOUNT(data={**data, "script": script}, key=key, on_pin_change=on_pin)
