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
from mi_core.estimators.registry import HeadOf
from mi_core.estimators.scorecard import ground_truth
from mi_core.estimators.study import contender_of, study
from mi_core.inputs import read_input
from mi_core.models.protocol import Model
from mi_core.results import MIResult
from pages.ui import cached, job_controls
from pages.ui.job_controls import Offer
from pages.ui.jobs import Stopped, Tell, Work


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


def controls(key: Asked | Case, label: str, *, at_once: bool = False) -> None:
    """The button, or progress and Cancel while it runs; work of the same kind on anything else is stopped.

    Args:
        at_once: begin without waiting for the button.
    """
    offer = Offer(
        prefix="es" if isinstance(key, Asked) else "es_case",
        subject=key,
        label=label,
        icon=":material/play_arrow:",
        prepare=lambda: _work(key),
        is_done=get_kept().get(key) is not None,
        unit="steps",
    )
    if at_once and not offer.is_done:
        job_controls.stop_other(offer.prefix, key)
        if f"{offer.prefix}_job" not in st.session_state:
            job_controls.begin(offer)
    job_controls.controls(offer)


def _work(key: Asked | Case) -> Work:
    """What a thread does; what the cache gives is fetched here, since it has no session."""
    model, kept = cached.get_model(key.model), get_kept()
    tokens = check(key) if isinstance(key, Asked) else model.vocab.encode(key.state)

    def answer(tell: Tell, stopped: Stopped) -> None:
        kept.put(key, _answer(key, Task(model, tokens, lru_cache(_head_of(model)), tell, stopped)))

    return answer


def _head_of(model: Model) -> HeadOf:
    return lambda variant: load_head(model.name, variant)


def _answer(key: Asked | Case, task: Task) -> Any:
    if isinstance(key, Asked):
        return study(task, [task.tokens])
    contender = contender_of(key.label)
    truth = ground_truth(task)
    return Pair(get_estimator(contender.name)(task, **dict(contender.settings)), truth)
