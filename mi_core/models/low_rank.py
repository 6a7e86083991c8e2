"""An update of a network, kept as what it adds to the weights it was tuned from.

For a matrix W (m, n) of a block the file holds `left` (m, r) and `right` (r, n), and W + left right is what the tuned
network multiplies by (LoRA, arXiv 2106.09685); everything smaller holds its whole difference.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mi_core.errors import FormatError
from mi_core.weights import WeightsHeader, load_weights, save_weights

LEFT, RIGHT, CHANGE = ".left", ".right", ".change"


class LowRank(nn.Module):
    """W -> W + left right; starts as W itself."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.zeros(weight.shape[0], rank))
        self.right = nn.Parameter(torch.randn(rank, weight.shape[1]) * weight.shape[1] ** -0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """(m, n) -> (m, n)."""
        return weight + self.left @ self.right


def restrict(blocks: nn.Module, rank: int) -> None:
    """Let every matrix of `blocks` move in `rank` only, from where it is."""
    for layer in list(blocks.modules()):
        if isinstance(layer, nn.Linear):
            layer.weight.requires_grad_(False)
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))


def update_of(network: nn.Module, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a restricted network adds to the weights `before`, float32; what `before` lacks is left out."""
    out = {}
    for name, value in network.state_dict().items():
        layer, _, part = name.rpartition(".parametrizations.weight.")
        if layer and part != "original":
            out[f"{layer}.weight.{part.rpartition('.')[2]}"] = value
        elif not layer and name in before:
            out[name + CHANGE] = value - before[name]
    return out


def added(before: Mapping[str, Tensor], update: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The weights with the update added in.

    Raises:
        FormatError: names or shapes that do not fit.
    """
    tensors = dict(before)
    try:
        for name, value in update.items():
            if name.endswith(CHANGE):
                own = name.removesuffix(CHANGE)
                tensors[own] = _sum(tensors[own], value)
            elif name.endswith(LEFT):
                own = name.removesuffix(LEFT)
                tensors[own] = _sum(tensors[own], value.float() @ update[own + RIGHT].float())
    except (KeyError, RuntimeError) as error:
        raise FormatError(f"{path.name} holds an update that does not fit the network it names as its base.") from error
    return tensors


def _sum(weight: Tensor, change: Tensor) -> Tensor:
    if weight.shape != change.shape:
        raise KeyError("shape")
    return weight + change.float()


def write_update(
    path: Path,
    kind: str,
    update: Mapping[str, Tensor],
    base_file: Path,
    *,
    training: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Path:
    """Write the update in half precision, with the name and the hash of the file that it adds to."""
    config = {"base": base_file.name, "sha256": sha256(base_file)}
    header = WeightsHeader(kind, config, training=dict(training), metrics=dict(metrics))
    return save_weights(path, {name: value.half() for name, value in update.items()}, header)


def read_update(path: Path, kind: str, base_file: Path) -> dict[str, Tensor]:
    """The update of a weight file.

    Raises:
        InputError: no such file.
        FormatError: damaged, of another kind or version, or an update of other weights than these.
    """
    header, update = load_weights(path, kind)
    if header.config.get("sha256") != sha256(base_file):
        raise FormatError(
            f"{path.name} is an update of other weights than {base_file.name}; train it again from these "
            "(`python -m mi_core train finetune`)."
        )
    return dict(update)


def sha256(path: Path) -> str:
    """Of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
