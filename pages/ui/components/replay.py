"""The replay component: every frame in the browser, no trip to the server while stepping."""

from typing import Any

import streamlit as st

from pages.ui.components import viewer_script
from pages.ui.components.assets import BASICS, read

JS = read(
    *BASICS, "svg.js", "protein_molecule.js", "replay_frame.js", "replay_board.js", "replay_protein.js",
    "replay_card.js", "replay.js",
)  # fmt: skip
CSS = read("molecule.css", "replay.css")

_component = st.components.v2.component("mi_replay", html='<div class="rp"></div>', css=CSS, js=JS)


def replay(payload: dict[str, Any], *, key: str) -> None:
    """Show the runs of `pages.ui.replay_payload`."""
    script = None
    if any(run["structure"] for run in payload["runs"]):
        script = viewer_script.deliver(f"{key}_script")
    _component(data={**payload, "script": script}, key=key)
