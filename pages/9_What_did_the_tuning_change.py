"""Page: what an update of a model changed, in rewards, beliefs and dependences."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import frame, tuning, tuning_payload, tuning_report
from pages.ui.components.change import change_bench

frame.setup(
    "What did the tuning change?",
    intro="A model and what it was tuned from: how much more it likes a sequence (the **reward**, by position), what "
    "the update alone says of every token (**q**, [arXiv 2505.23761](https://arxiv.org/abs/2505.23761)), and which "
    "dependences it learned (the change of the MI map).",
)

try:
    asked = tuning.choose()
    report = tuning.current(asked)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
tuning.explain(asked)
tuning.controls(asked)
if report is None:
    st.stop()
shown = tuning_payload.Shown(
    report, tuning.models_of(asked)[0].vocab.symbols, None if asked.is_board else tuning.protein_of(asked)
)
tuning_report.headline(shown)
layer, pin = tuning_report.layer(asked.is_board), tuning.pin(asked)
change_bench(
    tuning_payload.bench(shown, layer, pin=pin, seen=tuning.seen()), key=tuning.BENCH, on_pin=tuning.pinned_on_bench
)
tuning_report.tables(shown, pin)
tuning_report.downloads(shown)
