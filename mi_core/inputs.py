"""What `--input` means for a model: a board, a protein, a row of symbols; and what is masked of it."""

from pathlib import Path

from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.protocol import Model
from mi_core.proteins import sequence
from mi_core.proteins.files import MEGABYTE, read_text
from mi_core.sudoku import board

MAX_FASTA = 2 * MEGABYTE


def read_input(model: Model, text: str, *, mask: str | None = None, seed: int = 0) -> Tensor:
    """Token ids (N,) of what the user gave.

    Args:
        text: 81 characters for a Sudoku model; a sequence or the path of a FASTA file for a protein model; symbols of
            its vocabulary for any other.
        mask: the residues to open, `mi_core.proteins.sequence.parse_mask`; protein models only.
        seed: of a mask that is drawn.

    Raises:
        InputError: it cannot be read, or leaves nothing open.
    """
    if mask is not None and model.vocab is not sequence.VOCAB:
        raise InputError(f"--mask names residues of a protein; write what is open in the input of model {model.name}.")
    if model.vocab is board.VOCAB:
        return board.parse(text)
    if model.vocab is not sequence.VOCAB:
        return model.vocab.encode(text)
    tokens = sequence.parse(_contents(text)).tokens
    if mask is not None:
        tokens = sequence.apply_mask(tokens, sequence.parse_mask(mask, len(tokens), seed=seed))
    if not bool((tokens == model.vocab.mask_id).any()):
        raise InputError("Nothing of this sequence is masked; name residues with --mask, as in --mask 10-30,45 or all.")
    return tokens


def _contents(text: str) -> str:
    """The text itself, or that of the file it names."""
    try:
        path = Path(text)
        is_file = path.is_file()
    except (OSError, ValueError):  # a sequence can be too long for a file name
        is_file = False
    return read_text(path, limit=MAX_FASTA, what="sequence") if is_file else text
