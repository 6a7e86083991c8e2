"""A tuned Sudoku model, kept as what it adds to the weights it was tuned from: low-rank updates of the matrices.

For a matrix W (m, n) of a block the file holds `left` (m, r) and `right` (r, n), and W + left right is what the tuned
model multiplies by (LoRA, arXiv 2106.09685); smaller parameters hold their whole difference. Each diagonal gets an
embedding, zero in the base, as rows, columns and boxes have theirs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mi_core.errors import FormatError
from mi_core.models.sudoku import SudokuModel, SudokuNetwork, load_sudoku
from mi_core.weights import WeightsHeader, fill_network, load_weights, save_weights

KIND = "sudoku-update"
LEFT, RIGHT, CHANGE = ".left", ".right", ".change"


_MIX = 0.5 / 8**0.5 * torch.tensor([[1, 1, 1, 1, -1, -1, -1, -1, 0], [1, -1, 1, -1, 1, -1, 1, -1, 0]])
"""How much of each row's embedding, less the mean, either diagonal starts with: half of one in all, and orthogonal."""


class LowRank(nn.Module):
    """W -> W + left right; starts as W itself."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.zeros(weight.shape[0], rank))
        self.right = nn.Parameter(torch.randn(rank, weight.shape[1]) * weight.shape[1] ** -0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """(m, n) -> (m, n)."""
        return weight + self.left @ self.right


def tunable(base: SudokuNetwork, rank: int) -> SudokuNetwork:
    """A copy of `base` with an embedding of each diagonal; its matrices start as they are and move in `rank` only.

    The embeddings start as mixtures of the rows': heads that look for cells of their own row then look for cells of
    their own diagonal too, if faintly. From zero the gradient hardly moves them, and at random it moves slowly.
    """
    network = _with_diagonals(base)
    assert network.diagonal_embedding is not None
    rows = network.row_embedding.weight.detach()
    network.diagonal_embedding.weight.data = _MIX @ (rows - rows.mean(0))
    for block in network.blocks:
        for layer in block.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.requires_grad_(False)
                parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))
    return network


def _with_diagonals(base: SudokuNetwork) -> SudokuNetwork:
    """A trainable copy, the embeddings of the diagonals zero unless the base has some."""
    network = SudokuNetwork(replace(base.config, diagonals=True))
    missing, _ = network.load_state_dict(base.state_dict(), strict=False)
    assert set(missing) <= {"diagonal_embedding.weight"}
    return network


def update_of(network: SudokuNetwork, base: SudokuNetwork) -> dict[str, Tensor]:
    """What a network made by `tunable` adds to its base, float32; merged it is that network."""
    before, out = _with_diagonals(base).state_dict(), {}
    for name, value in network.state_dict().items():
        layer, _, part = name.rpartition(".parametrizations.weight.")
        if not layer:
            out[name + CHANGE] = value - before[name]
        elif part != "original":
            out[f"{layer}.weight.{part.rpartition('.')[2]}"] = value
    return out


def merged(base: SudokuNetwork, update: Mapping[str, Tensor], path: Path) -> SudokuNetwork:
    """The base with the update added in, an ordinary network.

    Raises:
        FormatError: names or shapes that do not fit the base.
    """
    network = _with_diagonals(base)
    tensors = dict(network.state_dict())
    try:
        for name, value in update.items():
            if name.endswith(CHANGE):
                tensors[name.removesuffix(CHANGE)] = _added(tensors[name.removesuffix(CHANGE)], value)
            elif name.endswith(LEFT):
                matrix = name.removesuffix(LEFT)
                tensors[matrix] = _added(tensors[matrix], value.float() @ update[matrix + RIGHT].float())
    except (KeyError, RuntimeError) as error:
        raise FormatError(f"{path.name} holds an update that does not fit the network it names as its base.") from error
    fill_network(network, tensors, path)
    return network


def _added(weight: Tensor, change: Tensor) -> Tensor:
    if weight.shape != change.shape:
        raise KeyError("shape")
    return weight + change.float()


def save_update(
    path: Path, network: SudokuNetwork, base_file: Path, *, training: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Path:
    """Write the update in half precision, with the name and the hash of the file that it adds to."""
    tensors = {name: value.half() for name, value in update_of(network, load_sudoku(base_file).network).items()}
    config = {"base": base_file.name, "sha256": sha256(base_file)}
    return save_weights(path, tensors, WeightsHeader(KIND, config, training=dict(training), metrics=dict(metrics)))


def load_tuned(path: Path, base_file: Path, *, name: str, low_precision: bool = False) -> SudokuModel:
    """The base with the update of a weight file.

    Raises:
        InputError: no such file.
        FormatError: damaged, of another kind or version, or an update of other weights than these.
    """
    header, update = load_weights(path, KIND)
    base = load_sudoku(base_file)
    if header.config.get("sha256") != sha256(base_file):
        raise FormatError(
            f"{path.name} is an update of other weights than {base_file.name}; train it again from these "
            "(`python -m mi_core train finetune`)."
        )
    return SudokuModel(merged(base.network, update, path), name=name, low_precision=low_precision)


def sha256(path: Path) -> str:
    """Of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
