"""Page: the reader chooses what each step commits, and stands beside the strategies in the end."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import decoder, frame

frame.setup(
    "Be the decoder",
    intro="Fill the board in as few passes as you can. Cells that you commit **together** are drawn each by its own "
    "belief: choose sure ones, or uncertain ones that know nothing of each other.",
)
try:
    settings = decoder.settings()
    game = decoder.current(settings)
    decoder.board(game)
    if game.finished:
        decoder.finale(game, settings)
except MiCoreError as error:
    st.error(str(error))
