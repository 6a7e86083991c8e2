"""Home: what pairwise MI is, on a few bits whose every answer is known. Run with `streamlit run app.py`."""

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.teaching import lesson
from pages.ui import frame, home

frame.setup("What marginals hide", intro=home.INTRO)
example, strength = home.controls()
try:
    shown = lesson(example, strength)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
home.show(shown)
home.ways_on(shown)
