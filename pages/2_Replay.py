"""Page: watch a strategy decode a board, step by step."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import cached_runs, frame, replay, replay_controls

frame.setup("Replay", intro="How a strategy fills a board: which cells it commits together, why, and what that costs.")
file = replay.gallery()
try:
    settings = replay_controls.settings()
    if file is None:
        replay.caption(settings)
        shown = cached_runs.get_replay(settings)
    else:
        st.caption("This is the opened trace, not a run of the controls above; remove the file to come back to them.")
        shown = cached_runs.read_replay(file)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
replay.show(shown)
