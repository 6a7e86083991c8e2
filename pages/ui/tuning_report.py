"""What the tuning page shows around its bench: headline, the update in words, tables, files."""

import json

import streamlit as st

from mi_core.benchmarks.diagonal_tuning import precision_of_new_pairs
from mi_core.catalog import TUNED
from mi_core.likelihood.ratios import Ratio
from pages.ui import tuning_payload
from pages.ui.tuning_payload import LAYERS, Shown

NOTHING = 1e-9  # below this it is rounding


def headline(shown: Shown) -> None:
    """Reward, margin, how far beliefs moved, what the update says."""
    report = shown.report
    columns = st.columns(4)
    columns[0].metric(
        "Reward, nats",
        _signed(report.reward),
        help=f"log p(tuned) - log p(reference) of the sequence, 95 % interval; {report.reward.method}, the same masks "
        "for both models.",
    )
    columns[1].metric(
        "Margin over the other, nats",
        "-" if report.margin is None else _signed(report.margin),
        help="Reward of this sequence less that of the one compared with: DPO's implicit preference margin (beta 1).",
    )
    columns[2].metric(
        "KL of a position, nats",
        f"{float(report.tokens.kl.mean()):.4f}",
        help="KL(tuned || reference) of what the models believe of an open position, mean over the open ones.",
    )
    columns[3].metric(
        "Entropy of q over mutants",
        f"{report.mutants.entropy:.3f}",
        help=f"H(q) / ln of the {report.mutants.size} sequences that differ from this one in at most one position: 1 "
        f"where the update prefers none. KL over the same sequences: {report.mutants.kl:.4f} nats.",
    )
    _identity(shown)


def _identity(shown: Shown) -> None:
    report = shown.report
    largest = float(report.change.difference.abs().max())
    if report.models[0] == report.models[1]:
        st.caption(
            f"A model against itself: reward {report.reward.log_ratio:.3f}, least entropy of q "
            f"{float(report.tokens.entropy.min()):.3f}, largest change of MI {largest:.3f} nats. Nothing changed."
        )
        return
    real = int((report.change.real & report.change.tuned.pairs).sum())
    text = (
        f"{real} of {int(report.change.tuned.pairs.sum())} open pairs moved by more than both models' noise floors; "
        f"the largest change of MI is {largest:.3f} nats."
    )
    if report.models[0] == TUNED:
        precision, count = precision_of_new_pairs(report.change)
        if count:
            text += (
                f" Of the {count} pairs whose MI rose most, {precision:.0%} are pairs of one main diagonal that no "
                "rule of ordinary Sudoku ties."
            )
    st.caption(text)


def _signed(ratio: Ratio) -> str:
    if ratio.standard_error is None:
        return f"{ratio.log_ratio:+.2f}"
    half = 1.96 * ratio.standard_error
    return f"{0.0 if abs(ratio.log_ratio) < NOTHING else ratio.log_ratio:+.2f} ± {0.0 if half < NOTHING else half:.2f}"


def layer(is_board: bool) -> str:
    """What the positions are painted with."""
    options = list(LAYERS) if is_board else [name for name in LAYERS if name != "q"]
    chosen = st.segmented_control(
        "Paint the positions by",
        options,
        format_func=LAYERS.__getitem__,
        default="reward",
        key=f"wt_layer_{'board' if is_board else 'protein'}",
        bind="query-params",
        required=True,
    )
    return chosen or "reward"


def tables(shown: Shown, pin: int | None) -> None:
    """The pairs that moved most, and the mutants that the update favours."""
    number = st.column_config.NumberColumn
    left, right = st.columns([3, 2], gap="large")
    with left:
        of = "" if pin is None else f" of {shown.name(pin)}"
        st.subheader(f"Largest changes of MI{of}", anchor=False)
        st.dataframe(
            tuning_payload.pair_rows(shown, pin=pin),
            hide_index=True,
            key="wt_pairs",
            column_config={
                name: number(format="%+.4f" if name == "Change" else "%.4f")
                for name in ("Change", "Before", "After", "Noise floors")
            },
            alt="The pairs whose MI moved most, nats",
        )
    with right:
        st.subheader("Mutants that the update favours", anchor=False)
        st.dataframe(
            tuning_payload.mutant_rows(shown),
            hide_index=True,
            key="wt_mutants",
            column_config={"Reward": number(format="%+.3f"), "q": number(format="%.4f")},
            alt="The single mutants with the largest reward, nats, relative to the sequence itself",
        )
    dropped = float(shown.report.tokens.dropped.max())
    st.caption(
        "q is what the update alone says: tuned = reference q, up to a constant. How likely a token is, it does not "
        "know; KL does. "
        f"Tokens that both models give less than 0.001 are left out of q (at most {dropped:.3f} of a position's mass)."
    )


def downloads(shown: Shown) -> None:
    """The numbers as files."""
    report, options = shown.report, {"on_click": "ignore", "icon": ":material/download:"}
    with st.container(horizontal=True):
        st.download_button("Pairs (CSV)", report.pairs_csv, file_name="mi-change.csv", key="wt_csv", **options)
        st.download_button(
            "Positions (CSV)",
            lambda: report.positions_csv(shown.symbols),
            file_name="positions.csv",
            key="wt_positions",
            **options,
        )
        st.download_button(
            "All (JSON)",
            lambda: json.dumps(report.to_json(shown.symbols)),
            file_name="tuning.json",
            key="wt_json",
            **options,
        )
