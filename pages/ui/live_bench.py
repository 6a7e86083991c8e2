"""A small benchmark run now, in the background, with progress and cancel."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from mi_core.decoding import MISource
from mi_core.evaluation import Contestant, bench_generate, bench_sudoku
from mi_core.models.protocol import Model
from mi_core.strategies import STRATEGIES, Strategy
from mi_core.sudoku.sets import SETS, load_set
from pages.ui import cached
from pages.ui.cached_runs import source_of
from pages.ui.jobs import Job
from pages.ui.replay_controls import SOURCES

JOB = "be_job"
DONE = "be_done"
POLL = 0.5
UNIQUE = "unique_50_59"
SETS_OF = {"One solution": UNIQUE, "One solution, every strategy": UNIQUE, "Several solutions": "several"}
# any other regime: the empty board


@dataclass(kw_only=True)
class BenchJob(Job):
    """One strategy on a few boards."""

    regime: str
    contestant: Contestant
    boards: int
    row: dict[str, Any] | None = None

    def start(self) -> None:
        """Begin."""
        # What the cache gives has to be fetched here: the thread has no session.
        model, source = cached.get_model(), source_of(self.contestant.source or "none")
        self.launch(lambda: self._bench(model, source))

    def _bench(self, model: Model, source: MISource | None) -> None:
        options: dict[str, Any] = {
            "source_of": lambda _: source,
            "tick": lambda done, total, _: self.tell(done, total),
            "cancel": self.stop.is_set,
        }
        if self.regime in SETS_OF:
            puzzles = load_set(SETS[SETS_OF[self.regime]], self.boards)
            temperature = 0.0 if SETS_OF[self.regime] == UNIQUE else 1.0
            (self.row,) = bench_sudoku(model, puzzles, [self.contestant], temperature=temperature, **options)
        else:
            (self.row,) = bench_generate(model, self.boards, [self.contestant], **options)


def section(regime: str, measure: str) -> None:
    """Controls, and the result or the progress."""
    st.subheader("Run a small case now", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        titles = {rule.title: name for name, rule in STRATEGIES.items()}
        title = st.selectbox("Strategy", list(titles), key="be_strategy", width=200)
        rule = STRATEGIES[titles[title]]
        settings = {p.name: _parameter(rule, p.name) for p in rule.parameters}
        options = {text: name for kind in rule.pairs for text, name in SOURCES[kind].items() if "probing" not in name}
        source = st.selectbox("Pairs from", list(options), key=f"be_source_{rule.name}", width=150) if options else None
        boards = st.number_input("Boards", 5, 100, 20, 5, key="be_count", width=100)
    contestant = Contestant(rule.name, rule.settings(settings), options[source] if source else None)
    job: BenchJob | None = st.session_state.get(JOB)
    running = job is not None and job.running
    st.fragment(_controls, run_every=POLL if running else None)(regime, measure, contestant, int(boards))


def _parameter(rule: Strategy, name: str) -> int | float:
    p = next(p for p in rule.parameters if p.name == name)
    bounds, key = p.bounds, f"be_{rule.name}_{name}"
    if p.kind is int:
        return int(st.number_input(name, int(bounds.low), int(bounds.high), int(p.default), 1, key=key, width=100))
    step = 0.01 if bounds.high <= 1 else 0.1
    low, high, start = float(bounds.low), float(bounds.high), float(p.default)
    return float(st.number_input(name, low, high, start, step, "%g", key=key, width=100, help=bounds.text))


def _controls(regime: str, measure: str, contestant: Contestant, boards: int) -> None:
    job: BenchJob | None = st.session_state.get(JOB)
    if job is not None and not job.running:
        st.session_state[DONE] = st.session_state.pop(JOB)
        st.rerun()
    if job is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.progress(job.share, text=f"{job.done} of {job.total or '?'} cells committed", width=260)
            if st.button("Cancel", key="be_cancel", icon=":material/close:"):
                job.cancel()
                st.session_state.pop(JOB, None)
                st.rerun()
    elif st.button("Run", type="primary", key="be_run", icon=":material/play_arrow:"):
        job = BenchJob(regime=regime, contestant=contestant, boards=boards)
        st.session_state[JOB] = job
        job.start()
        st.rerun()
    _result(st.session_state.get(DONE), measure)


def _result(job: BenchJob | None, measure: str) -> None:
    if job is None:
        return
    if job.error:
        st.error(job.error)
    elif job.row is not None:
        key = measure if measure in job.row else "valid"
        low, high = job.row[f"{key}_ci"]
        st.markdown(
            f"**{STRATEGIES[job.contestant.strategy].title}** ({job.contestant.label}), {job.regime.lower()}: "
            f"{100 * job.row[key]:.1f} % {key} [{100 * low:.0f}, {100 * high:.0f}] of {job.row['n']} boards at "
            f"{job.row['nfe']:.1f} passes, {job.row['seconds']:.1f} s."
        )
