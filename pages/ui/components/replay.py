"""The replay component: every frame in the browser, no trip to the server while stepping."""

from typing import Any

import streamlit as st

from pages.ui.components.assets import BASICS, read

JS = read(*BASICS, "board.js", "replay_board.js", "replay_card.js", "replay.js")
CSS = read("replay.css")

_component = st.components.v2.component("sudoku_replay", html='<div class="rp"></div>', css=CSS, js=JS)


def replay(payload: dict[str, Any], *, key: str) -> None:
    """Show the runs of `pages.ui.replay_payload.payload`."""
    _component(data=payload, key=key)
