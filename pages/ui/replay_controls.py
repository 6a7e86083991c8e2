"""The replay page's widgets: they give a frozen `RunSettings`, and their state stands in the address (`re_...`)."""

import streamlit as st

from mi_core.strategies import STRATEGIES, Parameter, Strategy
from mi_core.sudoku.board import VOCAB, format_line, parse
from mi_core.sudoku.presets import KINDS, PRESETS, random_preset
from pages.ui.cached_runs import MAX_TRACE_MB, RunSettings

TITLES = {strategy.title: name for name, strategy in STRATEGIES.items()}
MAX_SEED = 999_999
SOURCES = {  # kind of pair matrix: what the reader may choose, and how the program calls it
    "mi": {"neural head": "head", "probing": "probing", "probing, MI + gap": "probing-gap"},
    "attention": {"attention": "attention"},
    "structure": {"rules of the game": "structure"},
}
GREEDY, SAMPLED = "likeliest", "sampled"
# The run that the page opens with. The widgets themselves have no default: Streamlit leaves a widget's default out of
# the address and passes over it in a link, and then the link would mean something else to each reader.
START: dict[str, str | float] = {
    "re_board": PRESETS["rectangle"].text,
    "re_strategy": STRATEGIES["threshold"].title,
    "re_threshold_tau": 0.4,
    "re_tokens": SAMPLED,
    "re_temperature": 1.0,
    "re_seed": 0,
    "re_mi": "neural head",
}


def settings() -> RunSettings:
    """Draw the row of controls and read it.

    Raises:
        InputError: the board's text is no board.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        board = _board()
        title = _choice("Strategy", list(TITLES), "re_strategy", None, width=180)
        strategy = STRATEGIES[TITLES[title]]
        parameters = tuple((p.name, _parameter(strategy, p)) for p in strategy.parameters)
        source = _mi_source(strategy)
        temperature = _temperature()
        seed = _number("Seed", (0, MAX_SEED, 1), "re_seed", "Equal seeds meet equal luck, whatever the strategy.")
    used_seed = int(seed) if temperature else 0
    return RunSettings(format_line(parse(board)), strategy.name, parameters, source, temperature, used_seed)


def _choice(label: str, options: list[str], key: str, help_text: str | None, *, width: int) -> str:
    st.session_state.setdefault(key, START[key])
    chosen = st.selectbox(label, options, None, key=key, bind="query-params", help=help_text, width=width)
    return str(chosen or START[key])  # it can be cleared


def _number(label: str, bounds: tuple[float, float, float], key: str, help_text: str, start: float = 0) -> float:
    """A number field; bounds: lowest, highest, one press of + or -. An emptied field counts as its start value."""
    low, high, step = bounds
    start = float(START.get(key, start)) if isinstance(step, float) else int(START.get(key, start))
    st.session_state.setdefault(key, start)
    form = None if isinstance(step, int) else "%g"
    value = st.number_input(label, low, high, None, step, form, key=key, bind="query-params", help=help_text, width=95)
    return start if value is None else value


def _board() -> str:
    st.session_state.setdefault("re_board", START["re_board"])
    with st.popover("Board", icon=":material/grid_on:", help="Choose or paste the board to decode"):
        for preset in PRESETS.values():
            st.button(preset.title, key=f"re_use_{preset.name}", on_click=_use, args=(preset.text,), width="stretch")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox("Random board", KINDS, key="re_kind", persist_state="session", width=120)
            seed = st.number_input("Number", 0, MAX_SEED, key="re_kind_seed", persist_state="session", width=120)
            st.button("Take it", on_click=_use_random, args=(kind, int(seed)))
        help_text = "Digits 1-9 and . or 0 where open; spaces and | are passed over."
        st.text_area("Own board, 81 cells", key="re_board", bind="query-params", help=help_text, max_chars=2000)
    return str(st.session_state["re_board"])


def _use(text: str) -> None:
    st.session_state["re_board"] = text


def _use_random(kind: str, seed: int) -> None:
    _use(format_line(random_preset(kind, seed)))


def board_name(board: str) -> str:
    """The preset's title or "own board", and the open cells. board: 81 characters."""
    title = next((preset.title for preset in PRESETS.values() if preset.text == board), "own board")
    return f"{title} ({board.count(VOCAB.mask)} open cells)"


def parameter_key(strategy: Strategy, name: str) -> str:
    """Key and URL name of a parameter's widget; two strategies may give one name different bounds."""
    return f"re_{strategy.name.replace('-', '_')}_{name}"


def _parameter(strategy: Strategy, parameter: Parameter) -> float:
    """A number field drawn from the registry's declaration."""
    kind, bounds = parameter.kind, parameter.bounds
    step = 1 if kind is int else 0.01 if bounds.high <= 1 else 0.1
    limits = (kind(bounds.low), kind(bounds.high), step)
    help_text = f"{bounds.text} ({bounds.low:g} to {bounds.high:g})"
    return _number(parameter.name, limits, parameter_key(strategy, parameter.name), help_text, kind(parameter.default))


def _mi_source(strategy: Strategy) -> str:
    if not strategy.pairs:
        help_text = "This strategy does not look at MI. The head's estimate is shown beside it, at no extra pass."
        hidden = st.toggle("Hide MI", key="re_hide_mi", bind="query-params", help=help_text)
        return "none" if hidden else "head"
    options = {title: name for kind in strategy.pairs for title, name in SOURCES[kind].items()}
    if len(options) == 1:
        return next(iter(options.values()))
    help_text = "The head costs no extra pass; probing is the ground truth, and each of its passes is counted."
    if st.session_state.get("re_mi", START["re_mi"]) not in options:  # of another strategy
        st.session_state["re_mi"] = next(iter(options))
    return options[_choice("MI from", list(options), "re_mi", help_text, width=150)]


def _temperature() -> float:
    help_text = "The likeliest digit of each cell, or one drawn from the model's beliefs."
    if _choice("Digits", [GREEDY, SAMPLED], "re_tokens", help_text, width=130) == GREEDY:
        return 0.0
    help_text = "1 draws from the model's own beliefs; lower is greedier."
    return _number("Temperature", (0.05, 3.0, 0.1), "re_temperature", help_text)


def uploaded_trace() -> bytes | None:
    """A trace file to show instead of a run, None without one."""
    with st.popover("Open a trace", icon=":material/folder_open:", help="Show a trace that the command line wrote"):
        file = st.file_uploader("Open a trace", ["json"], max_upload_size=MAX_TRACE_MB, key="re_trace")
    return None if file is None else file.getvalue()
