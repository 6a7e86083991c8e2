"""The design page: a protein's masked residues filled in by a strategy, run at once where that is quick.

Keys `de_...`; protein, model and mask are those of the Protein page (`pr_...`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from mi_core.catalog import head_file
from mi_core.decoding import MISource, decode
from mi_core.models.protocol import Additive, Model
from mi_core.protein_view import Protein
from mi_core.proteins.contacts import ContactMap
from mi_core.proteins.sequence import VOCAB
from mi_core.sources import CouplingSource, GapSource, HeadSource, ProbingSource, StructureSource, TVSource
from pages.ui import cached, job_controls
from pages.ui.cached import Store
from pages.ui.cached_runs import Replay, RunSettings
from pages.ui.job_controls import Offer
from pages.ui.jobs import Stopped, Tell, Work
from pages.ui.payload import duration
from pages.ui.protein_cached import Beliefs, Speaker
from pages.ui.replay_controls import Sources
from pages.ui.replay_protein import protein_run

QUICK = 20_000  # residues that all passes of a run may read, for it to start unasked
PATIENCE = 60.0  # and seconds that it may take
PROBED = {"probing": "probing", "probing, MI + gap": "probing-gap"}


@dataclass(frozen=True, eq=False)
class Designer:
    """Who designs what."""

    protein: Protein
    contacts: ContactMap | None
    who: Speaker
    model: Model
    beliefs: Beliefs  # of the start

    def key(self, settings: RunSettings) -> tuple[str, str, RunSettings]:
        """Where a run is kept."""
        return self.who.key(""), self.protein.structure_key + self.protein.letters, settings


@st.cache_resource(show_spinner=False)
def get_designs() -> Store[tuple[str, str, RunSettings], Replay]:
    """The one store of this server."""
    return Store(limit=64)


def sources_for(who: Speaker, model: Model, contacts: ContactMap | None) -> Sources:
    """Where pair matrices can come from for this model and protein."""
    head = {"neural head": "head"} if head_file(who.name, "marginals").is_file() else {}
    exact = {"the model's couplings, exact": "couplings"} if isinstance(model, Additive) else {}
    found: Sources = {"mi": exact | head | PROBED, "tv": {"probing, variation": "probing-tv"}}
    return found if contacts is None else found | {"structure": {"contacts of the structure": "structure"}}


def _source(name: str, designer: Designer) -> MISource | None:
    touching = designer.contacts
    makers: dict[str, Callable[[], MISource | None]] = {
        "none": lambda: None,
        "head": lambda: HeadSource(cached.get_head("marginals", designer.who.name)),
        "couplings": CouplingSource,
        "probing": ProbingSource,
        "probing-gap": GapSource,
        "probing-tv": TVSource,
        "structure": lambda: None if touching is None else StructureSource(touching.contacts.double()),
    }
    return makers[name]()


def passes(settings: RunSettings) -> int:
    """What a run takes at most; probing gets shorter as residues are filled in."""
    opened = settings.start.count(VOCAB.mask)
    return opened + (opened * opened * VOCAB.size // 2 if settings.source.startswith("probing") else 0)


def _is_quick(settings: RunSettings, designer: Designer) -> bool:
    most = passes(settings)
    return most * len(settings.start) <= QUICK and most * designer.beliefs.seconds <= PATIENCE


def current(settings: RunSettings, designer: Designer) -> Replay | None:
    """The run, if it is there or quick."""
    found = get_designs().get(designer.key(settings))
    if found is None and _is_quick(settings, designer):
        with st.spinner("Designing"):
            found = _decode(settings, designer, _source(settings.source, designer))
        get_designs().put(designer.key(settings), found)
    return found


def controls(wanted: list[RunSettings], designer: Designer) -> None:
    """The button for runs that take long, with progress and Cancel."""

    def prepare() -> Work:
        designs, sources = get_designs(), {run: _source(run.source, designer) for run in wanted}

        def design(tell: Tell, stopped: Stopped) -> None:
            for run in wanted:
                designs.put(designer.key(run), _decode(run, designer, sources[run], tell, stopped))

        return design

    most = sum(passes(run) for run in wanted)
    time = duration(most * designer.beliefs.seconds)
    job_controls.controls(
        Offer(
            prefix="de",
            subject=tuple(designer.key(run) for run in wanted),
            label="Design",
            icon=":material/play_arrow:",
            prepare=prepare,
            explained=f"At most {most:,} passes, about {time} at the pace of the first.",
            unit="residues",
        )
    )


def _decode(
    settings: RunSettings,
    designer: Designer,
    source: MISource | None,
    tell: Tell | None = None,
    stopped: Stopped | None = None,
) -> Replay:
    (trace,) = decode(
        designer.model,
        VOCAB.encode(settings.start)[None],
        settings.strategy,
        dict(settings.parameters),
        seed=settings.seed,
        temperature=settings.temperature,
        mi_source=source,
        progress=tell,
        cancel=stopped,
    )
    return Replay(trace, protein_run(trace, designer.protein, designer.contacts))
