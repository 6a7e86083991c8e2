"""What the pages keep between reruns of models, beliefs and MI (runs: `cached_runs`).

What a `cache_resource` function returns is shared by all sessions: read it, never change it.
"""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

import streamlit as st
from torch import Tensor

from mi_core import head as heads
from mi_core import probing
from mi_core.catalog import load_head, load_model, load_pointwise_head, load_upper
from mi_core.head import MIHead
from mi_core.models.protocol import Model
from mi_core.pointwise import PointwiseHead
from mi_core.results import MIResult
from mi_core.sudoku.board import parse

Key, Value = TypeVar("Key"), TypeVar("Value")
ProbeKey = tuple[str, str, float]  # board of 81 characters, form, mass
PROBED_FORM = "averaged"  # the one that keeps what every other form needs


@st.cache_resource(show_spinner="Loading the model")
def get_model(name: str = "sudoku") -> Model:
    """The masked diffusion model."""
    return load_model(name)


@st.cache_resource(show_spinner="Loading the MI head")
def get_head(variant: str = "marginals", model: str = "sudoku") -> MIHead:
    """The neural estimator; `variant` is "marginals" or "paper"."""
    return load_head(model, variant)


@st.cache_resource(show_spinner="Loading the pointwise head")
def get_pointwise_head(model: str = "sudoku") -> PointwiseHead:
    """What tells how two drawn tokens go together."""
    return load_pointwise_head(model)


@st.cache_resource(show_spinner="Loading the MI head")
def get_upper(model: str = "sudoku") -> MIHead:
    """The head that answers with an upper quantile."""
    return load_upper(model)


@st.cache_resource(max_entries=256, show_spinner=False)
def get_beliefs(board: str) -> Tensor:
    """What the Sudoku model believes of each cell, log-probabilities (81, 9); one pass."""
    return get_model()(parse(board, check=False)[None]).log_probs[0].cpu()


@st.cache_resource(max_entries=256, show_spinner=False)
def get_estimate(board: str, variant: str) -> MIResult:
    """The neural estimate of a board; one pass."""
    model, head, tokens = get_model(), get_head(variant), parse(board, check=False)
    heads.estimate(model, head, tokens)  # the first pass after a pause is slower, and the time is shown
    return heads.estimate(model, head, tokens)


@st.cache_resource(max_entries=256, show_spinner=False)
def get_conditionals(board: str, cell: int) -> Tensor:
    """Beliefs of every cell once `cell` holds each digit, log-probabilities (9, 81, 9); nine passes."""
    return probing.conditionals(get_model(), parse(board, check=False), cell)


class Store(Generic[Key, Value]):
    """The latest results, for all sessions; safe to fill from a thread."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The result, None where it is not there (any more)."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a result; the oldest goes when there are too many."""
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)


class TruthStore(Store[ProbeKey, MIResult]):
    """Ground truths. Probes in the averaged form are read in the other forms without another pass."""

    def get(self, key: ProbeKey) -> MIResult | None:
        """The result in the form that the key asks for."""
        board, form, mass = key
        found = super().get((board, PROBED_FORM, mass))
        return found if found is None or form == PROBED_FORM else probing.in_form(found, form)

    def put(self, key: ProbeKey, value: MIResult) -> None:
        """Keep a result in the averaged form."""
        board, _, mass = key
        super().put((board, PROBED_FORM, mass), value)


@st.cache_resource(show_spinner=False)
def get_truths() -> TruthStore:
    """The one store of this server."""
    return TruthStore()
