"""Work of the Estimators page in the background: a study of the reader's state, or one case in full."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import streamlit as st
from torch import Tensor

from mi_core.catalog import load_head
from mi_core.estimators import Task, get_estimator
from mi_core.estimators.scorecard import ground_truth
from mi_core.estimators.study import contender_of, study
from mi_core.head import MIHead
from mi_core.inputs import read_input
from mi_core.models.protocol import Model
from mi_core.results import MIResult
from pages.ui import cached
from pages.ui.jobs import Job

POLL = 0.5


@dataclass(frozen=True)
class Asked:
    """A state of the reader's: all estimators are asked about it."""

    model: str
    text: str  # as `mi_core.inputs.read_input` takes it
    mask: str = ""


@dataclass(frozen=True)
class Case:
    """One state of a study and one estimator: both matrices are wanted."""

    model: str
    state: str  # symbols of the model's vocabulary
    label: str  # of the contender


@dataclass(frozen=True, eq=False)
class Pair:
    """What a case comes to."""

    estimate: MIResult
    truth: MIResult


class Kept:
    """The latest answers, for all sessions; safe to fill from a thread."""

    def __init__(self, limit: int = 48) -> None:
        self._limit = limit
        self._kept: OrderedDict[Asked | Case, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Asked | Case) -> Any:
        """A study or a `Pair`, None where it is not there (any more)."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Asked | Case, answer: Any) -> None:
        """Keep an answer; the oldest goes when there are too many."""
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)


@st.cache_resource(show_spinner=False)
def get_kept() -> Kept:
    """The one store of this server."""
    return Kept()


def check(asked: Asked) -> Tensor:
    """The state as ids (N,).

    Raises:
        MiCoreError: the model or the state cannot be had.
    """
    return read_input(cached.get_model(asked.model), asked.text, mask=asked.mask or None)


@dataclass(kw_only=True)
class LabJob(Job):
    """One study or one case."""

    key: Asked | Case

    def start(self) -> None:
        """Begin; what the cache gives is fetched here, since the thread has no session."""
        model, kept, key = cached.get_model(self.key.model), get_kept(), self.key
        tokens = check(key) if isinstance(key, Asked) else model.vocab.encode(key.state)
        self.launch(lambda: kept.put(key, self._answer(model, tokens)))

    def _answer(self, model: Model, tokens: Tensor) -> Any:
        @lru_cache
        def head_of(variant: str) -> MIHead:
            return load_head(model.name, variant)

        task = Task(model, tokens, head_of, progress=self.tell, cancel=self.stop.is_set)
        if isinstance(self.key, Asked):
            return study(task, [tokens])
        contender = contender_of(self.key.label)
        truth = ground_truth(task)
        return Pair(get_estimator(contender.name)(task, **dict(contender.settings)), truth)


def slot(key: Asked | Case) -> str:
    """Where the session keeps the job of this kind; a study and a case may run side by side."""
    return "es_job_study" if isinstance(key, Asked) else "es_job_case"


def controls(key: Asked | Case, label: str, *, at_once: bool = False) -> None:
    """The button, or progress and Cancel while it runs; work of the same kind on anything else is stopped."""
    job: LabJob | None = st.session_state.get(slot(key))
    if job is not None and job.key != key:
        job.stop.set()
        st.session_state.pop(slot(key))
        job = None
    if job is None and at_once and get_kept().get(key) is None:
        job = _begin(key)
    st.fragment(_controls, run_every=POLL if job is not None else None)(key, label)


def _begin(key: Asked | Case) -> LabJob:
    job = LabJob(key=key)
    st.session_state[slot(key)] = job
    job.start()
    return job


def _controls(key: Asked | Case, label: str) -> None:
    job: LabJob | None = st.session_state.get(slot(key))
    if job is not None and not job.running:
        st.session_state.pop(slot(key))
        if job.error:
            st.error(job.error)
        elif get_kept().get(key) is not None:
            st.rerun()
    running = job is not None and job.running
    if job is not None and running:
        _progress(job)
    elif get_kept().get(key) is None and st.button(
        label, type="primary", key=f"{slot(key)}_run", icon=":material/play_arrow:"
    ):
        _begin(key)
        st.rerun()


def _progress(job: LabJob) -> None:
    left = job.seconds_left
    ahead = "measuring the pace" if left is None else f"about {max(1, round(left))} s left"
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.progress(job.share, text=f"{job.done} of {job.total or '?'} · {ahead}", width=260)
        if st.button("Cancel", key=f"{slot(job.key)}_cancel", icon=":material/close:"):
            job.cancel()
            st.session_state.pop(slot(job.key), None)
            st.rerun()
