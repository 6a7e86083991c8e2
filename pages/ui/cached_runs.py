"""Decoding runs for the pages, kept between reruns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mi_core.agreement import peer_matrix
from mi_core.decoding import DecodeTrace, MISource, decode
from mi_core.errors import FormatError, InputError
from mi_core.sources import (
    AttentionSource,
    GapSource,
    HeadSource,
    HeadTVSource,
    PointwiseSource,
    ProbingPointwiseSource,
    ProbingSource,
    StructureSource,
    TVSource,
)
from mi_core.sudoku.board import VOCAB, parse
from pages.ui.cached import get_head, get_model, get_pointwise_head, get_upper
from pages.ui.replay_board import board_run

MAX_TRACE_MB = 5


@dataclass(frozen=True)
class RunSettings:
    """All that a run depends on."""

    start: str  # the sequence with what is open
    strategy: str
    parameters: tuple[tuple[str, float], ...]
    source: str  # a name that `source_of` knows
    temperature: float
    seed: int


@dataclass(frozen=True)
class Replay:
    """A run and what the browser needs to show it."""

    trace: DecodeTrace
    run: dict[str, Any]


def get_replay(settings: RunSettings) -> Replay:
    """The run of these settings.

    Raises:
        MiCoreError: a bad board or parameter, or a missing weight file.
    """
    if not bool((parse(settings.start) == VOCAB.mask_id).any()):
        raise InputError("Every cell of this board is filled, so there is nothing to decode; open some cells.")
    return _decoded(settings)


@st.cache_data(max_entries=64, show_spinner=False)
def _decoded(settings: RunSettings) -> Replay:
    bar = st.progress(0.0, text="Decoding the board")
    try:
        (trace,) = decode(
            get_model(),
            parse(settings.start)[None],
            settings.strategy,
            dict(settings.parameters),
            seed=settings.seed,
            temperature=settings.temperature,
            mi_source=source_of(settings.source),
            record_marginals=True,
            progress=lambda done, total: bar.progress(done / total, text=f"Decoded {done} of {total} cells"),
        )
    finally:
        bar.empty()
    return Replay(trace, board_run(trace))


def source_of(name: str) -> MISource | None:
    """The source of that name; "none" gives None."""
    makers: dict[str, Callable[[], MISource | None]] = {
        "none": lambda: None,
        "head": lambda: HeadSource(get_head()),
        "head-upper": lambda: HeadSource(get_upper()),
        "probing": ProbingSource,
        "probing-gap": GapSource,
        "pointwise-head": lambda: PointwiseSource(get_pointwise_head(), get_head()),
        "probing-pointwise": ProbingPointwiseSource,
        "head-tv": lambda: HeadTVSource(get_pointwise_head()),
        "probing-tv": TVSource,
        "attention": AttentionSource,
        "structure": lambda: StructureSource(peer_matrix().double()),
    }
    return makers[name]()


@st.cache_data(max_entries=8, show_spinner="Reading the trace")
def read_replay(data: bytes) -> Replay:
    """The run that a trace file holds.

    Raises:
        FormatError: too large, no text, no trace, or not one of a Sudoku board.
    """
    if len(data) > MAX_TRACE_MB * 2**20:
        raise FormatError(f"This file has {len(data) / 2**20:.1f} MB; a trace may have at most {MAX_TRACE_MB} MB.")
    try:
        trace = DecodeTrace.from_json(data.decode("utf-8-sig"))
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:  # no UTF-8, numbers of thousands of digits, endless nesting
        raise FormatError("This file is not a decoding trace: it is no JSON text in UTF-8.") from error
    return Replay(trace, board_run(trace))
