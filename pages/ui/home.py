"""What the home page is made of: texts, controls, the two figures, the table, the ways on."""

import plotly.graph_objects as go
import streamlit as st

from mi_core.teaching import EXAMPLES, Lesson
from pages.ui import figures, frame
from pages.ui.figures import GREY, styled, text_colour
from pages.ui.widgets import download

INTRO = (
    "A masked diffusion model says what each open position may be, but not which positions **belong together**; two "
    "that do contradict each other when drawn in the same step. **Pairwise mutual information** (MI) measures that "
    "tie: 0 nats for none, ln 2 ≈ 0.693 for a copied bit."
)
WAYS_ON = {
    "pages/1_Sudoku.py": "**Sudoku**: beliefs and MI of a real board",
    "pages/2_Replay.py": "**Replay**: watch boards being decoded",
    "pages/3_Benchmark.py": "**Benchmark**: quality against passes",
    "pages/4_Be_the_decoder.py": "**Be the decoder**: choose the cells yourself",
    "pages/5_Proteins.py": "**Proteins**: MI as contacts on a structure",
}
OPENED_AT = {"pages/5_Proteins.py": {"pr_preset": "bpti", "pr_mask": "all", "pr_scale": "0.01", "pr_k": "30"}}

MI_LIMIT = 0.6931471805599453  # ln 2, the most that two bits can share: the colours mean the same at every strength
COLOURS = ("#0072B2", "#D55E00", "#E69F00")  # Okabe-Ito: one by one, all at once, MI-guided
PATTERNS = ("", "/", ".")
MARGIN = {"l": 4, "r": 4, "t": 36, "b": 4}


def controls() -> tuple[str, float]:
    """Example and strength, both kept in the URL."""
    st.session_state.setdefault("ho_example", "pairs")
    st.session_state.setdefault("ho_strength", 0.8)
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="top")
    example = left.segmented_control(
        "Example",
        list(EXAMPLES),
        key="ho_example",
        format_func=lambda key: EXAMPLES[key].title,
        bind="query-params",
        required=True,
        help="After a choice, the arrow keys stay with this control.",
    )
    strength = right.slider("Strength of the coupling", 0.0, 1.0, step=0.05, key="ho_strength", bind="query-params")
    return example or "pairs", strength


def show(lesson: Lesson) -> None:
    """The whole example: story, figures, what each way of decoding costs."""
    st.markdown(f"{lesson.story} **{lesson.verdict}**")
    left, right = st.columns([2, 3], gap="medium")
    with left:
        figures.show(mi_figure(lesson, text_colour()), "ho_mi", _mi_in_words(lesson))
    with right:
        said = f"Probability of each of the {len(lesson.outcomes)} outcomes under three ways of decoding."
        figures.show(outcome_figure(lesson, text_colour()), "ho_outcomes", said)
    left, right = st.columns([4, 5], gap="medium")
    left.markdown(cost_table(lesson))
    right.caption(legend(lesson))


def ways_on(lesson: Lesson) -> None:
    """Links into the other pages, and the numbers of the example as a file."""
    there = [(script, words) for script, words in WAYS_ON.items() if (frame.ROOT / script).is_file()]
    with st.container(horizontal=True, vertical_alignment="center"):
        for script, label in there:
            address = OPENED_AT.get(script)
            st.page_link(script, label=label, icon=":material/arrow_forward:", width="content", query_params=address)
        download("Outcomes (CSV)", "outcomes.csv", lesson.to_csv, key="ho_csv")


def mi_figure(lesson: Lesson, colour: str) -> go.Figure:
    """Split heatmap: above the diagonal the exact MI, below it the probed one."""
    names = list(lesson.variables)
    count = len(names)
    cells = [[_cell(lesson, i, j) for j in range(count)] for i in range(count)]
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            zmin=0,
            zmax=MI_LIMIT,
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            customdata=[[_hover(lesson, i, j) for j in range(count)] for i in range(count)],
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=False,
            colorbar={
                "title": {"text": "nats", "side": "right"},
                "thickness": 12,
                "len": 1,
                "tickvals": [0, 0.2, 0.4, 0.6],
            },
        )
    )
    for i in range(count):
        figure.add_shape(type="rect", x0=i - 0.48, x1=i + 0.48, y0=i - 0.48, y1=i + 0.48, fillcolor=GREY, line_width=0)
        figure.add_annotation(x=i, y=i, text=f"<b>{names[i]}</b>", showarrow=False, font={"size": 18, "color": colour})
        for j in range(count):
            if (value := cells[i][j]) is not None:
                ink = "#111111" if value > 0.45 * MI_LIMIT else "#FFFFFF"
                figure.add_annotation(x=j, y=i, text=f"{value:.3f}", showarrow=False, font={"size": 14, "color": ink})
    styled(figure, height=290, title="Pairwise MI: exact above, probed below", ink=colour)
    figure.update_layout(margin=MARGIN)
    figure.update_xaxes(visible=False, fixedrange=True, range=[-0.5, count - 0.5])
    figure.update_yaxes(visible=False, fixedrange=True, range=[count - 0.5, -0.5])
    return figure


def outcome_figure(lesson: Lesson, colour: str) -> go.Figure:
    """Grouped bars: what each way of decoding draws."""
    figure = go.Figure()
    for decoding, fill, pattern in zip(lesson.decodings, COLOURS, PATTERNS, strict=True):
        figure.add_bar(
            x=list(lesson.outcomes),
            y=list(decoding.probs),
            name=decoding.name,
            marker={
                "color": fill,
                "line_width": 0,
                "pattern": {"shape": pattern, "bgcolor": fill, "fgcolor": "#FFFFFF", "size": 5, "solidity": 0.25},
            },
            hovertemplate="%{x}: %{y:.4f}<extra>" + decoding.name + "</extra>",
        )
    styled(figure, height=290, title=f"How often each outcome {''.join(lesson.variables)} is drawn", ink=colour)
    figure.update_layout(margin=MARGIN)
    figure.update_layout(
        bargap=0.25,
        bargroupgap=0.05,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.16, "yanchor": "top"},
    )
    figure.update_xaxes(type="category", fixedrange=True, tickfont={"family": "monospace"})
    figure.update_layout(margin_l=44)
    figure.update_yaxes(fixedrange=True, zeroline=True, zerolinecolor=GREY, rangemode="tozero", tickformat=".0%")
    return figure


def cost_table(lesson: Lesson) -> str:
    """Markdown table: what each way of decoding costs and loses. A column each, so that it fits a phone."""
    ways = lesson.decodings
    rows = [
        ["", *(f"{way.name}" for way in ways)],
        [":--", *("--:" for _ in ways)],
        ["Forward passes", *(str(way.passes) for way in ways)],
        ["KL lost, nats", *(f"{abs(round(way.lost, 3)):.3f}" for way in ways)],
        ["Misplaced draws", *(f"{way.misplaced:.1%}" for way in ways)],
        ["Impossible draws", *(f"{way.impossible:.1%}" for way in ways)],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def legend(lesson: Lesson) -> str:
    """What the columns and rows of the table mean, and how good probing was."""
    ways = "  \n".join(f"**{way.name}**: {way.rule}" for way in lesson.decodings)
    error = "below 1e-12" if lesson.largest_error < 1e-12 else f"{lesson.largest_error:.0e}"
    return (
        f"{ways}  \n**misplaced**: share of draws that belong on other outcomes (total variation)  \n"
        f"**probing** took {lesson.probing_passes} passes; largest error against the exact MI {error} nats"
    )


def _cell(lesson: Lesson, i: int, j: int) -> float | None:
    if i == j:
        return None
    return abs(round(lesson.exact_mi[i][j] if i < j else lesson.probed_mi[i][j], 6))


def _hover(lesson: Lesson, i: int, j: int) -> str:
    exact, probed = lesson.exact_mi[i][j], lesson.probed_mi[i][j]
    return f"{lesson.variables[i]} and {lesson.variables[j]}<br>exact {exact:.6f}<br>probed {probed:.6f} nats"


def _mi_in_words(lesson: Lesson) -> str:
    pairs = [
        f"{a} and {b} {lesson.exact_mi[i][i + 1 + k]:.3f}"
        for i, a in enumerate(lesson.variables)
        for k, b in enumerate(lesson.variables[i + 1 :])
    ]
    return "Exact MI in nats: " + ", ".join(pairs) + "; the probed values agree."
