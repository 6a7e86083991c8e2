"""Probing on a page: its settings, and the run in the background."""

from collections.abc import Callable, Sequence

import streamlit as st

from mi_core import probing
from mi_core.models.protocol import Model
from mi_core.results import MIResult
from mi_core.shapes import Row
from pages.ui import cached, job_controls
from pages.ui.cached import PROBED_FORM, ProbeKey
from pages.ui.job_controls import Offer
from pages.ui.jobs import Stopped, Tell, Work


def settings(prefix: str, masses: Sequence[str], start: str, mass_help: str) -> tuple[str, float]:
    """The widgets of form and mass."""
    form = st.selectbox(
        "Form of the ground truth",
        probing.FORMS,
        key=f"{prefix}_form",
        bind="query-params",
        help="averaged: MI of the mean of both probing orders. mixture: each order's own MI, then the mean. "
        "entropy-difference: the paper's; it may come out negative when the model is not consistent.",
    )
    mass = st.selectbox(
        "Mass probed",
        masses,
        index=masses.index(start),
        key=f"{prefix}_mass",
        bind="query-params",
        help=mass_help,
    )
    return form, float(mass)


def current(key: ProbeKey) -> MIResult | None:
    """The result for these settings, if it was computed."""
    return cached.get_truths().get(key)


def controls(
    prefix: str,
    key: ProbeKey,
    tokens: Row,
    load: Callable[[], Model],
    *,
    batch: int,
    explained: str,
    disabled: bool = False,
) -> None:
    """The button, or progress and Cancel while it runs. A run for another state, model or mass is stopped.

    Args:
        tokens: (N,), the mask where open.
        batch: passes between two chances to cancel.
        explained: what it takes, shown on the button.
    """

    def prepare() -> Work:
        model, truths = load(), cached.get_truths()

        def probe(tell: Tell, stopped: Stopped) -> None:
            options = {"form": PROBED_FORM, "mass": key[2], "batch_size": batch}
            truths.put(key, probing.probe(model, tokens, progress=tell, cancel=stopped, **options))

        return probe

    job_controls.controls(
        Offer(
            prefix=prefix,
            subject=subject(key),
            label="Compute ground truth",
            icon=":material/biotech:",
            prepare=prepare,
            explained=explained,
            is_done=current(key) is not None,
            done="Ground truth computed",
            disabled=disabled,
        )
    )


def at_once(key: ProbeKey, tokens: Row, model: Model) -> None:
    """Compute it here and now, where that takes no longer than a click may."""
    if current(key) is None:
        cached.get_truths().put(key, probing.probe(model, tokens, form=PROBED_FORM, mass=key[2]))


def subject(key: ProbeKey) -> tuple[str, float]:
    """What a run depends on; the form is a matter of reading."""
    return key[0], key[2]
