"""The replay page's widgets: they give a frozen `RunSettings`, and their state stands in the address (`re_...`)."""

import streamlit as st

from mi_core.selection import STRATEGIES, Parameter, Strategy
from mi_core.sudoku.board import OPEN_CHARACTERS, format_line, parse
from mi_core.sudoku.presets import KINDS, PRESETS, random_preset
from pages.ui.cached_runs import MAX_TRACE_MB, RunSettings

TITLES = {strategy.title: name for name, strategy in STRATEGIES.items()}
MAX_SEED = 999_999
MI_HEAD, MI_PROBING = "neural head", "probing"
GREEDY, SAMPLED = "likeliest", "sampled"
START = {  # the run that the page opens with
    "re_board": PRESETS["rectangle"].text,
    "re_strategy": STRATEGIES["threshold"].title,
    "re_threshold_tau": 0.4,
    "re_tokens": SAMPLED,
    "re_seed": 0,
}


def settings() -> RunSettings:
    """Draw the row of controls and read it.

    Raises:
        InputError: the board's text is no board.
    """
    for key, value in START.items():
        st.session_state.setdefault(key, value)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        board = _board()
        title = st.selectbox("Strategy", list(TITLES), key="re_strategy", bind="query-params", width=165)
        strategy = STRATEGIES[TITLES[title]]
        parameters = tuple((p.name, _parameter(strategy, p)) for p in strategy.parameters)
        source = _mi_source(strategy)
        temperature = _temperature()
        seed = _seed() if temperature else 0
    return RunSettings(format_line(parse(board)), strategy.name, parameters, source, temperature, seed)


def _board() -> str:
    text = str(st.session_state["re_board"])
    with st.popover(_board_label(text), icon=":material/grid_on:", help="Choose or paste the board to decode"):
        for preset in PRESETS.values():
            st.button(preset.title, key=f"re_use_{preset.name}", on_click=_use, args=(preset.text,), width="stretch")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox("Random board", KINDS, key="re_kind", persist_state="session", width=120)
            seed = st.number_input("Number", 0, MAX_SEED, key="re_kind_seed", persist_state="session", width=120)
            st.button("Take it", on_click=_use_random, args=(kind, int(seed)))
        help_text = "Digits 1-9 and . or 0 where open; spaces and | are passed over."
        st.text_area("Own board, 81 cells", key="re_board", bind="query-params", help=help_text, max_chars=2000)
    return str(st.session_state["re_board"])


def _board_label(text: str) -> str:
    named = next((preset.title.split(":")[0] for preset in PRESETS.values() if preset.text == text), "Own board")
    return f"{named} ({sum(text.count(sign) for sign in OPEN_CHARACTERS)} open)"


def _use(text: str) -> None:
    st.session_state["re_board"] = text


def _use_random(kind: str, seed: int) -> None:
    _use(format_line(random_preset(kind, seed)))


def parameter_key(strategy: Strategy, name: str) -> str:
    """Key and URL name of a parameter's widget; two strategies may give one name different bounds."""
    return f"re_{strategy.name.replace('-', '_')}_{name}"


def _parameter(strategy: Strategy, parameter: Parameter) -> float:
    """A number field drawn from the registry's declaration."""
    kind, bounds = parameter.kind, parameter.bounds
    key = parameter_key(strategy, parameter.name)
    st.session_state.setdefault(key, kind(parameter.default))
    low, high = kind(bounds.low), kind(bounds.high)
    return st.number_input(
        parameter.name,
        low,
        high,
        step=1 if kind is int else _step(parameter),
        format=None if kind is int else "%g",
        key=key,
        bind="query-params",
        help=f"{bounds.text} ({bounds.low:g} to {bounds.high:g})",
        width=95,
    )


def _step(parameter: Parameter) -> float:
    """One press of + or -: a tenth for wide ranges, a hundredth for shares."""
    return 0.01 if parameter.bounds.high <= 1 else 0.1


def _mi_source(strategy: Strategy) -> str:
    if strategy.needs_mi:
        help_text = "The head costs no extra pass; probing is the ground truth, and each of its passes is counted."
        options = [MI_HEAD, MI_PROBING]
        chosen = st.selectbox("MI from", options, key="re_mi", bind="query-params", help=help_text, width=125)
        return "probing" if chosen == MI_PROBING else "head"
    st.session_state.setdefault("re_show_mi", True)
    help_text = "This strategy does not look at MI. The head's estimate is shown beside it, at no extra pass."
    shown = st.toggle("Show MI", key="re_show_mi", bind="query-params", help=help_text)
    return "head" if shown else "none"


def _temperature() -> float:
    help_text = "The likeliest digit of each cell, or one drawn from the model's beliefs."
    tokens = st.selectbox("Digits", [GREEDY, SAMPLED], key="re_tokens", bind="query-params", help=help_text, width=105)
    if tokens == GREEDY:
        return 0.0
    st.session_state.setdefault("re_temperature", 1.0)
    help_text = "1 draws from the model's own beliefs; lower is greedier."
    return st.number_input(
        "Temperature",
        0.05,
        3.0,
        step=0.1,
        format="%g",
        key="re_temperature",
        bind="query-params",
        help=help_text,
        width=95,
    )


def _seed() -> int:
    help_text = "Equal seeds meet equal luck, whatever the strategy."
    return int(st.number_input("Seed", 0, MAX_SEED, key="re_seed", bind="query-params", help=help_text, width=90))


def uploaded_trace() -> bytes | None:
    """A trace file to show instead of a run, None without one."""
    with st.popover("Open a trace", icon=":material/folder_open:", help="Show a trace that the command line wrote"):
        file = st.file_uploader("Open a trace", ["json"], max_upload_size=MAX_TRACE_MB, key="re_trace")
    return None if file is None else file.getvalue()
