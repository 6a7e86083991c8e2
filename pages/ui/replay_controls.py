"""The replay page's widgets: they give a frozen `RunSettings`, and their state stands in the address (`re_...`).

What belongs to the second of two runs is called `re2_...`: its strategy, parameters and MI source. Board, digits and
seed are those of the first.
"""

from dataclasses import replace

import streamlit as st

from mi_core.strategies import STRATEGIES, Parameter, Strategy
from mi_core.sudoku.board import VOCAB, format_line, parse
from mi_core.sudoku.presets import KINDS, PRESETS, random_preset
from pages.ui.cached_runs import MAX_TRACE_MB, RunSettings

TITLES = {strategy.title: name for name, strategy in STRATEGIES.items()}
MAX_SEED = 999_999
SOURCES = {  # kind of pair matrix: what the reader may choose, and how the program calls it
    "mi": {
        "neural head": "head",
        "neural head, upper quantile": "head-upper",
        "probing": "probing",
        "probing, MI + gap": "probing-gap",
    },
    "pmi": {"pointwise head": "pointwise-head", "probing, pointwise": "probing-pointwise"},
    "tv": {"probing, variation": "probing-tv"},
    "attention": {"attention": "attention"},
    "structure": {"rules of the game": "structure"},
}
GREEDY, SAMPLED = "likeliest", "sampled"
FIRST, SECOND = "re", "re2"
NOTHING = "nothing"
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
    "re2_strategy": NOTHING,
    "re2_mi": "neural head",
    "ga_board": PRESETS["rectangle"].text,
    "ga_tokens": SAMPLED,
    "ga_temperature": 1.0,
    "ga_seed": 0,
}


def settings() -> RunSettings:
    """Draw the row of controls and read it.

    Raises:
        InputError: the board's text is no board.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        board = board_picker(FIRST)
        title = _choice("Strategy", list(TITLES), "re_strategy", None, width=180)
        strategy = STRATEGIES[TITLES[title]]
        parameters = tuple((p.name, _parameter(strategy, p, FIRST)) for p in strategy.parameters)
        source = _mi_source(strategy, FIRST)
        temperature, seed = drawing(FIRST)
    return RunSettings(format_line(parse(board)), strategy.name, parameters, source, temperature, seed)


def comparison(first: RunSettings) -> RunSettings | None:
    """Draw the choice of a second run beside `first`; None without one."""
    help_text = "A second run of the same board with the same luck, on the same timeline."
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        title = _choice("Compare with", [NOTHING, *TITLES], "re2_strategy", help_text, width=180)
        if title == NOTHING:
            return None
        strategy = STRATEGIES[TITLES[title]]
        parameters = tuple((p.name, _parameter(strategy, p, SECOND)) for p in strategy.parameters)
        source = _mi_source(strategy, SECOND)
    return replace(first, strategy=strategy.name, parameters=parameters, source=source)


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


def board_picker(page: str) -> str:
    """Presets, random and own boards; the text of the one chosen. page: prefix of the keys, "re" or "ga"."""
    key = f"{page}_board"
    st.session_state.setdefault(key, START[key])
    with st.popover("Board", icon=":material/grid_on:", help="Choose or paste the board to decode"):
        for preset in PRESETS.values():
            use = {"on_click": _use, "args": (key, preset.text)}
            st.button(preset.title, key=f"{page}_use_{preset.name}", width="stretch", **use)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox("Random board", KINDS, key=f"{page}_kind", persist_state="session", width=120)
            seed = st.number_input("Number", 0, MAX_SEED, key=f"{page}_kind_seed", persist_state="session", width=120)
            st.button("Take it", key=f"{page}_take", on_click=_use_random, args=(key, kind, int(seed)))
        help_text = "Digits 1-9 and . or 0 where open; spaces and | are passed over."
        st.text_area("Own board, 81 cells", key=key, bind="query-params", help=help_text, max_chars=2000)
    return str(st.session_state[key])


def _use(key: str, text: str) -> None:
    st.session_state[key] = text


def _use_random(key: str, kind: str, seed: int) -> None:
    _use(key, format_line(random_preset(kind, seed)))


def board_name(board: str) -> str:
    """The preset's title or "own board", and the open cells. board: 81 characters."""
    title = next((preset.title for preset in PRESETS.values() if preset.text == board), "own board")
    return f"{title} ({board.count(VOCAB.mask)} open cells)"


def parameter_key(strategy: Strategy, name: str, run: str = FIRST) -> str:
    """Key and URL name of a parameter's widget; two strategies may give one name different bounds."""
    return f"{run}_{strategy.name.replace('-', '_')}_{name}"


def _parameter(strategy: Strategy, parameter: Parameter, run: str) -> float:
    """A number field drawn from the registry's declaration."""
    kind, bounds = parameter.kind, parameter.bounds
    step = 1 if kind is int else 0.01 if bounds.high <= 1 else 0.1
    limits = (kind(bounds.low), kind(bounds.high), step)
    help_text = f"{bounds.text} ({bounds.low:g} to {bounds.high:g})"
    return _number(
        parameter.name, limits, parameter_key(strategy, parameter.name, run), help_text, kind(parameter.default)
    )


def _mi_source(strategy: Strategy, run: str) -> str:
    if not strategy.pairs and run == SECOND:
        return "none" if st.session_state.get("re_hide_mi") else "head"
    if not strategy.pairs:
        help_text = "This strategy does not look at MI. The head's estimate is shown beside it, at no extra pass."
        hidden = st.toggle("Hide MI", key="re_hide_mi", bind="query-params", help=help_text)
        return "none" if hidden else "head"
    options = {title: name for kind in strategy.pairs for title, name in SOURCES[kind].items()}
    if len(options) == 1:
        return next(iter(options.values()))
    help_text = "The head costs no extra pass; probing is the ground truth, and each of its passes is counted."
    key = f"{run}_mi"
    if st.session_state.get(key, START[key]) not in options:  # of another strategy
        st.session_state[key] = next(iter(options))
    return options[_choice("MI from", list(options), key, help_text, width=150)]


def drawing(page: str) -> tuple[float, int]:
    """How digits are drawn: temperature (0: the likeliest) and seed (0 where nothing is drawn)."""
    temperature = _temperature(page)
    seed = _number("Seed", (0, MAX_SEED, 1), f"{page}_seed", "Equal seeds meet equal luck, whatever the strategy.")
    return temperature, int(seed) if temperature else 0


def _temperature(page: str) -> float:
    help_text = "The likeliest digit of each cell, or one drawn from the model's beliefs."
    if _choice("Digits", [GREEDY, SAMPLED], f"{page}_tokens", help_text, width=130) == GREEDY:
        return 0.0
    help_text = "1 draws from the model's own beliefs; lower is greedier."
    return _number("Temperature", (0.05, 3.0, 0.1), f"{page}_temperature", help_text)


def uploaded_trace() -> bytes | None:
    """A trace file to show instead of a run, None without one."""
    with st.popover("Open a trace", icon=":material/folder_open:", help="Show a trace that the command line wrote"):
        file = st.file_uploader("Open a trace", ["json"], max_upload_size=MAX_TRACE_MB, key="re_trace")
    return None if file is None else file.getvalue()
