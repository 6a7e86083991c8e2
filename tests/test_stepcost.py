"""What a step loses: against exact tables, and the order of its bounds."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core import catalog
from mi_core.errors import InputError
from mi_core.models import exact
from mi_core.models.exact import ExactModel
from mi_core.probing import probe
from mi_core.stepcost import gap_cost, step_cost, total_correlation
from mi_core.sudoku.board import parse


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_total_correlation_is_that_of_the_table(seed: int, count: int) -> None:
    table = exact.from_seed(seed, 4, 3)
    model, tokens = ExactModel(table), torch.full((4,), 3)
    positions = [2, 0, 3, 1][:count]
    log_probs = model(tokens[None]).log_probs[0]
    value, passes = total_correlation(model, tokens, positions, log_probs=log_probs, mass=1.0)
    assert value == pytest.approx(table.total_correlation(tokens, positions), abs=1e-10)
    assert passes <= sum(3**k for k in range(1, count))


@given(st.integers(0, 10_000))
def test_bounds_hold(seed: int) -> None:
    model, tokens = ExactModel(exact.from_seed(seed, 4, 3)), torch.full((4,), 3)
    truth = probe(model, tokens, mass=1.0)
    cost = step_cost(model, tokens, [0, 1, 3], log_probs=truth.log_probs, mi=truth.mi)
    assert cost.total_correlation is not None and cost.largest_mi is not None
    assert cost.largest_mi <= cost.total_correlation + 1e-9 <= cost.eb_bound + 2e-9


def test_xor_shows_what_pairs_do_not() -> None:
    model, tokens = ExactModel(exact.xor()), torch.tensor([2, 2, 2])
    truth = probe(model, tokens, mass=1.0)
    cost = step_cost(model, tokens, [0, 1, 2], log_probs=truth.log_probs, mi=truth.mi)
    assert cost.sum_mi == pytest.approx(0, abs=1e-12) and cost.eb_bound == pytest.approx(2 * math.log(2))
    assert cost.total_correlation == pytest.approx(math.log(2))
    assert cost.passes == 2 + 4


def test_one_position_loses_nothing_and_five_are_not_worked_out() -> None:
    model, tokens = catalog.load_model("sudoku"), parse("." * 81)
    log_probs = model(tokens[None]).log_probs[0]
    one = step_cost(model, tokens, [40], log_probs=log_probs)
    assert one.total_correlation == pytest.approx(0, abs=1e-12) and one.eb_bound == 0 and one.sum_mi is None
    assert step_cost(model, tokens, [0, 1, 2, 3, 4], log_probs=log_probs).total_correlation is None


def test_two_cells_of_a_row_lose_about_their_mi() -> None:
    model, tokens = catalog.load_model("sudoku"), parse("." * 81)
    truth = probe(model, tokens, mass=1.0, positions=torch.arange(81) < 2)
    cost = step_cost(model, tokens, [0, 1], log_probs=truth.log_probs, mi=truth.mi)
    assert cost.total_correlation == pytest.approx(truth.mi[0, 1].item(), abs=0.02) and cost.passes == 9


def test_a_cut_leaves_little_out() -> None:
    table = exact.from_seed(3, 4, 3)
    model, tokens = ExactModel(table), torch.full((4,), 3)
    log_probs = model(tokens[None]).log_probs[0]
    whole, passes = total_correlation(model, tokens, [0, 1, 2, 3], log_probs=log_probs, mass=1.0)
    cut, fewer = total_correlation(model, tokens, [0, 1, 2, 3], log_probs=log_probs, mass=0.99)
    assert fewer <= passes and cut == pytest.approx(whole, abs=0.06)


def test_what_is_not_open_cannot_be_committed() -> None:
    model, tokens = ExactModel(exact.xor()), torch.tensor([2, 0, 2])
    log_probs = model(tokens[None]).log_probs[0]
    for positions in ([1], [0, 0]):
        with pytest.raises(InputError, match="each of them once"):
            step_cost(model, tokens, positions, log_probs=log_probs)


def test_mi_plus_gap_of_the_chosen_alone() -> None:
    """A consistent model has no gap: the sum is that of MI, and only the chosen positions are probed."""
    model, tokens = ExactModel(exact.from_seed(5, 4, 3)), torch.full((4,), 3)
    truth = probe(model, tokens, mass=1.0)
    chosen = [0, 2, 3]
    value, passes = gap_cost(model, tokens, chosen, log_probs=truth.log_probs, mass=1.0)
    assert passes == 9
    expected = sum(truth.mi[i, j].item() for i, j in [(0, 2), (0, 3), (2, 3)])
    assert value == pytest.approx(expected, abs=1e-10)
    assert gap_cost(model, tokens, [1], log_probs=truth.log_probs)[0] == 0
