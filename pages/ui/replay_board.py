"""What the replay says of a Sudoku board: names, clashes and how the run ended. No streamlit here."""

from mi_core.decoding import DecodeTrace
from mi_core.postmortem import ClashCause, Outcome, outcome, post_mortem
from mi_core.sudoku.board import CELLS, cell_name
from pages.ui.replay_payload import About, Json, Words, run_payload

WORDS = Words(
    whole="Sudoku board",
    one="cell",
    many="cells",
    symbol="digit",
    start="Small digits are what the model believes of each open cell now, the likelier the larger; the tint is the "
    "cell's entropy.",
    legend="Ring: committed in this step. Small number: the step that filled the cell. Lines: MI of the strongest "
    "pairs committed together. Tint of an open cell: its entropy. ✕ hatched: clash. ↶ dotted: taken back. "
    "≠ differs from the only solution.",
)


def board_run(trace: DecodeTrace) -> Json:
    """One run, for the browser.

    Raises:
        FormatError: the trace is not one of a Sudoku board.
    """
    causes, end = post_mortem(trace), outcome(trace)
    together = sum(cause.together for cause in causes)
    about = About(
        kind="board",
        names=[cell_name(cell) for cell in range(CELLS)],
        words=WORDS,
        facts=[
            ["Board", "✓ valid" if end.valid else "✕ not valid", verdict(end, len(causes))],
            ["Clashes", len(causes), f"{together} committed together, {len(causes) - together} not"],
        ],
        tag="✕ clash",
        tagged=[[cause.first, cause.second] for cause in causes],
        clashes=[_clash(cause) for cause in causes],
        wrong=list(end.wrong),
        lost_at=end.lost_at,
    )
    return run_payload(trace, about)


def _clash(cause: ClashCause) -> Json:
    return {
        "first": cause.first,
        "second": cause.second,
        "digit": cause.digit,
        "unit": cause.unit,
        "step": cause.step,
        "together": cause.together,
        "text": clash_text(cause),
    }


def clash_text(cause: ClashCause) -> str:
    """What clashed, when, and whether dependence is to blame."""
    pair = f"{cell_name(cause.first)} and {cell_name(cause.second)} both {cause.digit} ({cause.unit})"
    if cause.step is None:
        return f"{pair}: both given."
    if cause.together:
        mi = "MI was not recorded" if cause.mi is None else f"their MI then was {cause.mi:.3f} nats"
        return f"{pair}: committed together in step {cause.step + 1}; {mi}."
    if None in (cause.step_first, cause.step_second):
        return f"{pair}: step {cause.step + 1} contradicts a given digit. Not a matter of dependence: the model erred."
    early, late = sorted((cause.step_first or 0, cause.step_second or 0))
    return (
        f"{pair}: committed in different steps ({early + 1} and {late + 1}). "
        "Not a matter of dependence: the model itself erred."
    )


def verdict(end: Outcome, clashes: int) -> str:
    """What to say beside "valid" or "not valid"."""
    if end.solved:
        return "Equal to the only solution."
    if end.valid:
        return "One of several solutions."
    found = f"{clashes} clash" if clashes == 1 else f"{clashes} clashes" if clashes else "Not complete"
    return f"{found}; {len(end.wrong)} cells differ from the only solution." if end.wrong else f"{found}."
