"""Weight files: what goes in comes out, and what is damaged is refused in one sentence."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mi_core.errors import FormatError, InputError
from mi_core.weights import WeightsHeader, fill_network, load_weights, read_header, save_weights

HEADER = WeightsHeader("thing", {"width": 3}, {"seed": 1}, {"r2": 0.5})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_weights(tmp_path / "thing.safetensors", {"weight": torch.arange(6.0).reshape(2, 3)}, HEADER)


def test_round_trip(saved: Path) -> None:
    header, tensors = load_weights(saved, "thing")
    assert (header.config, header.training, header.metrics) == ({"width": 3}, {"seed": 1}, {"r2": 0.5})
    assert header.parameters == 6 == read_header(saved, "thing").parameters
    assert torch.equal(tensors["weight"], torch.arange(6.0).reshape(2, 3))
    assert list(saved.parent.iterdir()) == [saved], "no half-written file is left"


def test_another_kind_is_named(saved: Path) -> None:
    with pytest.raises(FormatError, match=r"holds thing .* expected mi-head"):
        load_weights(saved, "mi-head")


@pytest.mark.parametrize("keep", [0, 4, 20, 200, -1])
def test_a_cut_file_is_refused(saved: Path, keep: int) -> None:
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"thing\.safetensors"):
        load_weights(saved, "thing")


def test_foreign_bytes_and_missing_files(tmp_path: Path) -> None:
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"\x80\x04\x95 this is no weight file" * 20)
    with pytest.raises(FormatError, match="not a readable safetensors file"):
        load_weights(junk, "thing")
    with pytest.raises(InputError, match="no weight file"):
        load_weights(tmp_path / "absent.safetensors", "thing")
    bare = tmp_path / "bare.safetensors"
    save_file({"weight": torch.zeros(1)}, bare)
    with pytest.raises(FormatError, match="unknown kind"):
        load_weights(bare, "thing")
    broken = tmp_path / "broken.safetensors"
    save_file({"weight": torch.zeros(1)}, broken, metadata={"kind": "thing", "schema": "1", "config": "{"})
    with pytest.raises(FormatError, match="header"):
        load_weights(broken, "thing")


def test_weights_that_do_not_fit(saved: Path) -> None:
    _, tensors = load_weights(saved, "thing")
    with pytest.raises(FormatError, match="do not fit the configuration"):
        fill_network(nn.Linear(5, 5), tensors, saved)
