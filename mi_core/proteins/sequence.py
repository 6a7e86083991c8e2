"""Amino acid sequences as people write them: pasted letters, FASTA, and which positions are masked.

Positions are 0-based inside and 1-based in every text. The mask is `_`, as in the esm package: `.` and `-` mean gaps in
the alignment formats of this domain, so that a sequence written with them would be misread elsewhere.
"""

import re
from dataclasses import dataclass

import torch

from mi_core.errors import InputError
from mi_core.shapes import MaskRow, Row
from mi_core.vocab import Vocab

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
VOCAB = Vocab(tuple(AMINO_ACIDS), mask="_")

MIN_LENGTH = 3  # below it there is no pair with something between
MAX_LENGTH = 512  # residues; probing takes 20 passes for each masked one
MAX_TEXT = 200_000  # characters
OPEN_CHARACTERS = "_.?"
MASK_WORD = "<mask>"

_HINTS = {
    "X": "an unknown residue can be left open with '_'",
    "-": "remove gaps, or leave a residue open with '_'",
    "U": "selenocysteine is not among the 20; C is the nearest",
    "O": "pyrrolysine is not among the 20; K is the nearest",
    "B": "choose D or N",
    "Z": "choose E or Q",
    "J": "choose I or L",
}


@dataclass(frozen=True)
class Record:
    """A named sequence of the 20 letters and `_` where open."""

    name: str  # the first word behind '>', or "" for a pasted sequence
    letters: str
    note: str = ""  # one sentence where a choice was made for the reader

    @property
    def tokens(self) -> Row:
        """Token ids 0..19 and the mask, shape (N,)."""
        return VOCAB.encode(self.letters)


def parse(text: str, *, name: str | None = None) -> Record:
    """The sequence that `text` holds: letters alone, or FASTA.

    Lower case is read as upper case; white space, and one `*` at the end (stop), do not count. Open positions are
    `_`, `.`, `?` or `<mask>`.

    Args:
        name: which record of a FASTA text; the first if None, and the note then says so where there are several.

    Raises:
        InputError: text too long, malformed FASTA, no such record, an unknown letter, or not 3 to 512 residues.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"The text has {len(text)} characters; at most {MAX_TEXT} are allowed.")
    blocks = _blocks(text)
    chosen, note = (0, _first_note(blocks)) if name is None else (_index_of(name, blocks), "")
    title, body = blocks[chosen]
    return Record(title, _letters(body, title if len(blocks) > 1 else ""), note)


def parse_all(text: str) -> tuple[Record, ...]:
    """Every record of a FASTA text, as `parse` reads one.

    Raises:
        InputError: as `parse`.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"The text has {len(text)} characters; at most {MAX_TEXT} are allowed.")
    return tuple(Record(title, _letters(body, title)) for title, body in _blocks(text))


def _blocks(text: str) -> list[tuple[str, str]]:
    """Name and body of each record; a text without '>' is one record without a name."""
    text = re.sub(re.escape(MASK_WORD), VOCAB.mask, text.removeprefix("\ufeff").strip(), flags=re.IGNORECASE)
    if ">" not in text:
        return [("", text)]
    head, *parts = re.split(r"^[ \t]*>", text, flags=re.MULTILINE)
    if head.strip() or not parts:
        raise InputError("Malformed FASTA: a record begins with a line '>name', and this text begins otherwise.")
    blocks = []
    for number, part in enumerate(parts, start=1):
        title, _, body = part.partition("\n")
        name = (title.split() or [f"record {number}"])[0]
        if not body.strip():
            raise InputError(f"Malformed FASTA: record {name!r} has no sequence under its title line.")
        blocks.append((name, body))
    return blocks


def _first_note(blocks: list[tuple[str, str]]) -> str:
    return f"The text holds {len(blocks)} sequences; the first, {blocks[0][0]}, is shown." if len(blocks) > 1 else ""


def _index_of(name: str, blocks: list[tuple[str, str]]) -> int:
    names = [title for title, _ in blocks]
    if name not in names:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise InputError(f"There is no record {name!r} in this FASTA text; it holds {shown or 'one without a name'}.")
    return names.index(name)


def _letters(body: str, name: str) -> str:
    """Checked letters of one record, in the characters of VOCAB."""
    letters = "".join(body.split()).upper().removesuffix("*")
    letters = letters.translate(str.maketrans(OPEN_CHARACTERS, VOCAB.mask * len(OPEN_CHARACTERS)))
    where = f" of {name}" if name else ""
    if not letters:
        raise InputError(f"The sequence{where} is empty; paste amino acid letters ({AMINO_ACIDS}) or FASTA.")
    for position, letter in enumerate(letters, start=1):
        if letter not in VOCAB.symbols and letter != VOCAB.mask:
            hint = _HINTS.get(letter, f"known are {AMINO_ACIDS}, and '_' where open")
            raise InputError(f"Letter {letter!r} at position {position}{where} is no amino acid: {hint}.")
    if not MIN_LENGTH <= len(letters) <= MAX_LENGTH:
        raise InputError(
            f"The sequence{where} has {len(letters)} residues; {MIN_LENGTH} to {MAX_LENGTH} can be used, so "
            f"{'give a longer one' if len(letters) < MIN_LENGTH else 'cut out a domain'}."
        )
    return letters


# Which positions are masked


def parse_mask(pattern: str, length: int, *, seed: int = 0) -> MaskRow:
    """The positions that a pattern names, shape (N,), True where masked.

        10-30,45    1-based positions and ranges, both ends included
        all, none
        ratio:.5    half of the positions, rounded, drawn without replacement from `seed`

    Args:
        length: N, the residues of the sequence.

    Raises:
        InputError: no such pattern, a ratio outside [0, 1], or a position outside 1..N.
    """
    text = "".join(pattern.split()).lower()
    if text in {"all", "none"}:
        return torch.full((length,), text == "all")
    if text.startswith("ratio:"):
        return _drawn(text.removeprefix("ratio:"), length, seed)
    chosen = torch.zeros(length, dtype=torch.bool)
    for part in text.split(","):
        first, last = _bounds(part, length)
        chosen[first - 1 : last] = True
    return chosen


def _drawn(text: str, length: int, seed: int) -> MaskRow:
    if not re.fullmatch(r"(\d{1,9}(\.\d{0,9})?|\.\d{1,9})", text) or not 0 <= float(text) <= 1:
        raise InputError(f"A mask ratio is a number from 0 to 1, as in 'ratio:.5', not {text[:20]!r}.")
    order = torch.randperm(length, generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(length, dtype=torch.bool)
    chosen[order[: int(float(text) * length + 0.5)]] = True
    return chosen


def _bounds(part: str, length: int) -> tuple[int, int]:
    """First and last position (1-based) of `45` or `10-30`."""
    found = re.fullmatch(r"([0-9]{1,9})(?:[-\u2013]([0-9]{1,9}))?", part)
    if not found:
        raise InputError(f"{part[:20]!r} names no positions; write '10-30,45', 'all', 'none' or 'ratio:.5'.")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= length:
        raise InputError(f"Positions {part} do not lie in order within 1-{length}, the positions of this sequence.")
    return first, last


def format_mask(masked: MaskRow) -> str:
    """The shortest pattern of positions that `parse_mask` reads back: `10-30,45`, `all` or `none`. masked (N,)."""
    positions = [i + 1 for i, chosen in enumerate(masked.tolist()) if chosen]
    if len(positions) in {0, len(masked)}:
        return "all" if positions else "none"
    starts = [p for p in positions if p - 1 not in set(positions)]
    ends = [p for p in positions if p + 1 not in set(positions)]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def apply_mask(tokens: Row, masked: MaskRow) -> Row:
    """`tokens` (N,) with the mask where `masked` (N,) is True; what is open already stays open."""
    return tokens.masked_fill(masked, VOCAB.mask_id)
