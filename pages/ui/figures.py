"""How every chart looks. Explicit everywhere: Streamlit's own theme would repaint the colours."""

import plotly.graph_objects as go
import streamlit as st

GREY = "rgba(128, 128, 128, 0.28)"
HEIGHT = 360
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D3B", "#7A7A7A")  # Okabe-Ito
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")
CONFIG = {"displaylogo": False, "displayModeBar": "hover", "toImageButtonOptions": {"format": "svg"}}
CONFIG |= {"modeBarButtonsToRemove": ["zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]}


def text_colour() -> str:
    """Ink that is readable on the page's own background."""
    kind = st.context.theme.type
    return {"dark": "#FAFAFA", "light": "#31333F"}.get(kind or "", "#808495")


def styled(figure: go.Figure, *, height: int, title: str = "", ink: str = "", size: int = 13) -> go.Figure:
    """The figure with the page's font and ink, without a ground of its own."""
    if title:
        figure.update_layout(
            title={"text": title, "font": {"size": 15}, "x": 0, "xref": "paper", "y": 0.98, "yanchor": "top"}
        )
    figure.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink or text_colour(), "size": size, "family": "Source Sans, Source Sans Pro, sans-serif"},
    )
    figure.update_xaxes(gridcolor=GREY, zeroline=False)
    figure.update_yaxes(gridcolor=GREY, zeroline=False)
    return figure


def blank(title: str) -> go.Figure:
    """An empty figure with its title on the left and the legend below."""
    figure = styled(go.Figure(), height=HEIGHT, title=title)
    figure.update_layout(
        margin={"l": 58, "r": 8, "t": 40, "b": 8},
        legend={"orientation": "h", "y": -0.34, "yanchor": "top", "x": 0},  # below the title of the axis
    )
    return figure.update_xaxes(automargin=True)


def show(figure: go.Figure, key: str, alt: str) -> None:
    """Draw it. alt: what it says, for those who cannot see it."""
    st.plotly_chart(figure, key=key, theme=None, width="stretch", config=CONFIG, alt=alt)
