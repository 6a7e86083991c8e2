"""Page: what each strategy reaches for its passes, from stored results."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import benchmark, frame, live_bench

frame.setup("Benchmark", intro="How good is a strategy for the passes it takes? One model, the same boards for all.")
try:
    chosen = benchmark.choose()
except MiCoreError as error:
    st.error(str(error))
    st.stop()
if chosen is None:
    st.info("There are no stored results in assets/results; `python -m mi_core bench sudoku --record FILE` makes them.")
    st.stop()
regime, standings = chosen
benchmark.chart(standings)
left, right = st.columns([3, 2], gap="large")
with left:
    benchmark.table(standings)
with right:
    benchmark.paper(standings.measure)
if standings.measure == "solved":
    benchmark.failures(standings)
if regime != benchmark.PROTEINS:
    live_bench.section(regime, standings.measure)
