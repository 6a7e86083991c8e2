"""Tuned models: a base and a low-rank update of it. The Sudoku one learns what a diagonal is, the ESM-C one a family.

Each diagonal gets an embedding, zero in the base, as rows, columns and boxes have theirs.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.esmc import EsmcModel, load_esmc_file
from mi_core.models.low_rank import added, read_update, restrict, update_of, write_update
from mi_core.models.sudoku import SudokuModel, SudokuNetwork, load_sudoku
from mi_core.weights import fill_network

SUDOKU_KIND, ESMC_KIND = "sudoku-update", "esmc-update"

_MIX = 0.5 / 8**0.5 * torch.tensor([[1, 1, 1, 1, -1, -1, -1, -1, 0], [1, -1, 1, -1, 1, -1, 1, -1, 0]])
"""How much of each row's embedding, less the mean, either diagonal starts with: half of one in all, and orthogonal."""


def with_diagonals(base: SudokuNetwork) -> SudokuNetwork:
    """A trainable copy, the embeddings of the diagonals zero unless the base has some."""
    network = SudokuNetwork(replace(base.config, diagonals=True))
    missing, _ = network.load_state_dict(base.state_dict(), strict=False)
    assert set(missing) <= {"diagonal_embedding.weight"}
    return network


def tunable_sudoku(base: SudokuNetwork, rank: int) -> SudokuNetwork:
    """A copy of `base` with an embedding of each diagonal; its matrices start as they are and move in `rank` only.

    The embeddings start as mixtures of the rows': heads that look for cells of their own row then look for cells of
    their own diagonal too, if faintly. From zero the gradient hardly moves them, and at random it moves slowly.
    """
    network = with_diagonals(base)
    assert network.diagonal_embedding is not None
    rows = network.row_embedding.weight.detach()
    network.diagonal_embedding.weight.data = _MIX @ (rows - rows.mean(0))
    restrict(network.blocks, rank)
    return network


def merged_sudoku(base: SudokuNetwork, update: Mapping[str, Tensor], path: Path) -> SudokuNetwork:
    """The base with the update added in, an ordinary network.

    Raises:
        FormatError: names or shapes that do not fit the base.
    """
    network = with_diagonals(base)
    fill_network(network, added(network.state_dict(), update, path), path)
    return network


def save_sudoku_update(
    path: Path, network: SudokuNetwork, base_file: Path, *, training: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Path:
    """Write what a `tunable_sudoku` network adds to the model of `base_file`."""
    update = update_of(network, with_diagonals(load_sudoku(base_file).network).state_dict())
    return write_update(path, SUDOKU_KIND, update, base_file, training=training, metrics=metrics)


def load_tuned_sudoku(path: Path, base_file: Path, *, name: str, low_precision: bool = False) -> SudokuModel:
    """The base with the update of a weight file; raises as `read_update`."""
    update = read_update(path, SUDOKU_KIND, base_file)
    network = merged_sudoku(load_sudoku(base_file).network, update, path)
    return SudokuModel(network, name=name, low_precision=low_precision)


def load_tuned_esmc(path: Path, base_file: Path, *, name: str) -> EsmcModel:
    """An ESM-C with the update of a weight file.

    Raises:
        InputError: no such file, or no base file.
        FormatError: as `read_update`.
    """
    if not base_file.is_file():
        raise InputError(f"{path.name} adds to {base_file.name}, which is not there; train that first.")
    update = read_update(path, ESMC_KIND, base_file)
    network = load_esmc_file(base_file, name=name).network
    fill_network(network, added(network.state_dict(), update, path), path)
    return EsmcModel(network, name=name)
