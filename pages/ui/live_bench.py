"""A small benchmark run now, in the background, with progress and cancel."""

from typing import Any

import streamlit as st

from mi_core.benchmarks.evaluation import Contestant, bench_generate, bench_sudoku
from mi_core.strategies import STRATEGIES
from mi_core.sudoku.sets import SETS, load_set
from pages.ui import cached, job_controls
from pages.ui.cached_runs import source_of
from pages.ui.job_controls import Offer
from pages.ui.jobs import Stopped, Tell, Work
from pages.ui.replay_controls import SOURCES, parameter_field

UNIQUE = "unique_50_59"
SETS_OF = {"One solution": UNIQUE, "One solution, every strategy": UNIQUE, "Several solutions": "several"}
# any other regime: the empty board


def section(regime: str, measure: str) -> None:
    """Controls, and the result or the progress."""
    st.subheader("Run a small case now", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        titles = {rule.title: name for name, rule in STRATEGIES.items()}
        title = st.selectbox("Strategy", list(titles), key="be_strategy", width=200)
        rule = STRATEGIES[titles[title]]
        settings = {p.name: parameter_field(rule, p, "be") for p in rule.parameters}
        options = {text: name for kind in rule.pairs for text, name in SOURCES[kind].items() if "probing" not in name}
        source = st.selectbox("Pairs from", list(options), key=f"be_source_{rule.name}", width=150) if options else None
        boards = st.number_input("Boards", 5, 100, 20, 5, key="be_count", width=100)
    contestant = Contestant(rule.name, rule.settings(settings), options[source] if source else None)
    job_controls.controls(
        Offer(
            prefix="be",
            subject=None,  # a run goes on while the reader sets up the next
            label="Run",
            icon=":material/play_arrow:",
            prepare=lambda: _work(regime, contestant, int(boards)),
            unit="cells",
        )
    )
    _result(measure)


def _work(regime: str, contestant: Contestant, boards: int) -> Work:
    """One strategy on a few boards; gives back what was asked and the row."""
    model, source = cached.get_model(), source_of(contestant.source or "none")

    def bench(tell: Tell, stopped: Stopped) -> tuple[str, Contestant, dict[str, Any]]:
        options: dict[str, Any] = {
            "source_of": lambda _: source,
            "tick": lambda done, total, _: tell(done, total),
            "cancel": stopped,
        }
        if regime in SETS_OF:
            puzzles = load_set(SETS[SETS_OF[regime]], boards)
            temperature = 0.0 if SETS_OF[regime] == UNIQUE else 1.0
            (row,) = bench_sudoku(model, puzzles, [contestant], temperature=temperature, **options)
        else:
            (row,) = bench_generate(model, boards, [contestant], **options)
        return regime, contestant, row

    return bench


def _result(measure: str) -> None:
    job = job_controls.last("be")
    if job is None or job.result is None:
        return
    regime, contestant, row = job.result
    key = measure if measure in row else "valid"
    low, high = row[f"{key}_ci"]
    st.markdown(
        f"**{STRATEGIES[contestant.strategy].title}** ({contestant.label}), {regime.lower()}: "
        f"{100 * row[key]:.1f} % {key} [{100 * low:.0f}, {100 * high:.0f}] of {row['n']} boards at "
        f"{row['nfe']:.1f} passes, {row['seconds']:.1f} s."
    )
