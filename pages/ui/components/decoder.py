"""The board on which a person plays the decoder: choosing in the browser, costs and commits from the server."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.components.assets import BASICS, read

_MOUNT = st.components.v2.component(
    "sudoku_decoder",
    html='<div class="frame"><div class="decoder"></div></div>\n',
    css=read("basics.css", "board.css", "decoder.css"),
    js=read(*BASICS, "board.js", "decoder.js"),
)


def decoder(
    data: dict[str, Any],
    *,
    key: str,
    on_pick: Callable[[], None],
    on_commit: Callable[[], None],
    on_ask: Callable[[], None],
    on_undo: Callable[[], None],
) -> None:
    """Draw it. In a callback, `st.session_state[key]` holds what came: `pick`, `commit`, `ask` or `undo`."""
    _MOUNT(
        data=data,
        key=key,
        on_pick_change=on_pick,
        on_commit_change=on_commit,
        on_ask_change=on_ask,
        on_undo_change=on_undo,
    )
