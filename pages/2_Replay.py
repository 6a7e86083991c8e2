"""Page: watch a strategy decode a board, step by step."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import cached_runs, frame, replay, replay_controls

frame.setup("Replay", intro="How a strategy fills a board: which cells it commits together, why, and what that costs.")
file = replay.gallery()
try:
    settings = replay_controls.settings()
    other = None
    if file is None:
        beside = replay_controls.comparison(settings)
        replay.caption(settings, beside)
        shown = cached_runs.get_replay(settings)
        other = None if beside is None else cached_runs.get_replay(beside)
    else:
        st.caption("This is the opened trace, not a run of the controls above; remove the file to come back to them.")
        shown = cached_runs.read_replay(file)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
replay.show(shown, other)
