"""What surrounds the replay: links to runs worth seeing, and files to take away."""

from functools import partial

import streamlit as st

from mi_core.strategies import STRATEGIES
from mi_core.sudoku.presets import PRESETS
from pages.ui.cached_runs import Replay, RunSettings
from pages.ui.components.replay import CSS, JS, replay
from pages.ui.replay_controls import GREEDY, SAMPLED, board_name, uploaded_trace
from pages.ui.replay_payload import standalone_html, steps_csv

SCRIPT = "pages/2_Replay.py"
MARK = "re_link"


def _link(board: str, strategy: str, tokens: str, **parameters: str) -> dict[str, str]:
    state = {"re_board": PRESETS[board].text, "re_strategy": STRATEGIES[strategy].title, "re_tokens": tokens}
    prefix = f"re_{strategy.replace('-', '_')}_"
    state |= {prefix + name: value for name, value in parameters.items()}
    return state | ({"re_seed": "0", "re_temperature": "1"} if tokens == SAMPLED else {})


GALLERY = [  # label, what to watch, state
    (
        "Two coins that are one",
        "Four cells hold 1 and 9 in one of two ways. A low threshold commits all four at once, each by its own coin: "
        "look at the step where they clash, and at their MI (ln 2 = 0.69 nats).",
        _link("rectangle", "threshold", SAMPLED, tau="0.4"),
    ),
    (
        "MI-guided, same luck",
        "The same board and the same random numbers. MI-guided pays for dependence, so it commits one of the four "
        "cells with the rest of the board, looks again, and the other three follow from it.",
        _link("rectangle", "mi-guided", SAMPLED, gamma="1", lam="2") | {"re_mi": "neural head"},
    ),
    (
        "Eight at a time from nothing",
        "On an empty board no digit is likelier than another, and dependence is all there is. Top-k does not see it: "
        "count the clashes that were committed together.",
        _link("empty", "top-k", SAMPLED, k="8"),
    ),
    (
        "One by one",
        "Sequential decoding commits the most certain cell, then looks again: a pass for every open cell. This is what "
        "parallel decoding has to match.",
        _link("rectangle", "sequential", GREEDY),
    ),
]


def gallery() -> bytes | None:
    """Links to runs worth seeing; a trace file where the reader opens one."""
    # A link to the page that it stands on changes the address only once the server changes the query; this makes it.
    st.query_params.pop(MARK, None)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for label, watch, state in GALLERY:
            target = state | {MARK: "1"}
            st.page_link(SCRIPT, label=label, icon=":material/play_circle:", help=watch, query_params=target)
        return uploaded_trace()


def caption(settings: RunSettings) -> None:
    """What the strategy does, and what to watch where the run is one of the gallery."""
    strategy = STRATEGIES[settings.strategy]
    about = f"**{strategy.title}** ({strategy.source}): {strategy.summary}"
    st.caption(f"**Board:** {board_name(settings.board)}. {about}")
    for _, watch, state in GALLERY:
        if state["re_board"] == settings.board and state["re_strategy"] == strategy.title:
            st.markdown(f":material/visibility: **What to watch:** {watch}")


def show(shown: Replay) -> None:
    """The replay and its downloads."""
    data = {"runs": [shown.run], "step": _asked_step()}
    replay(data, key="re_replay")
    trace = shown.trace
    with st.container(horizontal=True):
        st.download_button("Trace (JSON)", trace.to_json, "trace.json", "application/json", on_click="ignore")
        st.download_button("Steps (CSV)", partial(steps_csv, trace), "steps.csv", "text/csv", on_click="ignore")
        page = partial(standalone_html, data, JS, CSS)
        st.download_button("Replay (HTML)", page, "replay.html", "text/html", on_click="ignore")


def _asked_step() -> int | None:
    text = st.query_params.get("re_step", "")
    return int(text) if text.isdecimal() and len(text) < 4 else None
