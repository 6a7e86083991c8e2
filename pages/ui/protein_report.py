"""What was measured on the Protein page: cost, precision against contacts, the strongest pairs, downloads."""

import plotly.graph_objects as go
import streamlit as st

from mi_core.benchmarks.coevolution import FamilyScores
from mi_core.protein_view import residue_name
from pages.ui import figures, payload, protein_payload
from pages.ui.figures import styled
from pages.ui.protein_payload import Look, Shown
from pages.ui.widgets import cost, download

BLUE, VERMILLION, MID = "#0072B2", "#D55E00", "#8A8F98"


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
    figure = styled(go.Figure(), height=290)
    lines = [("this map", found.map, BLUE, "solid"), ("direct coupling analysis", found.family, VERMILLION, "dashdot")]
    for name, values, colour, dash in lines:
        if values:
            figure.add_scatter(
                x=list(range(1, len(values) + 1)),
                y=values,
                name=name,
                line={"color": colour, "width": 2.5, "dash": dash},
            )
    last = len(found.map)
    figure.add_scatter(
        x=[1, last],
        y=[found.chance] * 2,
        name="chance",
        mode="lines",
        line={"color": MID, "width": 1.5, "dash": "dash"},
    )
    for label, k in found.marks.items():
        if k <= last:
            figure.add_vline(x=k, line={"color": MID, "width": 1, "dash": "dot"}, annotation_text=label)
    figure.update_layout(
        margin={"l": 58, "r": 8, "t": 36, "b": 48}, legend={"orientation": "h", "y": 1.18, "x": 1, "xanchor": "right"}
    )
    figure.update_xaxes(title="strongest pairs counted")
    figure.update_yaxes(title="precision", range=[0, 1.05])
    figures.show(
        figure, "pr_curve", "Precision against the number of pairs; the table above holds it at L/5, L/2 and L."
    )
    if shown.family is not None:
        st.caption(_family(shown.family))


def _family(family: FamilyScores) -> str:
    return (
        f"Direct coupling analysis: mean-field, average-product corrected, of {family.family}, "
        f"{family.sequences:,} aligned sequences ({family.effective:,.0f} where those alike count once); on the masked "
        "pairs for which the alignment has columns."
    )


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
