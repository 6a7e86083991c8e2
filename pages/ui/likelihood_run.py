"""What the likelihood page is asked, and the run: at once for a table, else in the background with Cancel.

Keys `li_...`; the choice stands in the address.
"""

from dataclasses import dataclass

import streamlit as st

from mi_core import catalog
from mi_core.likelihood.lab import Report, of_board, of_symbols, report
from mi_core.likelihood.question import Question, ask
from mi_core.models import exact
from mi_core.models.protocol import Model
from mi_core.protein_view import Protein
from mi_core.sudoku.presets import PRESETS as BOARDS
from pages.ui import cached, job_controls, model_choice
from pages.ui.cached import Store
from pages.ui.job_controls import Offer
from pages.ui.jobs import Stopped, Tell, Work
from pages.ui.model_choice import OWN

SUDOKU, TABLE, PROTEIN = "Sudoku", "Exact table", "Protein"
PASSES = (64, 128, 256, 512, 1024, 2048, 4096)
START_PASSES = 512
START_BOARD = "rectangle"
RANDOM = "random"
TABLES = {  # name: title, the sequence to begin with
    "golden": ("Four positions, nearly independent", "0120"),
    RANDOM: ("Six positions, three symbols, random", "012012"),
    "chain": ("A chain of copies", "1111"),
    "copied-bits": ("Two copied bits", "0011"),
    "xor": ("Parity of two bits", "011"),
}


@dataclass(frozen=True)
class Asked:
    """Everything that a report depends on."""

    kind: str
    model: str  # a name of the catalogue, or a table's
    name: str  # board of 81 characters, protein or OWN
    sequence: str  # of a table, or the letters of an own protein
    passes: int
    seed: int

    @property
    def is_board(self) -> bool:
        """Whether positions are cells."""
        return self.kind == SUDOKU


@st.cache_resource(show_spinner=False)
def get_reports() -> Store[Asked, Report]:
    """The one store of this server."""
    return Store(limit=32)


@st.cache_resource(show_spinner=False)
def get_table(name: str) -> Model:
    """A model whose every answer is known."""
    if name == RANDOM:
        return exact.ExactModel(exact.from_seed(1, 6, 3), name=RANDOM)
    return catalog.load_model(name)


def choose() -> Asked:
    """Draw the controls and read them."""
    proteins = model_choice.here(model_choice.PROTEIN)
    kinds = [SUDOKU, TABLE, *([PROTEIN] if proteins else [])]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.segmented_control("Model", kinds, default=SUDOKU, key="li_model", bind="query-params", required=True)
        kind = kind or SUDOKU
        if kind == TABLE:
            name, sequence = _table()
            model = name
        else:
            models = proteins if kind == PROTEIN else model_choice.here(model_choice.SUDOKU)
            model = _weights(kind, models)
            name, sequence = model_choice.choose_protein("li") if kind == PROTEIN else _board()
        passes = st.select_slider(
            "Passes for each method", PASSES, START_PASSES, key="li_passes", bind="query-params", width=220
        )
        seed = st.number_input("Seed", 0, 999_999, 0, 1, key="li_seed", bind="query-params", width=110)
    return Asked(kind, model, name, sequence, int(passes), int(seed))


def _weights(kind: str, models: dict[str, str]) -> str:
    return st.selectbox(
        "Weights",
        list(models),
        format_func=models.__getitem__,
        key=f"li_weights_{kind.lower()}",
        bind="query-params",
        width=250,
    )


def _board() -> tuple[str, str]:
    titles = {name: preset.title for name, preset in BOARDS.items()} | {OWN: "Own board"}
    name = st.selectbox(
        "Board",
        list(titles),
        list(titles).index(START_BOARD),
        format_func=titles.__getitem__,
        key="li_board",
        bind="query-params",
        width=290,
    )
    if name != OWN:
        return BOARDS[name].text, ""
    text = st.text_input(
        "81 characters, a puzzle or a full board",
        BOARDS[START_BOARD].text,
        key="li_text",
        bind="query-params",
        width=320,
        help="A puzzle: its solution is scored, given the clues. A full board is scored whole and may break the rules.",
    )
    return text, ""


def _table() -> tuple[str, str]:
    name = st.selectbox(
        "Table", list(TABLES), format_func=lambda n: TABLES[n][0], key="li_table", bind="query-params", width=290
    )
    sequence = st.text_input(
        "Sequence",
        TABLES[name][1],
        key=f"li_sequence_{name}",
        bind="query-params",
        width=130,
        help="Symbols from 0 on; a dot leaves a position open, and it is summed out.",
    )
    return name, sequence


def protein_of(asked: Asked) -> Protein:
    """The protein that is asked about.

    Raises:
        InputError: letters that cannot be read.
    """
    return model_choice.protein_of(asked.name, asked.sequence)


def model_of(asked: Asked) -> Model:
    """The model that is asked."""
    return get_table(asked.model) if asked.kind == TABLE else cached.get_model(asked.model)


def question_of(asked: Asked) -> Question:
    """What it is asked.

    Raises:
        InputError: a board or sequence that cannot be scored.
    """
    model = model_of(asked)
    if asked.kind == SUDOKU:
        return of_board(model, asked.name)
    return of_symbols(model, asked.sequence) if asked.kind == TABLE else ask(model, protein_of(asked).tokens)


def current(asked: Asked) -> Report | None:
    """The report if it is there; a table's is computed at once.

    Raises:
        MiCoreError: the question cannot be asked.
    """
    found = get_reports().get(asked)
    if found is None:
        question = question_of(asked)
        if asked.kind == TABLE:
            found = report(model_of(asked), question, passes=asked.passes, seed=asked.seed)
            get_reports().put(asked, found)
    return found


def explain(asked: Asked) -> None:
    """One line on what the number is."""
    if asked.kind == TABLE:
        st.caption(
            "The table's conditionals agree, so the chain is exact after one order and all others home in on it."
        )
        return
    scored = "the solution's open cells, given the clues" if asked.is_board else "the whole sequence"
    st.caption(
        f"Scored: {scored}. For a learned model the value is the mean over all orders of filling in, an upper bound of "
        "-log p: it is exact only as far as the model's conditionals agree. The spread over orders shows how far."
    )


def controls(asked: Asked) -> None:
    """The button, or progress and Cancel while it runs; a run for another question is stopped."""
    if asked.kind == TABLE:
        job_controls.stop_other("li", asked)
        return

    def prepare() -> Work:
        model, question, reports = model_of(asked), question_of(asked), get_reports()

        def measure(tell: Tell, stopped: Stopped) -> None:
            options = {"progress": tell, "cancel": stopped, "scan": asked.kind == PROTEIN}
            reports.put(asked, report(model, question, passes=asked.passes, seed=asked.seed, **options))

        return measure

    job_controls.controls(
        Offer(
            prefix="li",
            subject=asked,
            label="Estimate",
            icon=":material/play_arrow:",
            prepare=prepare,
            explained="Every method spends the same number of passes, and the curve as many again.",
            is_done=get_reports().get(asked) is not None,
        )
    )
