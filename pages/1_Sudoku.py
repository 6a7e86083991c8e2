"""Page: what the model believes of a board, and how strongly any two open cells depend on each other."""

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.sudoku.board import cell_name
from pages.ui import cached, frame, payload, probe_controls, sudoku_board, sudoku_report, sudoku_view
from pages.ui.components.workbench import workbench

frame.setup(
    "Sudoku",
    intro="How much does knowing one open cell tell about another? **Mutual information** (MI) says it in nats: "
    "0 if nothing, ln 2 = 0.69 if the two share one fair coin.",
)

board = sudoku_board.choose()
choice = sudoku_view.controls(board)
pin = sudoku_board.pinned(board)
truth = probe_controls.current(choice.truth)
estimate = None
try:
    beliefs = cached.get_beliefs(board)
    conditionals = None if pin is None else cached.get_conditionals(board, pin)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
try:
    estimate = cached.get_estimate(board, choice.head)
except MiCoreError as error:
    st.info(str(error))

workbench(
    payload.workbench(
        board,
        beliefs,
        estimate=estimate,
        truth=truth,
        view=choice.view,
        pin=pin,
        digit=sudoku_board.digit(),
        conditionals=conditionals,
        seen=sudoku_board.seen(),
    ),
    key=sudoku_board.KEY,
    on_edit=sudoku_board.edited,
    on_pin=sudoku_board.pinned_by_click,
    on_digit=sudoku_board.tried,
    on_undo=sudoku_board.undone,
)
st.caption(
    "Hatched lines are given cells. With one solution and a perfect model nothing depends on anything and the map is "
    "0: what you see is what the model still leaves open. *What if* shows the raw material of the ground truth: MI is "
    "the mean, over the digits tried and weighted by their chance, of how far the other cell's beliefs move."
)

left, right = st.columns([3, 2], gap="large")
with left:
    sudoku_report.costs(estimate, truth)
with right:
    sudoku_report.pairs(estimate, truth, None if pin is None else cell_name(pin), pin)
sudoku_report.downloads(board, estimate, truth)
