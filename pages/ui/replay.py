"""What surrounds the replay: links to runs worth seeing, and files to take away."""

from functools import partial

import streamlit as st

from mi_core.strategies import STRATEGIES
from mi_core.sudoku.presets import PRESETS
from pages.ui.cached_runs import Replay, RunSettings
from pages.ui.components.replay import CSS, JS, replay
from pages.ui.replay_controls import GREEDY, NOTHING, SAMPLED, board_name, uploaded_trace
from pages.ui.replay_payload import SYNC, one_run, standalone_html, steps_csv, two_runs
from pages.ui.widgets import download

SCRIPT = "pages/2_Replay.py"
MARK = "re_link"


def _link(board: str, strategy: str, tokens: str, **parameters: str) -> dict[str, str]:
    state = {"re_board": PRESETS[board].text, "re_tokens": tokens, "re2_strategy": NOTHING}
    state |= _run("re", strategy, **parameters)
    return state | ({"re_seed": "0", "re_temperature": "1"} if tokens == SAMPLED else {})


def _run(which: str, strategy: str, **parameters: str) -> dict[str, str]:
    prefix = f"{which}_{strategy.replace('-', '_')}_"
    return {f"{which}_strategy": STRATEGIES[strategy].title} | {prefix + name: v for name, v in parameters.items()}


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
        "Both, side by side",
        "Threshold (A) and MI-guided (B) with equal luck on one timeline. The green mark is where they part: A commits "
        "all four cells of the rectangle together, B one of them.",
        _link("rectangle", "threshold", SAMPLED, tau="0.4")
        | _run("re2", "mi-guided", gamma="1", lam="2")
        | {"re2_mi": "neural head"},
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


def caption(settings: RunSettings, other: RunSettings | None) -> None:
    """What the strategies do, and what to watch where the run is one of the gallery."""
    st.caption(f"**Board:** {board_name(settings.start)}. {rules([settings, other])}")
    title, beside = STRATEGIES[settings.strategy].title, NOTHING if other is None else STRATEGIES[other.strategy].title
    for _, watch, state in GALLERY:
        if (state["re_board"], state["re_strategy"], state["re2_strategy"]) == (settings.start, title, beside):
            st.markdown(f":material/visibility: **What to watch:** {watch}")


def rules(runs: list[RunSettings | None]) -> str:
    """What the strategies of the runs do (Markdown)."""
    found = [STRATEGIES[name] for name in dict.fromkeys(run.strategy for run in runs if run is not None)]
    return " ".join(f"**{rule.title}** ({rule.source}): {rule.summary}" for rule in found)


def show(shown: Replay, other: Replay | None = None, *, key: str = "re_replay", prefix: str = "re") -> None:
    """The replay of one run, or of two on one timeline, and the downloads. prefix: of what stands in the address."""
    at = {"step": _asked_step(prefix), "prefix": prefix}
    if other is None:
        data = one_run(shown.run, **at)
    else:
        asked = st.query_params.get(f"{prefix}_sync", "")
        sync = asked if asked in SYNC else SYNC[0]
        data = two_runs((shown.trace, other.trace), (shown.run, other.run), sync=sync, **at)
    replay(data, key=key)
    with st.container(horizontal=True):
        for side, run in enumerate([shown] if other is None else [shown, other]):
            mark, end = ("", "") if other is None else (f" {'AB'[side]}", f"-{'ab'[side]}")
            json, steps = run.trace.to_json, partial(steps_csv, run.trace, run.run)
            download(f"Trace{mark} (JSON)", f"trace{end}.json", json)
            download(f"Steps{mark} (CSV)", f"steps{end}.csv", steps)
        page = partial(standalone_html, data, JS, CSS)
        download("Replay (HTML)", "replay.html", page)


def _asked_step(prefix: str) -> int | None:
    text = st.query_params.get(f"{prefix}_step", "")
    return int(text) if text.isdecimal() and len(text) < 4 else None
