"""The ground truth of the Sudoku page: settings, and a run in the background with progress and cancel."""

from mi_core import probing
from mi_core.sudoku.board import VOCAB, parse
from pages.ui import cached, probe_controls
from pages.ui.cached import ProbeKey

BATCH = 27
MASSES = ("1", "0.999", "0.99", "0.95", "0.9")


def settings(board: str) -> ProbeKey:
    """The widgets of form and mass."""
    form, mass = probe_controls.settings(
        "su",
        MASSES,
        "0.99",
        "Each cell tries its likeliest digits until they carry this much probability. Below 1 saves passes; "
        "the certified width says how far any pair can be from full probing.",
    )
    return board, form, mass


def controls(key: ProbeKey) -> None:
    """The button, or progress and Cancel while it runs."""
    passes = probing.full_passes(key[0].count(VOCAB.mask), VOCAB.size)
    explained = f"Tries the digits of every open cell in turn: at most {passes} passes."
    tokens = parse(key[0], check=False)
    probe_controls.controls("su", key, tokens, cached.get_model, batch=BATCH, explained=explained)
