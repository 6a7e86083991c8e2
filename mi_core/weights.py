"""Weight files that explain themselves: safetensors, with configuration, training data and metrics in the header.

No pickle anywhere, so a weight file from a stranger can be opened without running code from it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mi_core.errors import FormatError, InputError

SCHEMA = 1


@dataclass(frozen=True)
class WeightsHeader:
    """What a weight file says of itself."""

    kind: str  # which class reads it, e.g. "sudoku-mdm", "mi-head"
    config: dict[str, Any]  # the arguments that rebuild the network
    training: dict[str, Any] = field(default_factory=dict)  # data, seed, steps, hardware
    metrics: dict[str, Any] = field(default_factory=dict)  # measured on unseen data, with the command
    parameters: int = 0  # counted from the tensors when the file is written


def save_weights(path: Path, tensors: Mapping[str, Tensor], header: WeightsHeader) -> Path:
    """Write atomically: a reader never sees half a file."""
    metadata = {
        "schema": str(SCHEMA),
        "kind": header.kind,
        "config": json.dumps(header.config),
        "training": json.dumps(header.training),
        "metrics": json.dumps(header.metrics),
        "parameters": json.dumps(sum(tensor.numel() for tensor in tensors.values())),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part, metadata=metadata)
    os.replace(part, path)
    return path


def read_header(path: Path, kind: str) -> WeightsHeader:
    """The header alone, without the weights.

    Raises:
        InputError: no such file.
        FormatError: not a safetensors file, or one of another kind or version.
    """
    return _read(path, kind, with_tensors=False)[0]


def load_weights(path: Path, kind: str) -> tuple[WeightsHeader, dict[str, Tensor]]:
    """Header and weights. Raises as `read_header`."""
    return _read(path, kind, with_tensors=True)


def read_any(path: Path, kind: str) -> tuple[WeightsHeader | None, dict[str, Tensor]]:
    """Tensors of a foreign `.safetensors` or `.pth` file (without a header of ours), or of a file of `kind`.

    A `.pth` is unpickled for tensors alone (`weights_only`): it cannot run code.

    Raises:
        InputError: no such file.
        FormatError: not a weight file, or one of another kind or version.
    """
    if not path.is_file():
        raise InputError(f"There is no weight file at {path}.")
    if path.suffix == ".safetensors":
        header = _read(path, kind, with_tensors=True) if _is_ours(path) else None
        return header or (None, load_file(path))
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged or hostile file makes the reader raise anything
        raise FormatError(f"{path.name} is not a readable weight file (damaged, cut short, or not tensors).") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise FormatError(f"{path.name} does not hold a state dict (names and tensors).")
    return None, tensors


def _is_ours(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return "kind" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return True  # let the usual reader say what is wrong


def fill_network(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put `tensors` into `network`.

    Raises:
        FormatError: names or shapes differ from those of the network.
    """
    try:
        network.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        raise FormatError(
            f"{path.name} holds weights that do not fit the configuration in its own header; "
            "train or download the file again."
        ) from error


def _read(path: Path, kind: str, *, with_tensors: bool) -> tuple[WeightsHeader, dict[str, Tensor]]:
    if not path.is_file():
        raise InputError(f"There is no weight file at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}
    except (SafetensorError, OSError) as error:
        raise FormatError(
            f"{path.name} is not a readable safetensors file (damaged or cut short); train or download it again."
        ) from error
    found = (metadata.get("kind"), metadata.get("schema"))
    if found != (kind, str(SCHEMA)):
        raise FormatError(
            f"{path.name} holds {found[0] or 'weights of unknown kind'} (version {found[1] or 'none'}); "
            f"expected {kind} (version {SCHEMA})."
        )
    try:
        parts = {name: json.loads(metadata[name]) for name in ("config", "training", "metrics", "parameters")}
    except (KeyError, json.JSONDecodeError) as error:
        raise FormatError(f"The header of {path.name} is damaged; train or download the file again.") from error
    return WeightsHeader(kind=kind, **parts), tensors
