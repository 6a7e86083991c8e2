"""What was measured on the Sudoku page: cost of both routes, their agreement, the strongest pairs, downloads."""

import streamlit as st

from mi_core.agreement import certified_width, compare, precision_at_peers
from mi_core.results import MIResult
from pages.ui import payload
from pages.ui.widgets import cost, download


def costs(estimate: MIResult | None, truth: MIResult | None) -> None:
    """Passes and time of each route, and how well they agree."""
    st.subheader("What it cost", anchor=False)
    with st.container(horizontal=True):
        if estimate is not None:
            cost("Estimate", estimate)
        if truth is not None:
            cost("Ground truth", truth)
        if estimate is not None and truth is not None:
            st.metric("Estimate is faster by", f"{truth.seconds / max(estimate.seconds, 1e-6):,.0f} times", border=True)
    if truth is None:
        st.caption("Compute the ground truth to see its cost, its errors and how well the estimate agrees with it.")
        return
    _agreement(estimate, truth)


def _agreement(estimate: MIResult | None, truth: MIResult) -> None:
    st.subheader("How far to trust it", anchor=False)
    with st.container(horizontal=True):
        if estimate is not None:
            score = compare(estimate, truth)
            _number("Pearson", score.pearson, "Linear correlation of estimate and truth over the open pairs.")
            _number("R²", score.r2, "Share of the truth's variation explained; below 0 is worse than the mean.")
            _number("Spearman", score.spearman, "Correlation of the ranks.")
            _number("RMSE, nats", score.rmse, "Root mean square error over the open pairs.", digits=4)
    with st.container(horizontal=True):
        _number(
            "Peers on top",
            precision_at_peers(truth),
            "K open pairs share a row, column or box. Of the K strongest pairs by the truth, the share that are these: "
            "1 on the empty board, less where the givens make others depend on each other.",
        )
        _number(
            "Gap, nats", truth.mean_gap, "Mean KL of the mixed answers to the model's own belief: its inconsistency.", 4
        )
        _number(
            "Negative",
            truth.negative_share,
            "Share of entries whose entropy difference is below 0.",
            percent=True,
        )
        _number(
            "Width, nats",
            certified_width(truth),
            "Certified: no pair moves by more than this through the cut to the probed mass.",
            4,
        )


def _number(label: str, value: float, explained: str, digits: int = 3, *, percent: bool = False) -> None:
    undefined = value != value  # NaN
    text = "n/a" if undefined else f"{100 * value:.1f} %" if percent else f"{value:.{digits}f}"
    st.metric(label, text, help=explained, border=True)


def pairs(estimate: MIResult | None, truth: MIResult | None, pin_name: str | None, pin: int | None) -> None:
    """The table of the strongest pairs; the same numbers as the map."""
    st.subheader(f"Strongest pairs of {pin_name}" if pin_name else "Strongest pairs", anchor=False)
    rows = payload.pair_rows(estimate, truth, pin=pin)
    if not rows:
        st.caption("No open pairs, or nothing computed yet.")
        return
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        rows,
        hide_index=True,
        column_order=[name for name, value in rows[0].items() if value is not None],
        height=388,
        column_config={"Estimate": number, "Truth": number},
        alt="Strongest pairs of cells with estimated and true mutual information in nats",
    )


def downloads(board: str, estimate: MIResult | None, truth: MIResult | None) -> None:
    """Files of what is shown; the picture is saved beside the map."""
    with st.container(horizontal=True):
        download("Pairs (CSV)", "mi-pairs.csv", lambda: payload.pairs_csv(estimate, truth))
        if estimate is not None:
            download("Estimate (NPZ)", "mi-estimate.npz", lambda: payload.npz(estimate))
        if truth is not None:
            download("Truth (NPZ)", "mi-truth.npz", lambda: payload.npz(truth))
        download("Board (81 characters)", "board.txt", board + "\n")
