"""What was measured on the Protein page: cost, precision against contacts, the strongest pairs, downloads."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from mi_core.protein_view import residue_name
from pages.ui import payload, protein_payload
from pages.ui.protein_payload import Look, Shown
from pages.ui.widgets import cost, download

BLUE, GREY = "#0072B2", "#8A8F98"


def costs(shown: Shown) -> None:
    """Passes and time of each route."""
    with st.container(horizontal=True):
        for name, result in (("Estimate", shown.estimate), ("Ground truth", shown.truth)):
            if result is not None:
                cost(name, result)


def precision(shown: Shown, look: Look) -> None:
    """Precision at L/5, L/2 and L with chance beside it, and the curve."""
    st.subheader("Do strong pairs touch?", anchor=False)
    rows = protein_payload.precision_rows(shown, look)
    if not rows:
        what = "a structure" if shown.contacts is None else "a map: compute the ground truth"
        st.caption(f"Precision against real contacts needs {what}.")
        return
    size = protein_payload.counted(shown)
    st.caption(
        f"Share of the strongest pairs that are contacts, L = {size} masked residues that the structure shows; pairs "
        "at least 6 apart in sequence. Chance: what a random choice reaches."
    )
    number = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        rows,
        hide_index=True,
        column_config=dict.fromkeys(("L/5", "L/2", "L", "Chance"), number),
        alt="Precision of the strongest pairs against real contacts by range, with chance",
    )
    _curve(shown, look)


def _curve(shown: Shown, look: Look) -> None:
    found = protein_payload.curve(shown, look)
    if found is None:
        st.caption("No pair of this range is masked.")
        return
    values, chance, marks = found
    count = list(range(1, len(values) + 1))
    figure = go.Figure(
        [
            go.Scatter(x=count, y=values, name="strongest pairs", line={"color": BLUE, "width": 2.5}),
            go.Scatter(
                x=[1, len(values)], y=[chance] * 2, name="chance", mode="lines", line={"color": GREY, "dash": "dash"}
            ),
        ]
    )
    for label, k in marks.items():
        if k <= len(values):
            figure.add_vline(x=k, line={"color": GREY, "width": 1, "dash": "dot"}, annotation_text=label)
    figure.update_layout(
        height=270,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        xaxis_title="strongest pairs counted",
        yaxis={"title": "precision", "range": [0, 1.05]},
        legend={"orientation": "h", "y": 1.16, "x": 1, "xanchor": "right"},
    )
    options: dict[str, Any] = {"displaylogo": False, "toImageButtonOptions": {"format": "svg", "scale": 2}}
    st.plotly_chart(figure, key="pr_curve", config=options, alt="Precision against the number of pairs, with chance")


def pairs(shown: Shown, look: Look, pins: tuple[int, ...]) -> None:
    """The table of the strongest pairs; the same numbers as the map."""
    pin = pins[0] if len(pins) == 1 else None
    title = "Strongest pairs" if pin is None else f"Strongest pairs of {residue_name(shown.protein, pin)}"
    st.subheader(title, anchor=False)
    rows = protein_payload.pair_rows(shown, look, 25, pin=pin)
    if not rows:
        st.caption("No masked pairs, or nothing computed yet.")
        return
    st.dataframe(
        rows,
        hide_index=True,
        column_order=[name for name, value in rows[0].items() if value is not None],
        height=388,
        column_config={
            "MI": st.column_config.NumberColumn("MI, APC" if look.corrected else "MI", format="%.4f", help="nats"),
            "Distance": st.column_config.NumberColumn("Å", format="%.1f"),
        },
        alt="Strongest pairs of residues with mutual information in nats, distance and whether they touch",
    )


def downloads(shown: Shown, look: Look, model: str) -> None:
    """Files of what is shown; pictures are saved beside the map and the structure."""
    ranking = shown.ranking
    if ranking is None:
        return
    with st.container(horizontal=True):
        download("Pairs (CSV)", "protein-pairs.csv", lambda: protein_payload.pairs_csv(shown, look))
        download("MI (NPZ)", "protein-mi.npz", lambda: payload.npz(ranking))
        download("Top pairs (JSON)", "protein-top-pairs.json", lambda: protein_payload.pairs_json(shown, look, model))
