"""Entropies and divergences against scipy, dit and closed forms."""

import math

import dit
import numpy as np
import pytest
import torch
from scipy import stats

from mi_core import information

SEEDS = range(20)


def distribution(seed: int, *shape: int) -> torch.Tensor:
    """Random probabilities over all cells of `shape`, a third of them exactly 0."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(shape, generator=generator, dtype=torch.float64)
    weights[torch.rand(shape, generator=generator) < 1 / 3] = 0
    weights.view(-1)[0] = 1.0
    return weights / weights.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_entropy_agrees_with_scipy_also_where_a_symbol_is_impossible(seed: int) -> None:
    p = distribution(seed, 12)
    expected = stats.entropy(p.numpy())
    assert information.entropy_of(p).item() == pytest.approx(expected, abs=1e-13)
    assert information.entropy(p.log()).item() == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_divergence_agrees_with_scipy(seed: int) -> None:
    p, q = distribution(seed, 9), distribution(seed + 100, 9) + 0.01
    q = q / q.sum()
    assert information.kl_divergence(p, q).item() == pytest.approx(stats.entropy(p.numpy(), q.numpy()), abs=1e-13)


def test_kl_divergence_is_infinite_where_the_second_lacks_mass() -> None:
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    assert information.kl_divergence(p, q).item() == math.inf
    assert information.kl_divergence(q, p).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("seed", SEEDS)
def test_mutual_information_agrees_with_dit_and_scipy(seed: int) -> None:
    joint = distribution(seed, 4, 5)
    outer = joint.sum(1)[:, None] * joint.sum(0)[None]
    by_scipy = stats.entropy(joint.numpy().ravel(), outer.numpy().ravel())
    outcomes = [(i, j) for i, j in np.ndindex(4, 5) if joint[i, j] > 0]
    in_dit = dit.Distribution(outcomes, [float(joint[o]) for o in outcomes])
    by_dit = dit.multivariate.coinformation(in_dit, [[0], [1]]) * math.log(2)  # dit counts bits
    ours = information.mutual_information_of(joint).item()
    assert ours == pytest.approx(by_scipy, abs=1e-12)
    assert ours == pytest.approx(by_dit, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_js_divergence_is_the_square_of_scipys_distance_and_at_most_ln_two(seed: int) -> None:
    from scipy.spatial.distance import jensenshannon

    p, q = distribution(seed, 7), distribution(seed + 50, 7)
    ours = information.js_divergence(p, q).item()
    assert ours == pytest.approx(jensenshannon(p.numpy(), q.numpy()) ** 2, abs=1e-12)
    assert 0 <= ours <= math.log(2)


def test_batches_run_along_the_leading_axes() -> None:
    joints = torch.stack([distribution(seed, 3, 3) for seed in range(6)]).view(2, 3, 3, 3)
    together = information.mutual_information_of(joints)
    assert together.shape == (2, 3)
    assert together[1, 2].item() == information.mutual_information_of(joints[1, 2]).item()


def test_limits() -> None:
    assert information.binary_entropy(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0, math.log(2), 0])
    assert information.max_entropy(9) == pytest.approx(information.entropy_of(torch.full((9,), 1 / 9)).item(), abs=1e-6)
