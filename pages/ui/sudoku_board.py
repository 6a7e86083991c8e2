"""The board of the Sudoku page: where it comes from, what is wrong with it, undo, and the pinned cell.

The text field `su_board` is the one place of the board: presets, shuffles, edits on the board and undo write into it.
Session keys beside it: `su_shown` the last board that could be read, `su_past` those before, `su_fault` a message.
The pinned cell (`su_pin`, "r4c6") and the digit tried there (`su_digit`) live in the address and the session.
"""

import random

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.sudoku.board import CELLS, cell_name, check_clashes, format_line, parse
from mi_core.sudoku.presets import KINDS, PRESETS, random_preset
from pages.ui.address import keep, recall
from pages.ui.widgets import event, latest

KEY = "su_bench"  # the workbench component
SEEN = "su_seen"
START = PRESETS["rectangle"].text
SHUFFLES = {"easy": "Easy", "hard": "Hard", "several": "Several solutions", "empty": "Empty"}
UNDO_STEPS = 200


def choose() -> str:
    """Draw the pickers and messages; the board to show, 81 characters with '.' for an open cell."""
    state = st.session_state
    # The pickers show what is on the board, so it is read before the text field is drawn.
    given = state.get("su_board") or st.query_params.get("su_board") or state.get("su_shown") or START
    state.setdefault("su_board", given)
    state.setdefault("su_past", [])
    board, fault = _read(given)
    _remember(board)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _pickers(board)
        with st.popover("Paste", icon=":material/content_paste:"):
            text = st.text_input(
                "Board, 81 characters row by row",
                key="su_board",
                bind="query-params",
                help="Digits, and . or 0 for an open cell. A puzzle can also be pasted onto the board itself.",
                width=760,
            )
    if text != given:
        board, fault = _read(text)
        _remember(board)
    for message in (fault, state.pop("su_fault", "")):
        if message:
            st.error(message)
    _explain(board)
    return board


def _pickers(board: str) -> None:
    st.session_state["su_preset"] = next((name for name, p in PRESETS.items() if p.text == board), None)
    st.selectbox(
        "Example",
        list(PRESETS),
        index=None,
        format_func=lambda name: PRESETS[name].title,
        placeholder="Own board",
        key="su_preset",
        on_change=_load_preset,
        label_visibility="collapsed",
        width=290,
    )
    for kind in KINDS:
        icon = ":material/grid_off:" if kind == "empty" else ":material/shuffle:"
        st.button(SHUFFLES[kind], icon=icon, key=f"su_shuffle_{kind}", on_click=_shuffle, args=(kind,))
    st.button("Undo", icon=":material/undo:", key="su_undo", on_click=undo, disabled=not st.session_state["su_past"])


def _read(text: str) -> tuple[str, str]:
    """The board in `text` and no message; the last good one, and what is wrong, if there is none in it."""
    try:
        return format_line(parse(text, check=False)), ""
    except MiCoreError as error:
        return str(st.session_state.get("su_shown", START)), str(error)


def _remember(board: str) -> None:
    before = st.session_state.get("su_shown")
    if before not in (None, board):
        st.session_state["su_past"] = [*st.session_state["su_past"], before][-UNDO_STEPS:]
    st.session_state["su_shown"] = board


def _explain(board: str) -> None:
    try:
        check_clashes(parse(board, check=False))
    except MiCoreError as error:
        st.error(str(error))
    preset = next((p for p in PRESETS.values() if p.text == board), None)
    if preset:
        st.caption(f"**{preset.title}.** {preset.why}")


# Callbacks


def _load_preset() -> None:
    if name := st.session_state["su_preset"]:
        _set(PRESETS[name].text)


def _shuffle(kind: str) -> None:
    try:
        _set(format_line(random_preset(kind, random.randrange(2**31))))
    except MiCoreError as error:
        st.session_state["su_fault"] = str(error)


def _set(text: str) -> None:
    st.session_state["su_board"] = text


def undo() -> None:
    """Go back to the board before."""
    past = st.session_state.get("su_past", [])
    if past:
        st.session_state["su_past"] = past[:-1]
        st.session_state["su_shown"] = past[-1]
        _set(past[-1])


def edited() -> None:
    """The workbench sent a board, or a text that was pasted onto it."""
    text = str(_event("edit") or "")
    try:
        _set(format_line(parse(text, check=False)))
    except MiCoreError:
        _set(" ".join(text.split()))  # `choose` says what is wrong with it


def pinned_by_click() -> None:
    """The workbench pinned a cell, or let it go."""
    cell = _event("pin")
    keep("su_pin", cell_name(cell) if isinstance(cell, int) and 0 <= cell < CELLS else "")
    keep("su_digit", "")


def tried() -> None:
    """The workbench tries a digit in the pinned cell, or none."""
    keep("su_digit", str(_event("digit") or ""))


def undone() -> None:
    """Ctrl+Z on the workbench."""
    _event("undo")
    undo()


def _event(name: str) -> object:
    return event(KEY, name, SEEN)


def seen() -> int:
    """Stamp of the latest event of the workbench that was handled."""
    return latest(SEEN)


# The pinned cell


def pinned(board: str) -> int | None:
    """The pinned cell; None without one, or if it is not open."""
    name = recall("su_pin")
    cell = next((k for k in range(CELLS) if cell_name(k) == name), None)
    if cell is None or board[cell] != ".":
        keep("su_pin", "")
        keep("su_digit", "")
        return None
    return cell


def digit() -> int | None:
    """The digit tried in the pinned cell."""
    value = recall("su_digit")
    return int(value) if value in set("123456789") else None
