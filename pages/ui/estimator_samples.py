"""MI from two columns of samples: a file, an example whose MI is known, or draws of two positions of the model."""

import streamlit as st

from mi_core.catalog import sample_estimates
from mi_core.errors import MiCoreError
from mi_core.estimators.pair import probed_joint
from mi_core.samples import (
    MAX_FILE,
    MAX_ROWS,
    SampleMI,
    Samples,
    gaussian_samples,
    noisy_copy,
    read_samples,
    table_samples,
)
from mi_core.sudoku.board import VOCAB, cell_name, parse
from mi_core.sudoku.presets import PRESETS
from pages.ui import cached, figures
from pages.ui.figures import COLOURS, blank

MEGABYTES = MAX_FILE // 2**20
FILE, NUMBERS, SYMBOLS, CELLS = "CSV file", "Two correlated numbers", "A noisy copy", "Two cells of a board"
SIZES = (20, 50, 100, 200, 500, 1000, 2000, 5000)
START_BOARD = "rectangle"
Known = tuple[Samples, float | None]


def show() -> None:
    """The controls, the estimates beside the truth where it is known, and when to believe which."""
    st.markdown(
        "Without a model there are only samples, and the question changes: what do **n pairs of values** say about the "
        "MI of where they came from? Few samples feign dependence; the estimators differ in how they answer that."
    )
    kind = st.segmented_control(
        "Samples from",
        [SYMBOLS, NUMBERS, CELLS, FILE],
        default=SYMBOLS,
        key="es_from",
        bind="query-params",
        required=True,
        wrap=True,
    )
    makers = {FILE: _file, NUMBERS: _numbers, SYMBOLS: _symbols, CELLS: _cells}
    try:
        found = makers[kind or SYMBOLS]()
        estimates = None if found is None else _estimates(found[0])
    except MiCoreError as error:
        st.error(str(error))
        return
    if found is None or estimates is None:
        return
    _answer(found, estimates)


@st.cache_data(
    max_entries=64, show_spinner=False, hash_funcs={Samples: lambda s: (s.first.tobytes(), s.second.tobytes())}
)
def _estimates(samples: Samples) -> list[SampleMI]:
    return sample_estimates(samples)


def _file() -> Known | None:
    file = st.file_uploader(
        f"Two columns, numbers or words, up to {MEGABYTES} MB and {MAX_ROWS:,} rows",
        ["csv", "tsv", "txt"],
        key="es_file",
        max_upload_size=MEGABYTES,
    )
    if file is None:
        st.caption("Comma, semicolon or tab between the columns; names in the first row are optional. Nothing is kept.")
        return None
    return read_samples(file.getvalue()), None


def _size() -> tuple[int, int]:
    n = st.select_slider("Samples", SIZES, 200, key="es_n", bind="query-params", width=260)
    seed = st.number_input("Seed", 0, 999_999, 0, 1, key="es_seed", bind="query-params", width=110)
    return int(n), int(seed)


def _numbers() -> Known:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        r = st.slider("Correlation", -0.99, 0.99, 0.6, 0.01, key="es_r", bind="query-params", width=260)
        n, seed = _size()
    return gaussian_samples(n, correlation=r, seed=seed)


def _symbols() -> Known:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        k = st.slider("Symbols", 2, 20, 8, 1, key="es_k", bind="query-params", width=200)
        kept = st.slider("Share copied", 0.0, 1.0, 0.3, 0.05, key="es_copied", bind="query-params", width=200)
        n, seed = _size()
    return table_samples(noisy_copy(k, kept), n, seed=seed)


def _cells() -> Known | None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        board = st.text_input(
            "Board, 81 characters", PRESETS[START_BOARD].text, key="es_cells_board", bind="query-params", width=420
        )
        tokens = parse(board)
        names = [cell_name(int(k)) for k in (tokens == VOCAB.mask_id).nonzero()[:, 0]]
        if len(names) < 2:
            st.warning("Two open cells are needed.")
            return None
        pair = cached.get_estimate(board, "marginals").top_pairs(1)[0]
        first = st.selectbox("Cell", names, names.index(cell_name(pair[0])), key="es_first", width=110)
        second = st.selectbox("and cell", names, names.index(cell_name(pair[1])), key="es_second", width=110)
        n, seed = _size()
    cells = [int(name[1]) * 9 + int(name[3]) - 10 for name in (first, second)]
    joint = probed_joint(cached.get_model(), tokens, *cells)
    return table_samples(joint.numpy(), n, seed=seed)


def _answer(found: Known, estimates: list[SampleMI]) -> None:
    samples, truth = found
    with st.container(horizontal=True):
        st.metric("Pairs of values", f"{len(samples.first):,}", border=True)
        st.metric("True MI, nats", "not known" if truth is None else f"{truth:.4f}", border=True)
        for e in estimates:
            st.metric(e.name, f"{e.value:.4f}", help=e.note, border=True)
    figure = blank("Estimates with the 90 % interval of their sampling noise, nats")
    for k, e in enumerate(estimates):
        figure.add_scatter(
            x=[e.value],
            y=[e.name],
            error_x={"type": "data", "symmetric": False, "array": [e.high - e.value], "arrayminus": [e.value - e.low]},
            mode="markers",
            marker={"size": 13, "color": COLOURS[k]},
            showlegend=False,
            hovertemplate=f"%{{x:.4f}} nats, 90 % {e.low:.4f} to {e.high:.4f}<extra>{e.name}</extra>",
        )
    if truth is not None:
        figure.add_vline(
            x=truth,
            line={"color": figures.text_colour(), "dash": "dash", "width": 2},
            annotation_text="truth",
            annotation_position="top",
        )
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(automargin=True)
    figure.update_layout(height=120 + 55 * len(estimates), margin={"l": 8, "t": 48})
    words = ", ".join(f"{e.name} {e.value:.4f}" for e in estimates)
    figures.show(figure, "es_samples", f"Estimates in nats: {words}.")
    for e in estimates:
        st.caption(f"**{e.name}**. {e.note}")
    st.caption("The interval is that of the draw alone: it does not cover an estimator's bias.")
