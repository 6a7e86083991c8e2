"""Page: watch a strategy decode a board, step by step."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import cached_runs, frame, replay, replay_controls

frame.setup("Replay", intro="How a strategy fills a board: which cells it commits together, why, and what that costs.")
replay.gallery()
try:
    settings = replay_controls.settings()
    with st.expander("Open a trace file"):
        file = replay_controls.uploaded_trace()
    if file is None:
        replay.caption(settings.board, settings.strategy)
    shown = cached_runs.get_replay(settings) if file is None else cached_runs.read_replay(file)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
replay.show(shown)
