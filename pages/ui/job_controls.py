"""The button that starts long work, and its progress with Cancel while it runs.

Keys begin with the page's prefix: `su_run`, `su_cancel`, and in the session `su_job` while it runs, `su_last` after it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import streamlit as st

from pages.ui.jobs import Job, Work
from pages.ui.payload import duration

POLL = 0.5  # seconds between two looks at a running job


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Work that a page offers."""

    prefix: str
    subject: Hashable  # what the work depends on; a run for another subject is stopped
    label: str
    icon: str
    prepare: Callable[[], Work]  # the thread has no session: what the cache gives is fetched here
    explained: str | None = None
    is_done: bool = False
    done: str = ""  # label of the button once it is done, none where empty
    unit: str = "passes"
    disabled: bool = False


def controls(offer: Offer) -> None:
    """Draw them."""
    stop_other(offer.prefix, offer.subject)
    running = f"{offer.prefix}_job" in st.session_state
    st.fragment(_controls, run_every=POLL if running else None)(offer)


def stop_other(prefix: str, subject: Hashable) -> None:
    """Stop a run for another subject."""
    job: Job | None = st.session_state.get(f"{prefix}_job")
    if job is not None and job.subject != subject:
        job.stop.set()
        st.session_state.pop(f"{prefix}_job")


def last(prefix: str) -> Job | None:
    """The latest run that came to its end, or failed."""
    job: Job | None = st.session_state.get(f"{prefix}_last")
    return job


def _controls(offer: Offer) -> None:
    job: Job | None = st.session_state.get(f"{offer.prefix}_job")
    if job is not None and not job.running:
        st.session_state[f"{offer.prefix}_last"] = st.session_state.pop(f"{offer.prefix}_job")
        st.rerun()
    if job is not None:
        if _cancelled(job, offer):
            job.cancel()
            st.session_state.pop(f"{offer.prefix}_job", None)
            st.rerun()
    elif not offer.is_done:
        _start(offer)
    elif offer.done:
        st.button(offer.done, disabled=True, key=f"{offer.prefix}_done", icon=":material/check:")


def _start(offer: Offer) -> None:
    before = last(offer.prefix)
    if before is not None and before.error and before.subject == offer.subject:
        st.error(before.error)
    key = f"{offer.prefix}_run"
    look = {"icon": offer.icon, "help": offer.explained, "disabled": offer.disabled}
    if st.button(offer.label, type="primary", key=key, **look):
        begin(offer)
        st.rerun()


def begin(offer: Offer) -> None:
    """Start the work."""
    job = Job(offer.subject)
    job.launch(offer.prepare())
    st.session_state[f"{offer.prefix}_job"] = job


def _cancelled(job: Job, offer: Offer) -> bool:
    """Draw how far it is; whether Cancel was pressed."""
    counted = f"{job.done} of {job.total} {offer.unit}" if job.total else f"first {offer.unit}"
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.progress(job.share, text=f"{counted} · {_ahead(job.seconds_left)}", width=270)
        return st.button("Cancel", key=f"{offer.prefix}_cancel", icon=":material/close:")


def _ahead(seconds: float | None) -> str:
    if seconds is None:
        return "measuring the pace"
    return f"about {duration(seconds) if seconds >= 60 else f'{max(1, round(seconds))} s'} left"
