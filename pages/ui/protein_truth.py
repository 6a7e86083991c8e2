"""The ground truth of the Protein page: settings, and a run in the background with progress and cancel."""

from dataclasses import dataclass

import streamlit as st

from mi_core import probing
from mi_core.errors import MiCoreError
from mi_core.models.protocol import Model
from mi_core.proteins.sequence import VOCAB
from mi_core.results import MIResult
from pages.ui import cached, payload, protein_cached
from pages.ui.cached import PROBED_FORM, ProbeKey, TruthStore
from pages.ui.jobs import Job
from pages.ui.protein_cached import Beliefs, Speaker

JOB = "pr_job"
POLL = 0.5  # seconds between two looks at a running job
BATCH = 16  # passes between two chances to cancel
MASSES = ("1", "0.99", "0.95", "0.9", "0.8")
SMOOTH = 300  # residues up to which the page is quick


@dataclass(kw_only=True)
class ProteinJob(Job):
    """One probing run."""

    key: ProbeKey

    def start(self, model: Model, state: str, truths: TruthStore) -> None:
        """Begin; the result goes to `truths`."""
        self.launch(lambda: self._probe(model, state, truths))

    def _probe(self, model: Model, state: str, truths: TruthStore) -> None:
        result = probing.probe(
            model,
            VOCAB.encode(state),
            form=PROBED_FORM,
            mass=self.key[2],
            batch_size=BATCH,
            progress=self.tell,
            cancel=self.stop.is_set,
        )
        truths.put(self.key, result)


def settings() -> tuple[str, float]:
    """The widgets of form and mass."""
    form = st.selectbox(
        "Form of the ground truth",
        probing.FORMS,
        key="pr_form",
        bind="query-params",
        help="averaged: MI of the mean of both probing orders. mixture: each order's own MI, then the mean. "
        "entropy-difference: the paper's; it may come out negative when the model is not consistent.",
    )
    mass = st.selectbox(
        "Mass probed",
        MASSES,
        index=MASSES.index("0.95"),
        key="pr_mass",
        bind="query-params",
        help="Each masked residue tries its likeliest amino acids until they carry this much probability.",
    )
    return form, float(mass)


def key_of(who: Speaker, state: str, form: str, mass: float) -> ProbeKey:
    """Where the result is kept."""
    return who.key(state), form, mass


def current(key: ProbeKey) -> MIResult | None:
    """The result for these settings, if it was computed."""
    return cached.get_truths().get(key)


def controls(key: ProbeKey, state: str, model: Model | None, beliefs: Beliefs | None) -> None:
    """The button, or progress and Cancel while it runs. A run for another state, model or mass is stopped."""
    job = st.session_state.get(JOB)
    if job is not None and (job.key[0], job.key[2]) != (key[0], key[2]):  # the form is a matter of reading
        job.stop.set()
        st.session_state.pop(JOB)
        job = None
    if model is None or beliefs is None:
        return
    running = job is not None and job.running
    st.fragment(_controls, run_every=POLL if running else None)(key, state, model, beliefs)


def cost(state: str, beliefs: Beliefs) -> str:
    """What full probing takes at most, in words."""
    passes = probing.full_passes(state.count(VOCAB.mask), VOCAB.size)
    return f"at most {passes:,} passes, about {payload.duration(passes * beliefs.seconds)} at the pace of the first"


def _controls(key: ProbeKey, state: str, model: Model, beliefs: Beliefs) -> None:
    job: ProteinJob | None = st.session_state.get(JOB)
    if job is not None and not job.running:
        st.session_state.pop(JOB)
        if job.error:
            st.error(job.error)
        elif current(key) is not None:
            st.rerun()
    if job is not None and job.running:
        _progress(job)
    elif current(key) is not None:
        st.button("Ground truth computed", disabled=True, key="pr_computed", icon=":material/check:")
    else:
        few = state.count(VOCAB.mask) < 2
        explained = "Mask two residues or more." if few else f"Probes every masked residue: {cost(state, beliefs)}."
        label = "Compute ground truth"
        if st.button(label, type="primary", key="pr_compute", icon=":material/biotech:", help=explained, disabled=few):
            job = ProteinJob(key=key)
            st.session_state[JOB] = job
            job.start(model, state, cached.get_truths())
            st.rerun()


def _progress(job: ProteinJob) -> None:
    left = job.seconds_left
    ahead = "measuring the pace" if left is None else f"about {payload.duration(max(1.0, left))} left"
    counted = f"{job.done} of {job.total} passes" if job.total else "first passes"
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.progress(job.share, text=f"{counted} · {ahead}", width=280)
        cancelled = st.button("Cancel", key="pr_cancel", icon=":material/close:")
    if cancelled:
        job.cancel()
        st.session_state.pop(JOB, None)
        st.rerun()


def read(who: Speaker, state: str, model: Model | None) -> tuple[Beliefs | None, MIResult | None]:
    """The base pass of a state, and the estimate where a head ships; a message where the model cannot read it."""
    if model is None:
        return None, None
    try:
        return protein_cached.get_beliefs(who, state, model), protein_cached.get_estimate(who, state, model)
    except MiCoreError as error:
        st.error(str(error))
        return None, None


def absent(state: str, beliefs: Beliefs | None) -> str:
    """What stands in the empty triangle."""
    if beliefs is None:
        return "No model, no MI"
    return "Fewer than two residues are masked" if state.count(VOCAB.mask) < 2 else "Ground truth: not computed yet"


def caption(state: str, beliefs: Beliefs | None) -> None:
    """What the picture means and what the truth costs."""
    parts = [
        "Blue residues are masked, grey ones given; hatched lines of the map are given residues, which have nothing to "
        "share. Lines in 3D are solid blue where the pair touches and dashed vermillion where it does not."
    ]
    if beliefs is not None:
        parts.append(f"Ground truth of this mask: {cost(state, beliefs)}.")
        if beliefs.outside > 0.05:
            parts.append(f"The model gave {beliefs.outside:.0%} to other symbols than the 20, renormalised here.")
    if len(state) > SMOOTH:
        parts.append(f"Above {SMOOTH} residues drawing and probing take noticeably longer.")
    st.caption(" ".join(parts))
