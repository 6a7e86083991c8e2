"""The mutation scan of the Likelihood page: all single mutants of a protein, on the sequence and the structure."""

from typing import Any

import streamlit as st

from mi_core.likelihood.estimates import finite
from mi_core.likelihood.scan import MutationScan
from mi_core.protein_view import Protein
from pages.ui.address import keep, recall
from pages.ui.components.scan import scan_bench
from pages.ui.protein_payload import structure

KEY = "li_scan"
LEAST = 1.0  # nats; the colours go at least so far


def payload(protein: Protein, scan: MutationScan, *, pin: int | None, seen: int) -> dict[str, Any]:
    """What the bench draws, as plain JSON values."""
    size = len(protein)
    scores: list[list[float | None] | None] = [None] * size
    mean: list[float | None] = [None] * size
    columns = (scan.target, scan.scores.tolist(), scan.tolerance.tolist())
    for i, row, average in zip(*columns, strict=True):
        scores[i] = [None if finite(value) is None else round(value, 4) for value in row]
        mean[i] = None if finite(average) is None else round(average, 4)
    values = [abs(value) for row in scores if row for value in row if value is not None]
    return {
        "seen": seen,
        "key": f"{protein.letters}|{protein.structure_key}",
        "letters": protein.letters,
        "labels": list(protein.labels),
        "symbols": "".join(scan.symbols),
        "scores": scores,
        "mean": mean,
        "high": max([LEAST, *values]),
        "pin": pin,
        "structure": structure(protein),
    }


def show(protein: Protein, scan: MutationScan) -> None:
    """Heatmap, sequence and structure, and the file."""
    st.subheader("Every single mutant", anchor=False)
    text = recall("li_pin")
    pin = int(text) if text.isdecimal() and int(text) < len(protein) else None
    scan_bench(payload(protein, scan, pin=pin, seen=int(st.session_state.get("li_seen", 0))), key=KEY, on_pin=_pinned)
    st.caption(
        f"log p(mutant) - log p(sequence), nats, from one pass a position ({scan.passes} passes): the residue is "
        "hidden, the rest shown. Exact as far as the model's conditionals agree with each other."
    )
    st.download_button(
        "Mutants (CSV)",
        scan.to_csv,
        file_name="mutants.csv",
        key="li_mutants",
        on_click="ignore",
        icon=":material/download:",
    )


def _pinned() -> None:
    """The bench pinned a residue, or let it go."""
    event = st.session_state[KEY].pin or {}
    st.session_state["li_seen"] = max(int(st.session_state.get("li_seen", 0)), int(event.get("stamp", 0)))
    value = event.get("value")
    keep("li_pin", str(value) if isinstance(value, int) and value >= 0 else "")
