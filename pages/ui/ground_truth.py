"""The ground truth of the Sudoku page: settings, and a run in the background with progress and cancel."""

from dataclasses import dataclass

import streamlit as st

from mi_core import probing
from mi_core.models.protocol import Model
from mi_core.results import MIResult
from mi_core.sudoku.board import VOCAB, parse
from pages.ui import cached
from pages.ui.cached import PROBED_FORM, ProbeKey, TruthStore
from pages.ui.jobs import Job

JOB = "su_job"
POLL = 0.5  # seconds between two looks at a running job
BATCH = 27  # passes between two chances to cancel
MASSES = ("1", "0.999", "0.99", "0.95", "0.9")


@dataclass(kw_only=True)
class ProbeJob(Job):
    """One probing run."""

    key: ProbeKey

    def start(self, model: Model, truths: TruthStore) -> None:
        """Begin; the result goes to `truths`."""
        self.launch(lambda: self._probe(model, truths))

    def _probe(self, model: Model, truths: TruthStore) -> None:
        board, _, mass = self.key
        result = probing.probe(
            model,
            parse(board, check=False),
            form=PROBED_FORM,
            mass=mass,
            batch_size=BATCH,
            progress=self.tell,
            cancel=self.stop.is_set,
        )
        truths.put(self.key, result)


def settings(board: str) -> ProbeKey:
    """The widgets of form and mass."""
    form = st.selectbox(
        "Form of the ground truth",
        probing.FORMS,
        key="su_form",
        bind="query-params",
        help="averaged: MI of the mean of both probing orders. mixture: each order's own MI, then the mean. "
        "entropy-difference: the paper's; it may come out negative when the model is not consistent.",
    )
    mass = st.selectbox(
        "Mass probed",
        MASSES,
        index=MASSES.index("0.99"),
        key="su_mass",
        bind="query-params",
        help="Each cell tries its likeliest digits until they carry this much probability. Below 1 saves passes; "
        "the certified width says how far any pair can be from full probing.",
    )
    return board, form, float(mass)


def current(key: ProbeKey) -> MIResult | None:
    """The result for these settings, if it was computed."""
    return cached.get_truths().get(key)


def controls(key: ProbeKey) -> None:
    """The button, or progress and Cancel while it runs. A run for another board or mass is stopped."""
    job = st.session_state.get(JOB)
    if job is not None and (job.key[0], job.key[2]) != (key[0], key[2]):  # the form is a matter of reading
        job.stop.set()
        st.session_state.pop(JOB)
        job = None
    running = job is not None and job.running
    st.fragment(_controls, run_every=POLL if running else None)(key)


def _controls(key: ProbeKey) -> None:
    job: ProbeJob | None = st.session_state.get(JOB)
    if job is not None and not job.running:
        st.session_state.pop(JOB)
        if job.error:
            st.error(job.error)
        elif cached.get_truths().get(key) is not None:
            st.rerun()
    if job is not None and job.running:
        _progress(job)
    elif cached.get_truths().get(key) is None:
        passes = probing.full_passes(key[0].count(VOCAB.mask), VOCAB.size)
        explained = f"Tries the digits of every open cell in turn: at most {passes} passes."
        if st.button(
            "Compute ground truth", type="primary", key="su_compute", icon=":material/biotech:", help=explained
        ):
            _begin(key)
            st.rerun()
    else:
        st.button("Ground truth computed", disabled=True, key="su_computed", icon=":material/check:")


def _progress(job: ProbeJob) -> None:
    left = job.seconds_left
    ahead = "measuring the pace" if left is None else f"about {max(1, round(left))} s left"
    counted = f"{job.done} of {job.total} passes" if job.total else "first passes"
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.progress(job.share, text=f"{counted} · {ahead}", width=230)
        cancelled = st.button("Cancel", key="su_cancel", icon=":material/close:")
    if cancelled:
        job.cancel()
        st.session_state.pop(JOB, None)
        st.rerun()


def _begin(key: ProbeKey) -> None:
    job = ProbeJob(key=key)
    st.session_state[JOB] = job
    job.start(cached.get_model(), cached.get_truths())
