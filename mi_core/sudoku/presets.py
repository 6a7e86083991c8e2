"""Boards to begin with: a few chosen ones, each with the reason, and random draws from the shipped sets."""

import random
from dataclasses import dataclass
from functools import lru_cache

import torch

from mi_core.errors import UnknownName
from mi_core.shapes import Row
from mi_core.sudoku.board import CELLS, VOCAB, parse
from mi_core.sudoku.difficulty import SINGLES
from mi_core.sudoku.sets import SETS, load_set


@dataclass(frozen=True)
class Preset:
    """A named board."""

    name: str
    title: str
    why: str  # one sentence for the reader: what to look for
    text: str  # 81 characters

    @property
    def tokens(self) -> Row:
        """Token ids 0..8 and the mask, shape (81,)."""
        return parse(self.text)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "easy",
            "Easy: one candidate at a time",
            "Some cell always has a single candidate, so beliefs are sharp and pairs hardly depend on each other.",
            ".6..1..3...4.63....13..27.6..832...55..94.1.3...67.92..2.8.63...861.725913.29....",
        ),
        Preset(
            "hard",
            "Hard: an X-wing",
            "It has one solution, yet a person needs an X-wing to find it: the clue lies in how four cells depend on "
            "each other, not in any one of them.",
            "1....86....8...1..4...739.8...2.6..4..34.9.6..4..3.....7......6..28...1..1.6.47.5",
        ),
        Preset(
            "rectangle",
            "Two solutions: a deadly rectangle",
            "Cells r4c6, r4c9, r5c6 and r5c9 hold 1 and 9 in one of two ways: each is a fair coin alone, and knowing "
            "one tells the other three, so each pair shares ln 2 = 0.693 nats.",
            "5.4..78.68..1..97....59.4..4.....23.2.8.5.6...1..4...7..7....921..83276..42..6...",
        ),
        Preset(
            "several",
            "Fourteen solutions",
            "Of the 55 open cells 22 are settled and 33 are not, and these move together: guessing several at once "
            "from their own beliefs alone mixes grids that do not fit.",
            "63.9.8..2.......6.......5..91..7..5..4.2.1..6..7.5.8.....31...5.......811..5...9.",
        ),
        Preset(
            "empty",
            "Empty board",
            "Nothing is known, so what is left is the rules: 810 pairs of cells share a row, column or box.",
            VOCAB.mask * CELLS,
        ),
    )
}

KINDS = ("easy", "hard", "several", "empty")


def random_preset(kind: str, seed: int) -> Row:
    """A shipped board of that kind, the same for the same seed, as token ids (81,).

    Easy: 40-49 open cells. Hard: 50-59, and singles alone do not solve it. Several: more than one solution.

    Raises:
        UnknownName: a kind that is not in `KINDS`.
    """
    if kind not in KINDS:
        raise UnknownName("kind of board", kind, KINDS)
    if kind == "empty":
        return torch.full((CELLS,), VOCAB.mask_id)
    return parse(random.Random(seed).choice(_boards(kind)), check=False)


@lru_cache(maxsize=len(KINDS))
def _boards(kind: str) -> tuple[str, ...]:
    """The boards of a kind as text, read once."""
    name = {"easy": "unique_40_49", "hard": "unique_50_59", "several": "several"}[kind]
    source = load_set(SETS[name])
    return tuple(
        VOCAB.decode(tokens)
        for tokens, technique in zip(source.puzzles, source.techniques, strict=True)
        if kind != "hard" or technique not in SINGLES
    )
