"""The network that reads samples: what it promises by construction, that it learns, its file, its shipped weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core import catalog
from mi_core.cli.main import main
from mi_core.errors import FormatError, InputError
from mi_core.samples import gaussian_samples, noisy_copy, plug_in, table_samples
from mi_core.set_attention import KIND, NAME, SetAttention, SetConfig, load_set_attention, read_tables
from mi_core.training.set_attention import SetTraining, cut_normal, random_joint, score_samples, train_set_attention
from mi_core.weights import WeightsHeader, save_weights

SHIPPED = catalog.SET_ATTENTION_FILE


def _random() -> SetAttention:
    torch.manual_seed(0)
    return SetAttention(SetConfig(width=16, blocks=1)).eval()


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
@settings(max_examples=25)
def test_quantiles_ascend_and_neither_order_nor_names_of_symbols_matter(seed: int, a: int, b: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 5, size=(a, b)).astype(float) + np.eye(a, b)
    table = table[table.any(1)][:, table.any(0)]
    other = table[rng.permutation(len(table))][:, rng.permutation(table.shape[1])]
    network = _random()
    with torch.inference_mode():
        both = network(read_tables([table, other]))
        alone = network(read_tables([table]))
    assert (both[:, 1:] >= both[:, :-1]).all() and (both >= 0).all()
    torch.testing.assert_close(both[0], both[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=1e-5)


def test_random_tables_are_tables_of_every_strength() -> None:
    rng = np.random.default_rng(1)
    for make in (random_joint, cut_normal):
        found = [make(rng) for _ in range(60)]
        assert all(j.min() >= 0 and j.sum() == pytest.approx(1) for j in found)
        mi = [table_samples(j, 50, seed=1)[1] for j in found]
        assert min(mi) < 0.02 and max(mi) > 0.4


def test_it_learns_and_its_file_comes_back(tmp_path: Path) -> None:
    lines: list[str] = []
    out = tmp_path / "s.safetensors"
    small = SetConfig(width=16, blocks=1)
    network = train_set_attention(out, SetTraining(steps=100, batch=8), report=lines.append, config=small)
    losses = [float(line.split()[3]) for line in lines]
    assert losses[-1] < 0.95 * losses[0], losses
    samples, _ = table_samples(noisy_copy(5, 0.4), 100, seed=1)
    again = load_set_attention(out).estimate(samples)
    assert again.value == pytest.approx(network.estimate(samples).value, abs=5e-3), "half precision"


@pytest.mark.skipif(not SHIPPED.is_file(), reason="no set-attention weights ship with this copy")
def test_the_shipped_network_beats_the_classical_ones_where_samples_are_few() -> None:
    """And its intervals hold about nine in ten truths, also on a kind of table that it never saw."""
    rows = score_samples(load_set_attention(SHIPPED), tables=60, sizes=[50, 100], seed=5)
    assert len(rows) == 4
    for row in rows:
        assert row["rmse"][NAME] < 0.8 * min(v for name, v in row["rmse"].items() if name != NAME)
        assert row["coverage"] > 0.75


def test_columns_that_it_cannot_read_are_refused() -> None:
    network = _random()
    numbers, _ = gaussian_samples(50, correlation=0.5)
    with pytest.raises(InputError, match="reads symbols; cut numbers into parts first"):
        network.estimate(numbers)
    many, _ = table_samples(np.ones((60, 60)), 20_000, seed=1)
    assert not network.can_read(many)
    with pytest.raises(InputError, match="at most 1024 different pairs"):
        network.estimate(many)
    assert all(e.name != NAME for e in catalog.sample_estimates(many)) and plug_in(many.first, many.second) > 0


def test_a_bad_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    save_weights(path, {"x": torch.zeros(1)}, WeightsHeader(KIND, {"tables": 3}))
    with pytest.raises(FormatError, match="does not describe a set-attention network"):
        load_set_attention(path)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.safetensors"
    assert main(["train", "samples", "--steps", "2", "--out", str(out)]) == 0
    assert main(["bench", "samples", "--weights", str(out), "--tables", "2"]) == 0
    assert NAME in capsys.readouterr().out
