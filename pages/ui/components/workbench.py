"""The workbench: the board and the map of all pairs, linked in the browser."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.components.assets import PAIRS, read

_MOUNT = st.components.v2.component(
    "mi_workbench",
    html='<div class="frame"><div class="workbench"></div></div>\n',
    css=read("basics.css", "map.css", "board.css", "workbench.css"),
    js=read(*PAIRS, "board.js", "heatmap.js", "workbench.js"),
)


def workbench(
    data: dict[str, Any],
    *,
    key: str,
    on_edit: Callable[[], None],
    on_pin: Callable[[], None],
    on_digit: Callable[[], None],
    on_undo: Callable[[], None],
) -> None:
    """Draw it. In a callback, `st.session_state[key]` holds what came: `edit`, `pin`, `digit` or `undo`."""
    _MOUNT(
        data=data,
        key=key,
        on_edit_change=on_edit,
        on_pin_change=on_pin,
        on_digit_change=on_digit,
        on_undo_change=on_undo,
    )
