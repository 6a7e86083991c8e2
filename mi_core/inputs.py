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
    tokens = read_protein(text)
    if mask is not None:
        tokens = sequence.apply_mask(tokens, sequence.parse_mask(mask, len(tokens), seed=seed))
    if not bool((tokens == model.vocab.mask_id).any()):
        raise InputError("Nothing of this sequence is masked; name residues with --mask, as in --mask 10-30,45 or all.")
    return tokens


def read_sequence(model: Model, text: str) -> Tensor:
    """Token ids (N,) of a sequence that is to be scored: as `read_input`, but nothing needs to be open.

    A board may break the rules: how unlikely the model finds it is then the question.

    Raises:
        InputError: it cannot be read.
    """
    if model.vocab is board.VOCAB:
        return board.parse(text, check=False)
    if model.vocab is sequence.VOCAB:
        return read_protein(text)
    return model.vocab.encode(text)


def read_protein(text: str) -> Tensor:
    """Token ids (N,) of a protein sequence, or of the first in the FASTA file that `text` names.

    Raises:
        InputError: it cannot be read.
    """
    return sequence.parse(_contents(text)).tokens


def read_positions(text: str, length: int) -> tuple[int, ...]:
    """0-based positions of `1-4,9` or `all`, counted from 1 as people do.

    Raises:
        InputError: no such pattern, or a position outside 1..N.
    """
    return tuple(sequence.parse_mask(text, length).nonzero()[:, 0].tolist())


def _contents(text: str) -> str:
    """The text itself, or that of the file it names."""
    try:
        path = Path(text)
        is_file = path.is_file()
    except (OSError, ValueError):  # a sequence can be too long for a file name
        is_file = False
    return read_text(path, limit=MAX_FASTA, what="sequence") if is_file else text
