"""A measurement that takes a while: started by a button, run in the background with progress and Cancel, kept for all.

What was asked is the key: a run for another question is stopped, and what was measured once is there at once.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

import streamlit as st

from pages.ui.jobs import Job

POLL = 0.5
Report = TypeVar("Report")
Progress = Callable[[int, int], None]
Measure = Callable[[Progress, Callable[[], bool]], Report]  # (progress, cancel) -> what was measured


class Kept(Generic[Report]):
    """The latest reports by what was asked, for all sessions; safe to fill from a thread."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, Report] = OrderedDict()
        self._lock = Lock()

    def get(self, asked: Hashable) -> Report | None:
        """The report, None where it is not there (any more)."""
        with self._lock:
            return self._kept.get(asked)

    def put(self, asked: Hashable, found: Report) -> None:
        """Keep a report; the oldest goes when there are too many."""
        with self._lock:
            self._kept[asked] = found
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)


@st.cache_resource(show_spinner=False)
def get_kept(slot: str) -> Kept[Any]:
    """The one store of this kind of report."""
    return Kept()


@dataclass(kw_only=True)
class Measurement(Job):
    """One report in the making."""

    asked: Hashable


def controls(slot: str, asked: Hashable, prepare: Callable[[], Measure[Any]], *, label: str, explained: str) -> None:
    """The button, or progress and Cancel while it runs.

    Args:
        slot: names store, job and widgets (`SLOT_job`, `SLOT_run`, `SLOT_cancel`).
        prepare: fetches what the thread needs, since it has no session, and gives what it does.
    """
    job: Measurement | None = st.session_state.get(f"{slot}_job")
    if job is not None and job.asked != asked:
        job.stop.set()
        st.session_state.pop(f"{slot}_job")
        job = None
    running = job is not None and job.running
    st.fragment(_controls, run_every=POLL if running else None)(slot, asked, prepare, label, explained)


def _controls(slot: str, asked: Hashable, prepare: Callable[[], Measure[Any]], label: str, explained: str) -> None:
    kept = get_kept(slot)
    job: Measurement | None = st.session_state.get(f"{slot}_job")
    if job is not None and not job.running:
        st.session_state.pop(f"{slot}_job")
        if job.error:
            st.error(job.error)
        elif kept.get(asked) is not None:
            st.rerun()
    if job is not None and job.running:
        _progress(slot, job)
    elif kept.get(asked) is None and st.button(
        label, type="primary", key=f"{slot}_run", icon=":material/play_arrow:", help=explained
    ):
        job, measure = Measurement(asked=asked), prepare()
        job.launch(lambda: kept.put(asked, measure(job.tell, job.stop.is_set)))
        st.session_state[f"{slot}_job"] = job
        st.rerun()


def _progress(slot: str, job: Measurement) -> None:
    left = job.seconds_left
    ahead = "measuring the pace" if left is None else f"about {max(1, round(left))} s left"
    counted = f"{job.done} of {job.total} passes" if job.total else "first passes"
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.progress(job.share, text=f"{counted} · {ahead}", width=260)
        if st.button("Cancel", key=f"{slot}_cancel", icon=":material/close:"):
            job.cancel()
            st.session_state.pop(f"{slot}_job", None)
            st.rerun()
