"""What the Sudoku model is trained on: complete grids under the symmetries of the game, masked in two ways."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mi_core.sudoku import generator
from mi_core.sudoku.difficulty import TECHNIQUES, rate, stuck

_EASY = TECHNIQUES.index("locked candidates")
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Symmetries = Callable[[np.random.Generator, int], tuple[Ints, Ints]]
"""`count` random symmetries: the cell that goes to each place (.., 81), each new digit (.., 9)."""


@dataclass(frozen=True)
class GridSet:
    """Base grids, each with the clues of one uniquely solvable puzzle of it."""

    grids: NDArray[np.uint8]  # (K, 81), digits 1..9
    clues: Bools  # (K, 81)
    hard: Bools  # (K,) the puzzle needs more than singles and locked candidates
    stuck: Bools  # (K, 81) the cells that no listed technique fills; none where the puzzle yields to them

    @classmethod
    def generate(cls, count: int, *, seed: int) -> "GridSet":
        """`count` grids with puzzles of 45 to 60 open cells (about 5 ms each)."""
        boards, grids = generator.puzzles(count, low=45, high=60, seed=seed, tries=1)
        hard = np.array([rate(board.tolist()).level > _EASY for board in boards])
        open_still = np.zeros((len(boards), 81), dtype=np.bool_)
        for k in np.flatnonzero(hard):
            open_still[k] = stuck(boards[k].tolist())
        return cls(grids, boards > 0, hard, open_still)

    @classmethod
    def cached(cls, path: Path, count: int, *, seed: int, make: "Callable[..., GridSet] | None" = None) -> "GridSet":
        """As `generate`, or as another maker of grid sets, kept in `path` so that a resumed run starts at once."""
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                if "stuck" in file and int(file["seed"]) == seed and len(file["grids"]) == count:
                    return cls(file["grids"], file["clues"], file["hard"], file["stuck"])
        made = (make or cls.generate)(count, seed=seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path, grids=made.grids, clues=made.clues, hard=made.hard, stuck=made.stuck, seed=np.int64(seed)
        )
        return made


def _line_permutations(rng: np.random.Generator, count: int) -> Ints:
    """Random orders of nine rows that keep the bands together, (count, 9)."""
    band = np.argsort(rng.random((count, 3)), axis=1)
    inner = np.argsort(rng.random((count, 3, 3)), axis=2)
    return (band[:, :, None] * 3 + inner).reshape(count, 9)


def random_symmetries(rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
    """`count` random symmetries of the game: the cell that goes to each place (.., 81), each new digit (.., 9)."""
    rows, columns = _line_permutations(rng, count), _line_permutations(rng, count)
    cell = rows[:, :, None] * 9 + columns[:, None, :]
    flip = rng.random(count) < 0.5
    cell[flip] = cell[flip].transpose(0, 2, 1)
    return cell.reshape(count, 81), np.argsort(rng.random((count, 9)), axis=1)


def symmetric_copies(
    rng: np.random.Generator, grids: Ints, *marks: Bools, symmetries: Symmetries = random_symmetries
) -> tuple[Ints, list[Bools]]:
    """Each grid under a random symmetry of the game: digits, rows, columns, bands, stacks, transposition.

    Args:
        grids: (K, 81) digits 1..9.
        marks: sets of cells (K, 81), such as the clues, moved along with the cells.
        symmetries: of another game, where it has fewer.

    Returns:
        Token ids 0..8 (K, 81), and the sets moved.
    """
    cell, digits = symmetries(rng, len(grids))
    moved = np.take_along_axis(grids, cell, axis=1)
    return np.take_along_axis(digits, moved - 1, axis=1), [np.take_along_axis(mark, cell, axis=1) for mark in marks]


def training_states(
    rng: np.random.Generator,
    data: GridSet,
    count: int,
    *,
    solving: float,
    hard: float = 0.0,
    symmetries: Symmetries = random_symmetries,
) -> tuple[Ints, Bools, Bools]:
    """Token ids (count, 81), the open cells of a training state, and which states are solving states (count,).

    A share `solving` of the states are puzzles part-way to their solution: the clues of a unique puzzle and a random
    part (U cubed, so mostly small) of the rest; a share `hard` of these come from hard puzzles. Where a puzzle defies
    the listed techniques, half of its states show everything that those fill: that is where decoding goes wrong. The
    others are masked at random with a ratio drawn from U[0, 1].
    """
    pick = rng.integers(0, len(data.grids), count)
    is_solving = rng.random(count) < solving
    if data.hard.any():
        from_hard = rng.choice(np.flatnonzero(data.hard), count)
        pick = np.where(is_solving & (rng.random(count) < hard), from_hard, pick)
    tokens, (clues, still) = symmetric_copies(
        rng, data.grids[pick].astype(np.int64), data.clues[pick], data.stuck[pick], symmetries=symmetries
    )
    share = rng.random(count)
    share = np.where(is_solving, share**3, share)
    shown = rng.random((count, 81)) < share[:, None]
    shown |= is_solving[:, None] & clues
    at_the_wall = is_solving & still.any(axis=1) & (rng.random(count) < 0.5)
    shown[at_the_wall] |= ~still[at_the_wall]
    shown[shown.all(axis=1), 0] = False  # at least one open cell
    return tokens, ~shown, is_solving
