"""The widgets of a run: they give a frozen `RunSettings`, and their state stands in the address (`re_...`).

What belongs to the second of two runs is called `re2_...`: its strategy, parameters and MI source. Start, symbols and
seed are those of the first. The design page's are called `de_...` and `de2_...`.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from mi_core.strategies import STRATEGIES, Parameter, Strategy
from mi_core.sudoku.board import VOCAB, format_line, parse
from mi_core.sudoku.presets import KINDS, PRESETS, random_preset
from pages.ui.cached_runs import MAX_TRACE_MB, RunSettings

Sources = dict[str, dict[str, str]]  # kind of pair matrix: what the reader may choose, and how the program calls it
MAX_SEED = 999_999
SOURCES: Sources = {
    "mi": {
        "neural head": "head",
        "neural head, upper quantile": "head-upper",
        "probing": "probing",
        "probing, MI + gap": "probing-gap",
    },
    "loss": {"pointwise head": "pointwise-head", "probing, pointwise": "probing-pointwise"},
    "tv": {"pointwise head, variation": "head-tv", "probing, variation": "probing-tv"},
    "attention": {"attention": "attention"},
    "structure": {"rules of the game": "structure"},
}
FREE = ("head", "couplings")  # sources of MI that take no pass of their own
GREEDY, SAMPLED = "likeliest", "sampled"
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
    "re2_strategy": NOTHING,
    "de_strategy": STRATEGIES["top-k"].title,
    "de_top_k_k": 4,
    "de_tokens": GREEDY,
    "de_temperature": 1.0,
    "de_seed": 0,
    "de2_strategy": NOTHING,
    "ga_board": PRESETS["rectangle"].text,
    "ga_tokens": SAMPLED,
    "ga_temperature": 1.0,
    "ga_seed": 0,
}


def settings() -> RunSettings:
    """Draw the row of controls of a board's run and read it.

    Raises:
        InputError: the board's text is no board.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        return run_settings("re", lambda: format_line(parse(board_picker("re"))), SOURCES)


def run_settings(page: str, start: Callable[[], str], sources: Sources) -> RunSettings:
    """Draw a strategy with its parameters, where MI comes from and how symbols are drawn. page: prefix of the keys.

    Args:
        start: gives the sequence with what is open; drawn first.
        sources: where pair matrices can come from; strategies that would need another one are left out.
    """
    begun = start()
    titles = _titles(sources)
    strategy = STRATEGIES[titles[_choice("Strategy", list(titles), f"{page}_strategy", None, width=180)]]
    parameters, source = _knobs(strategy, page, sources)
    temperature, seed = drawing(page)
    return RunSettings(begun, strategy.name, parameters, source, temperature, seed)


def comparison(first: RunSettings, page: str = "re", sources: Sources = SOURCES) -> RunSettings | None:
    """Draw the choice of a second run beside `first`; None without one."""
    help_text = "A second run from the same start with the same luck, on the same timeline."
    run, titles = f"{page}2", _titles(sources)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        title = _choice("Compare with", [NOTHING, *titles], f"{run}_strategy", help_text, width=180)
        if title == NOTHING:
            return None
        strategy = STRATEGIES[titles[title]]
        parameters, source = _knobs(strategy, run, sources)
    return replace(first, strategy=strategy.name, parameters=parameters, source=source)


def _titles(sources: Sources) -> dict[str, str]:
    return {rule.title: name for name, rule in STRATEGIES.items() if not rule.pairs or set(rule.pairs) & set(sources)}


def _knobs(strategy: Strategy, run: str, sources: Sources) -> tuple[tuple[tuple[str, float], ...], str]:
    parameters = tuple((p.name, parameter_field(strategy, p, run)) for p in strategy.parameters)
    return parameters, _mi_source(strategy, run, sources)


def _choice(label: str, options: list[str], key: str, help_text: str | None, *, width: int) -> str:
    start = START.get(key, options[0])
    start = start if start in options else options[0]
    if st.session_state.get(key, start) in options:
        st.session_state.setdefault(key, start)
    else:  # chosen among others, which are not offered any more
        st.session_state[key] = start
    chosen = st.selectbox(label, options, None, key=key, bind="query-params", help=help_text, width=width)
    return str(chosen or start)  # it can be cleared


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


def parameter_key(strategy: Strategy, name: str, run: str = "re") -> str:
    """Key and URL name of a parameter's widget; two strategies may give one name different bounds."""
    return f"{run}_{strategy.name.replace('-', '_')}_{name}"


def parameter_field(strategy: Strategy, parameter: Parameter, run: str) -> float:
    """A number field drawn from the registry's declaration. run: prefix of its key."""
    kind, bounds = parameter.kind, parameter.bounds
    step = 1 if kind is int else _press(float(parameter.default), 0.01 if bounds.high <= 1 else 0.1)
    limits = (kind(bounds.low), kind(bounds.high), step)
    help_text = f"{bounds.text} ({bounds.low:g} to {bounds.high:g})"
    return _number(
        parameter.name, limits, parameter_key(strategy, parameter.name, run), help_text, kind(parameter.default)
    )


def _press(default: float, most: float) -> float:
    """What one press adds: the default's own order of magnitude where that is finer."""
    return min(most, 10.0 ** math.floor(math.log10(default))) if default else most


def _mi_source(strategy: Strategy, run: str, sources: Sources) -> str:
    if not strategy.pairs:
        return _shown_source(run, sources)
    options = {title: name for kind in strategy.pairs for title, name in sources.get(kind, {}).items()}
    if len(options) == 1:
        return next(iter(options.values()))
    help_text = "The head costs no extra pass; probing is the ground truth, and each of its passes is counted."
    return options[_choice("MI from", list(options), f"{run}_mi", help_text, width=150)]


def _shown_source(run: str, sources: Sources) -> str:
    """The MI that is recorded beside a strategy which does not look at it."""
    free = next((name for name in sources["mi"].values() if name in FREE), None)
    if free is None:
        options = {NOTHING: "none"} | sources["mi"]
        help_text = "This strategy does not look at MI. Probing shows it all the same, and its passes are counted."
        return options[_choice("MI shown", list(options), f"{run}_shown", help_text, width=150)]
    hide = f"{run.removesuffix('2')}_hide_mi"
    if run.endswith("2"):
        return "none" if st.session_state.get(hide) else free
    help_text = "This strategy does not look at MI. It is shown beside it all the same, at no extra pass."
    return "none" if st.toggle("Hide MI", key=hide, bind="query-params", help=help_text) else free


def drawing(page: str) -> tuple[float, int]:
    """How digits are drawn: temperature (0: the likeliest) and seed (0 where nothing is drawn)."""
    temperature = _temperature(page)
    seed = _number("Seed", (0, MAX_SEED, 1), f"{page}_seed", "Equal seeds meet equal luck, whatever the strategy.")
    return temperature, int(seed) if temperature else 0


def _temperature(page: str) -> float:
    help_text = "The likeliest symbol of each position, or one drawn from the model's beliefs."
    label = "Letters" if page == "de" else "Digits"
    if _choice(label, [GREEDY, SAMPLED], f"{page}_tokens", help_text, width=130) == GREEDY:
        return 0.0
    help_text = "1 draws from the model's own beliefs; lower is greedier."
    return _number("Temperature", (0.05, 3.0, 0.1), f"{page}_temperature", help_text)


def uploaded_trace() -> bytes | None:
    """A trace file to show instead of a run, None without one."""
    with st.popover("Open a trace", icon=":material/folder_open:", help="Show a trace that the command line wrote"):
        file = st.file_uploader("Open a trace", ["json"], max_upload_size=MAX_TRACE_MB, key="re_trace")
    return None if file is None else file.getvalue()
