"""The states on which an estimator is farthest off: both matrices in full, with the board or the sequence."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from mi_core.estimators.study import same_scale, worst_pair
from mi_core.results import MIResult
from mi_core.sudoku.board import CELLS, cell_name, format_grid
from pages.ui import estimator_figures, estimator_run, figures
from pages.ui.estimator_run import Case, Pair
from pages.ui.figures import blank

PICKED, PRESSED = "es_picked", "es_pressed"
LINE = 60  # residues of a line of sequence


def show(study: dict[str, Any], row: dict[str, Any]) -> None:
    """A button a state, and the one that was pressed."""
    st.markdown("**Where it is farthest off.** Press one to compute both matrices in full.")
    with st.container(horizontal=True, gap="xsmall"):
        for worst in row["worst"]:
            case = Case(study["model"], study["states"][worst["state"]], row["label"])
            what = f"error {worst['off']:.3g}" if row["in_nats"] else f"Spearman {1 - worst['off']:.2f}"
            st.button(
                f"State {worst['state'] + 1} · {worst['open']} open · {what}",
                key=f"es_worst_{worst['state']}",
                on_click=_take,
                args=(case,),
            )
    case: Case | None = st.session_state.get(PICKED)
    if case is None or case.label != row["label"] or case.state not in study["states"]:
        return
    estimator_run.controls(case, "Compute both", at_once=st.session_state.pop(PRESSED, False))
    found = estimator_run.get_kept().get(case)
    if isinstance(found, Pair):
        _pictures(found, estimator_figures.name_of(row), case.state)


def _take(case: Case) -> None:
    st.session_state[PICKED], st.session_state[PRESSED] = case, True


def _pictures(found: Pair, name: str, state: str) -> None:
    estimate, truth = found.estimate, found.truth
    i, j = worst_pair(estimate, truth)
    names = _names(truth)
    guess = same_scale(estimate, truth)
    note = "" if estimate.form != "score" else ", stretched to the truth's largest value"
    st.caption(
        f"Farthest off: {names[i]} and {names[j]}, truth {float(truth.mi[i, j]):.4f} nats, "
        f"{name} {float(estimate.mi[i, j]):.4f}{note}."
    )
    high = max(float(truth.mi.max()), 1e-3)
    matrices = {"Truth": truth.mi, name: guess, "Estimate less truth": guess - truth.mi}
    for column, (title, matrix) in zip(st.columns(3), matrices.items(), strict=True):
        with column:
            signed = title == "Estimate less truth"
            figures.show(
                _map(matrix, truth, names, title, high, signed), f"es_map_{signed}_{title}", f"{title}, MI of pairs."
            )
    st.code(_written(truth, state), language=None)


def _names(result: MIResult) -> list[str]:
    if len(result.tokens) == CELLS and result.model == "sudoku":
        return [cell_name(k) for k in range(CELLS)]
    return [str(k + 1) for k in range(len(result.tokens))]


def _map(matrix: Tensor, truth: MIResult, names: list[str], title: str, high: float, signed: bool) -> go.Figure:
    at = truth.masked.nonzero()[:, 0].tolist()
    mine = [names[k] for k in at]
    figure = blank(title)
    figure.add_heatmap(
        x=mine,
        y=mine,
        z=matrix[at][:, at].tolist(),
        zmin=-high if signed else 0,
        zmax=high,
        colorscale="RdBu_r" if signed else "Viridis",
        colorbar={"thickness": 10, "len": 0.8},
        hovertemplate="%{x} · %{y}<br>%{z:.4f} nats<extra></extra>",
    )
    figure.update_xaxes(type="category", showgrid=False, constrain="domain", tickfont={"size": 9})
    figure.update_yaxes(
        type="category",
        showgrid=False,
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
        tickfont={"size": 9},
        automargin=True,
    )
    figure.update_layout(height=380, margin={"l": 8, "r": 4, "t": 40, "b": 8}, font={"color": figures.text_colour()})
    return figure


def _written(truth: MIResult, state: str) -> str:
    """The board as a grid, or the sequence in numbered lines."""
    if len(truth.tokens) == CELLS and truth.model == "sudoku":
        return format_grid(truth.tokens)
    return "\n".join(f"{k + 1:4} {state[k : k + LINE]}" for k in range(0, len(state), LINE))
