"""What is masked and what is pinned on the Protein page: the pattern, and the events of the bench."""

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.protein_view import Protein, find_label, mask_of, read_mask, write_mask
from mi_core.shapes import MaskRow
from pages.ui.address import keep, recall
from pages.ui.protein_models import ALL, HALF
from pages.ui.widgets import event, latest

KEY = "pr_bench"
SEEN = "pr_seen"
PATTERNS = {"Half": HALF, "All": ALL, "None": "none"}


def pattern(protein: Protein, first: str) -> MaskRow:
    """Draw the pattern field and its shortcuts; which residues are masked, (N,): at first, `first`."""
    state = st.session_state
    state.setdefault("pr_mask", st.query_params.get("pr_mask", first))
    text = st.text_input(
        "Masked residues",
        key="pr_mask",
        bind="query-params",
        help="10-30,45 in the numbers of the strip, `all`, `none`, or `ratio:.5` for a random half.",
        width=330,
    )
    for name, value in PATTERNS.items():
        st.button(name, key=f"pr_mask_{name}", on_click=_write, args=(value,))
    try:
        masked = read_mask(text, protein)
    except MiCoreError as error:
        st.session_state["pr_mask_fault"] = str(error)
        return _last_good(protein)
    state["pr_mask_good"] = text
    return masked


def fault() -> None:
    """The message of a pattern that cannot be read, below the row of widgets."""
    if message := st.session_state.pop("pr_mask_fault", ""):
        st.error(message)


def _last_good(protein: Protein) -> MaskRow:
    for text in (st.session_state.get("pr_mask_good", ""), HALF):
        try:
            return read_mask(text, protein)
        except MiCoreError:
            continue
    return read_mask("none", protein)


def pins(protein: Protein) -> tuple[int, ...]:
    """The pinned positions: none, one or two."""
    try:
        found = tuple(find_label(label, protein) for label in recall("pr_pin").split(",") if label)
    except MiCoreError:
        keep("pr_pin", "")
        return ()
    return found[:2]


def seen() -> int:
    """Stamp of the latest event of the bench that was handled."""
    return latest(SEEN)


# Callbacks


def _write(text: str) -> None:
    st.session_state["pr_mask"] = text


def masked_on_bench() -> None:
    """The strip sent which residues are masked, N characters."""
    value, protein = str(_event("mask") or ""), st.session_state["pr_shown"]
    if len(value) == len(protein) and set(value) <= {"0", "1"}:
        _write(write_mask(mask_of(value), protein))


def pinned_on_bench() -> None:
    """The bench pinned a residue, a pair, or nothing."""
    value, labels = _event("pin"), st.session_state["pr_shown"].labels
    good = isinstance(value, list) and all(isinstance(k, int) and 0 <= k < len(labels) for k in value)
    keep("pr_pin", ",".join(labels[k] for k in value[:2]) if good else "")


def _event(name: str) -> object:
    return event(KEY, name, SEEN)
