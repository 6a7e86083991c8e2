"""The benchmark page: stored results as curves and tables."""

import plotly.graph_objects as go
import streamlit as st

from mi_core.benchmarks.standings import DIVERGENCE, Standing, Standings, read_standings
from pages.ui import figures, frame
from pages.ui.figures import COLOURS, MARKS, styled
from pages.ui.widgets import download

RESULTS = frame.ROOT / "assets" / "results"
PROTEINS = "Proteins from nothing"
REGIMES = {  # title: record, measure, what it shows
    "One solution": (
        "sudoku_decoding.json",
        "solved",
        "Puzzles with 50 to 59 blanks and one solution; likeliest digits. An uncertain cell is a likely error here.",
    ),
    "One solution, every strategy": (
        "sudoku_sweep.json",
        "solved",
        "The first of the same puzzles, every strategy: fewer puzzles, wider intervals.",
    ),
    "Several solutions": (
        "sudoku_several.json",
        "valid",
        "Boards with 2 to 1,000 solutions; sampled digits. Any valid grid counts.",
    ),
    "Empty board": (
        "sudoku_generate.json",
        "valid",
        "No givens; sampled digits. Every cell is uncertain, and only dependence can go wrong.",
    ),
    PROTEINS: (
        "protein_generation.json",
        DIVERGENCE,
        "Kunitz domains designed from nothing by the linear model of the family; sampled letters, exact MI. How far "
        "the pairs of letters are from those of natural sequences: less is better.",
    ),
}
WORDS = {
    "solved": "Solved exactly, %",
    "valid": "Valid grids, %",
    DIVERGENCE: "Divergence of pairs, nats",
}
_PAPER_SUDOKU = """
| strategy | passes | solved |
|:--|--:|--:|
| sequential | 53.9 | 61.6 % |
| top-k, k = 4 | 14.9 | 52.4 % |
| top-k, k = 7 | 9.0 | 36.8 % |
| EB-Sampler, 0.2 | 15.3 | 61.0 % |
| EB-Sampler, 0.5 | 9.9 | 51.2 % |
| MI-guided, 0.3 | 15.2 | 63.6 % |
| MI-guided, 0.6 | 9.7 | 56.2 % |
"""
_PAPER_PROTEINS = """
| strategy | passes | divergence |
|:--|--:|--:|
| sequential | 74.8 | 0.093 |
| top-k, k = 4 | 19.1 | 0.185 |
| top-k, k = 8 | 9.8 | 0.196 |
| MI-guided, (2, 1) | 15.3 | 0.136 |
| MI-guided, (4, 1) | 10.0 | 0.174 |
"""
PAPER = {
    "solved": (
        _PAPER_SUDOKU,
        "1,000 unseen hard puzzles, a model of 4.16M parameters. Other puzzles and another model than here",
    ),
    DIVERGENCE: (
        _PAPER_PROTEINS,
        "ESM-C 300M, 500 samples of 50 to 100 residues, divergence from UniRef50. There it is a language model of all "
        "proteins with an estimated MI, here a linear model of one family with its exact MI, and another reference",
    ),
}
"""The paper's two tables, and how each differs from ours."""


@st.cache_data(show_spinner=False)
def load(file: str, measure: str, changed: float) -> Standings:
    """A stored record; `changed` is its time stamp, so that a new one is read."""
    del changed
    return read_standings(RESULTS / file, measure)


def choose() -> tuple[str, Standings] | None:
    """The regime chosen and its results; None where no record ships."""
    there = {title: spec for title, spec in REGIMES.items() if (RESULTS / spec[0]).is_file()}
    if not there:
        return None
    regime = st.segmented_control(
        "Boards", list(there), default=next(iter(there)), key="be_boards", bind="query-params", required=True
    )
    file, measure, explained = there[regime or next(iter(there))]
    st.caption(explained)
    return regime or next(iter(there)), load(file, measure, (RESULTS / file).stat().st_mtime)


def chart(standings: Standings) -> None:
    """Quality against passes, a curve a strategy; what no setting beats is joined by a grey line."""
    word = WORDS[standings.measure]
    what = f"{word.partition(',')[0]} against forward passes for {len(standings.curves)} strategies"
    said = f"{what}; the same numbers as the table."
    figures.show(figure(standings, word, figures.text_colour()), "be_chart", said)


def figure(standings: Standings, word: str, ink: str) -> go.Figure:
    """The chart. Marks and colours both tell strategies apart; error bars are 95 % intervals."""
    drawn = go.Figure()
    front, unit = standings.front, scale(standings)
    drawn.add_scatter(
        x=[p.nfe for p in front],
        y=[unit * p.share for p in front],
        mode="lines",
        name="best for its passes",
        line={"color": figures.GREY, "width": 9, "shape": "hv"},
        hoverinfo="skip",
    )
    for k, curve in enumerate(standings.curves):
        colour = COLOURS[k % len(COLOURS)]
        drawn.add_scatter(
            x=[p.nfe for p in curve],
            y=[unit * p.share for p in curve],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [unit * (p.share_ci[1] - p.share) for p in curve],
                "arrayminus": [unit * (p.share - p.share_ci[0]) for p in curve],
                "thickness": 1,
                "width": 2,
            },
            mode="lines+markers",
            name=curve[0].title,
            line={"color": colour, "width": 1.5, "dash": ("solid", "dot")[k // len(COLOURS) % 2]},
            marker={
                "symbol": MARKS[k % len(MARKS)],
                "size": [12 if p.best else 8 for p in curve],
                "color": colour,
                "line": {"width": [2 if p.best else 0 for p in curve], "color": ink},
            },
            text=[p.knobs or "no knob" for p in curve],
            hovertemplate="%{text}<br>%{x:.1f} passes, %{y:.4~g}<extra>" + curve[0].title + "</extra>",
        )
    styled(drawn, height=520, ink=ink, size=14)
    drawn.update_layout(
        margin={"l": 58, "r": 8, "t": 12, "b": 8, "autoexpand": True},
        legend={"orientation": "h", "y": -0.19, "yanchor": "top", "x": 0},
    )
    passes = [1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 80, 150, 300, 600]
    drawn.update_xaxes(title="forward passes a run (logarithmic)", type="log", tickvals=passes)
    drawn.update_yaxes(title=word)
    return drawn


def scale(standings: Standings) -> int:
    """Shares are shown in per cent, a divergence in nats."""
    return 1 if standings.measure == DIVERGENCE else 100


def table(standings: Standings) -> None:
    """Every setting, and the files."""
    rows = [_table_row(p, standings) for p in standings.points]
    number = st.column_config.NumberColumn
    st.dataframe(
        rows,
        hide_index=True,
        height=390,
        column_config={
            "Passes": number(format="%.1f"),
            "%": number(format="%.1f"),
            "Divergence": number(format="%.4f"),
        },
        alt="Every strategy and setting with passes and share",
    )
    with st.container(horizontal=True):
        download("Curves (CSV)", "curves.csv", standings.to_csv, key="be_csv")
    st.caption(f"{standings.date}, {standings.machine}. To compute it again:")
    st.code(standings.command, language="bash", wrap_lines=True)


def _table_row(p: Standing, standings: Standings) -> dict[str, object]:
    low, high = p.share_ci
    share = {"%": 100 * p.share, "95 %": f"{100 * low:.1f} to {100 * high:.1f}"}
    return {
        "Strategy": p.title,
        "Setting": p.knobs,
        "Passes": p.nfe,
        **({"Divergence": p.share} if standings.measure == DIVERGENCE else share),
        "Runs": p.n,
        "Best for its passes": p.best,
    }


def failures(standings: Standings) -> None:
    """Where they are: each strategy at its best setting, by what a puzzle needs or by its blanks."""
    if not any(p.by_technique for p in standings.points):
        return
    st.subheader("Where it fails", anchor=False)
    ways = ("By technique needed", "By blanks")
    way = st.segmented_control("Puzzles", ways, default=ways[0], key="be_split", bind="query-params", required=True)
    rows = []
    for curve in standings.curves:
        best = max(curve, key=lambda p: (p.share, -p.nfe))
        parts = best.by_blanks if way == ways[1] else best.by_technique
        if parts:
            shares = {f"{name} ({count})": 100 * solved / count for name, solved, count in parts}
            rows.append({"Strategy": best.title, "Setting": best.knobs, "Passes": best.nfe} | shares)
    number = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(
        rows, hide_index=True, column_config={name: number for name in rows[0] if name not in ("Strategy", "Setting")}
    )
    st.caption("Per cent solved, each strategy at its best setting; in brackets the number of puzzles.")


def paper(measure: str) -> None:
    """The paper's own table for this measure; nothing where it has none."""
    if measure not in PAPER:
        return
    numbers, differs = PAPER[measure]
    st.subheader("What the paper reports", anchor=False)
    st.markdown(numbers)
    st.caption(f"arXiv 2605.20187: {differs}, so compare the shapes of the curves, not the numbers.")
