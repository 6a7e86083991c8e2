"""What the tuning page is asked: two models, a sequence, what is given of it, another sequence. Keys `wt_...`.

All of it stands in the address. Cells and residues that are pinned on the bench stand there too (`wt_pin`).
"""

from dataclasses import dataclass

import streamlit as st

from mi_core.catalog import TUNED, TUNED_ESMC
from mi_core.errors import InputError
from mi_core.inputs import read_sequence
from mi_core.likelihood.lab import random_context
from mi_core.likelihood.question import Question, ask, check_same_vocabulary
from mi_core.models.protocol import Model
from mi_core.protein_view import Protein
from mi_core.shapes import Row
from mi_core.sudoku.diagonals import EXAMPLES
from mi_core.tuning import Tuning, compare, mutated
from pages.ui import cached, job_controls, model_choice
from pages.ui.address import keep, recall
from pages.ui.cached import Store
from pages.ui.job_controls import Offer
from pages.ui.jobs import Stopped, Tell, Work
from pages.ui.model_choice import OWN

SLOT = "wt"
BENCH = "wt_bench"
SUDOKU, PROTEIN = "Sudoku", "Protein"
PASSES = (128, 256, 512, 1024, 2048)
FIRST_PAIR = {SUDOKU: ("sudoku-diagonal", "sudoku"), PROTEIN: (TUNED_ESMC, "esmc-mini")}


@dataclass(frozen=True)
class Asked:
    """Everything that a report depends on."""

    tuned: str
    reference: str
    sequence: str  # 81 digits, or the letters of an own protein
    given: int  # per cent of the positions that are given
    against: str  # mutations, or another whole sequence; empty without
    passes: int
    seed: int
    preset: str = ""  # an example of a protein

    @property
    def is_board(self) -> bool:
        """Whether positions are cells."""
        return self.tuned in model_choice.SUDOKU


def choose() -> Asked:
    """Draw the controls and read them."""
    kinds = {SUDOKU: model_choice.here(model_choice.SUDOKU), PROTEIN: model_choice.here(model_choice.PROTEIN)}
    kinds = {kind: models for kind, models in kinds.items() if models}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.segmented_control(
            "Speaks of", list(kinds), default=SUDOKU, key="wt_kind", bind="query-params", required=True
        )
        kind = kind or SUDOKU
        tuned, reference = _models(kind, kinds[kind])
        passes = st.select_slider("Passes for each model", PASSES, 512, key="wt_passes", bind="query-params", width=190)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        preset, sequence = ("", _board()) if kind == SUDOKU else model_choice.choose_protein("wt")
        given = st.slider("Given, %", 0, 90, 0, 10, key="wt_given", bind="query-params", width=170, help=_GIVEN)
        against = _against(kind)
        seed = st.number_input("Seed", 0, 999_999, 0, 1, key="wt_seed", bind="query-params", width=110)
    return Asked(tuned, reference, sequence, int(given), against.strip(), int(passes), int(seed), preset)


_GIVEN = "A random share of the sequence that both models are shown, where it equals the other one; the rest is scored."


def _models(kind: str, models: dict[str, str]) -> tuple[str, str]:
    names = list(models)
    picked = []
    for label, key, first in zip(("Tuned", "Reference"), ("tuned", "reference"), FIRST_PAIR[kind], strict=True):
        fallback = names[0] if label == "Tuned" else names[-1]
        picked.append(
            st.selectbox(
                label,
                names,
                names.index(first if first in names else fallback),
                format_func=models.__getitem__,
                key=f"wt_{key}_{kind.lower()}",
                bind="query-params",
                width=250,
            )
        )
    return picked[0], picked[1]


def _board() -> str:
    titles = {name: title for name, (title, _) in EXAMPLES.items()} | {OWN: "Own grid"}
    name = st.selectbox(
        "Grid", list(titles), format_func=titles.__getitem__, key="wt_board", bind="query-params", width=250
    )
    if name != OWN:
        return EXAMPLES[name][1]
    return st.text_input("81 digits", EXAMPLES["diagonal"][1], key="wt_grid", bind="query-params", width=320)


def _against(kind: str) -> str:
    first = EXAMPLES["ordinary"][1] if kind == SUDOKU else "C5A, C55A"
    return st.text_input(
        "Compare with",
        first,
        key=f"wt_against_{kind.lower()}",
        bind="query-params",
        width=230,
        help="Another whole sequence, or mutations such as `K15A, C30S`: symbol, position from 1, new symbol. The "
        "margin says how much more the tuning rewards the first sequence than this one. Empty: no comparison.",
    )


def protein_of(asked: Asked) -> Protein:
    """The protein that is asked about.

    Raises:
        InputError: letters that cannot be read.
    """
    return model_choice.protein_of(asked.preset, asked.sequence)


def models_of(asked: Asked) -> tuple[Model, Model]:
    """The tuned model and its reference.

    Raises:
        MiCoreError: one cannot be loaded, or they speak of different symbols.
    """
    both = cached.get_model(asked.tuned), cached.get_model(asked.reference)
    check_same_vocabulary(*both)
    return both


def question_of(asked: Asked) -> tuple[Question, Row | None]:
    """What is scored, given what; and the sequence to compare with.

    Raises:
        InputError: a sequence that cannot be scored or compared.
    """
    model, _ = models_of(asked)
    tokens = read_sequence(model, asked.sequence) if asked.is_board else protein_of(asked).tokens
    if bool((tokens == model.vocab.mask_id).any()):
        raise InputError("The sequence has open positions; fill them, so that there is a token to score at each.")
    other = None
    if asked.against:
        is_whole = len("".join(asked.against.split())) >= len(tokens)
        other = read_sequence(model, asked.against) if is_whole else mutated(model, tokens, asked.against)
        if len(other) != len(tokens):
            raise InputError(f"The sequences have {len(tokens)} and {len(other)} positions; both need the same length.")
    context = random_context(tokens, asked.given / 100, seed=asked.seed, other=other)
    return ask(model, tokens, context=context), other


def current(asked: Asked) -> Tuning | None:
    """The report if it is there.

    Raises:
        MiCoreError: the question cannot be asked.
    """
    found = get_reports().get(asked)
    if found is None:
        _prepare(asked)
    return found


@st.cache_resource(show_spinner=False)
def get_reports() -> Store[Asked, Tuning]:
    """The one store of this server."""
    return Store(limit=32)


def _prepare(asked: Asked) -> Work:
    (model, reference), (question, other) = models_of(asked), question_of(asked)
    options = {"other": other, "passes": asked.passes, "seed": asked.seed}
    reports = get_reports()

    def measure(tell: Tell, stopped: Stopped) -> None:
        reports.put(asked, compare(model, reference, question, progress=tell, cancel=stopped, **options))

    return measure


def explain(asked: Asked) -> None:
    """One line on what is compared."""
    if asked.tuned == asked.reference:
        st.caption("The same model twice: reward 0, uniform q and no change of MI are what should come out.")
    elif asked.tuned == TUNED:
        st.caption(
            "**Sudoku, tuned to the diagonals** is the shipped Sudoku model after a short training on grids with one "
            "more rule: each main diagonal holds each digit once. The map should gain its pairs, and nothing else."
        )
    elif asked.tuned == TUNED_ESMC:
        st.caption(
            "**ESM-C mini, tuned to Kunitz inhibitors** is the small model of any protein after a short training on "
            "one family, of which BPTI is a member. The map should gain pairs that touch in the fold. On the structure "
            "solid blue lines join pairs whose MI rose most, dashed ones those whose MI fell most."
        )
    else:
        st.caption(
            "Two models of the same symbols. Where the second was not the start of the first's training, the "
            "difference is that of two trainings, not of one update."
        )


def controls(asked: Asked) -> None:
    """The button, or progress and Cancel while it runs."""
    job_controls.controls(
        Offer(
            prefix=SLOT,
            subject=asked,
            label="Compare",
            icon=":material/play_arrow:",
            prepare=lambda: _prepare(asked),
            explained="Rewards, beliefs and mutants of both models, then MI by probing, which takes most passes.",
            is_done=get_reports().get(asked) is not None,
        )
    )


def pin(asked: Asked) -> int | None:
    """The pinned position."""
    text = recall("wt_pin")
    return int(text) if text.isdecimal() and int(text) < (81 if asked.is_board else 2000) else None


def pinned_on_bench() -> None:
    """The bench pinned a position, or let it go."""
    event = st.session_state[BENCH].pin or {}
    st.session_state["wt_seen"] = max(seen(), int(event.get("stamp", 0)))
    value = event.get("value")
    keep("wt_pin", str(value) if isinstance(value, int) and value >= 0 else "")


def seen() -> int:
    """Stamp of the latest event of the bench that was handled."""
    return int(st.session_state.get("wt_seen", 0))
