"""The look that figures of several pages share."""

import plotly.graph_objects as go
import streamlit as st

from pages.ui import home

HEIGHT = 360
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D3B", "#7A7A7A")  # Okabe-Ito
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")


def chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a figure across its column; `alt` says it in words."""
    st.plotly_chart(figure, key=key, theme=None, width="stretch", config=home.CONFIG, alt=alt)


def blank(title: str) -> go.Figure:
    """An empty figure with the page's ink, its title on the left and the legend below."""
    figure = go.Figure()
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xref": "paper", "y": 0.98, "yanchor": "top"},
        height=HEIGHT,
        margin={"l": 58, "r": 8, "t": 40, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": home.text_colour(), "size": 13, "family": "Source Sans, Source Sans Pro, sans-serif"},
        legend={"orientation": "h", "y": -0.24, "yanchor": "top", "x": 0},
    )
    figure.update_xaxes(gridcolor=home.GREY, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=home.GREY, zeroline=False)
    return figure
