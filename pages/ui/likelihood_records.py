"""What was measured beforehand of the estimators, from the stored records: shown without a run."""

from typing import Any

import streamlit as st

from mi_core.benchmarks.report import LIKELIHOODS, read_record
from mi_core.catalog import ASSETS
from mi_core.errors import MiCoreError
from pages.ui import likelihood

TITLES = {"toy": "Toy table", "sudoku": "Sudoku", "kunitz": "Protein, ESM-C"}


@st.cache_data(show_spinner=False)
def _records() -> dict[str, dict[str, Any]]:
    found = {}
    for name in LIKELIHOODS:
        try:
            found[name] = read_record(ASSETS / "results" / f"likelihood_{name}.json")
        except MiCoreError:
            continue
    return found


def show() -> None:
    """Variance per pass of every method on three models, and what sharing masks saves."""
    records = _records()
    if not records:
        return
    st.subheader("Measured beforehand", anchor=False)
    st.caption(
        "Variance of an estimate of -log p times the passes it took, nats²: what a budget of one pass would leave. "
        "Which way is best depends on the model and the sequence; the figures hold for these."
    )
    for column, (name, record) in zip(st.columns(len(records), gap="medium"), records.items(), strict=True):
        with column:
            result = record["result"]
            values = {entry["method"]: entry["variance_per_pass"] for entry in result["methods"]}
            title = f"{TITLES[name]}, {result['targets']} tokens"
            likelihood.variance_bars(
                values, title, f"li_record_{name}", f"{title}: variance of one pass by method.", height=270
            )
    _coupling(records)
    with st.expander("How these were made"):
        for record in records.values():
            st.code(record["command"], language=None, wrap_lines=True)
            st.caption(f"{record['date']}, {record['machine']}")


def _coupling(records: dict[str, dict[str, Any]]) -> None:
    rows = [
        {
            "Model": TITLES[name],
            "Log-ratio of": row["kind"],
            "Method": row["method"],
            "Own masks": row["decoupled"],
            "Shared masks": row["coupled"],
            "Times less": row["gain"],
        }
        for name, record in records.items()
        for row in record["result"]["coupling"]
    ]
    st.caption(
        "Variance of one pass of a log-ratio, nats², when each side draws its own masks and when both share them:"
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        rows,
        hide_index=True,
        key="li_coupling",
        column_config={
            "Own masks": number(format="%.3g"),
            "Shared masks": number(format="%.3g"),
            "Times less": number(format="%.1f"),
        },
        alt="Variance of log-ratios with own and with shared masks",
    )
