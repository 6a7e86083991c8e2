"""The home page's example, against closed forms."""

import math

import pytest
import torch

from mi_core.errors import InputError, UnknownName
from mi_core.models.exact import ExactModel, from_seed
from mi_core.teaching import EXAMPLES, TOLERANCE, all_at_once, lesson, mi_guided, one_by_one, outcome_distribution

LN2 = math.log(2)


@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("example", EXAMPLES)
def test_probing_finds_the_exact_mi_and_pays_two_passes_a_bit(example: str, strength: float) -> None:
    shown = lesson(example, strength)
    assert shown.largest_error < 1e-10
    assert shown.probing_passes == 1 + 2 * len(shown.variables)
    assert (
        len(shown.outcomes) == 2 ** len(shown.variables) and shown.outcomes[1] == "0" * (len(shown.variables) - 1) + "1"
    )


@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("example", EXAMPLES)
def test_one_by_one_is_the_truth_and_all_at_once_loses_the_total_correlation(example: str, strength: float) -> None:
    shown = lesson(example, strength)
    single, parallel, guided = shown.decodings
    truth = EXAMPLES[example].build(strength).probs.flatten().tolist()
    assert single.probs == pytest.approx(truth, abs=1e-12)
    assert (single.lost, single.misplaced, single.impossible) == pytest.approx((0, 0, 0), abs=1e-12)
    assert parallel.lost == pytest.approx(shown.total_correlation, abs=1e-12)
    assert (single.passes, parallel.passes) == (len(shown.variables), 1)
    for way in shown.decodings:
        assert sum(way.probs) == pytest.approx(1, abs=1e-12)
    assert guided.lost <= parallel.lost + 1e-12 and guided.passes <= single.passes


def test_copied_pairs_are_saved_by_two_passes() -> None:
    _, parallel, guided = lesson("pairs", 1.0).decodings
    assert parallel.lost == pytest.approx(2 * LN2)
    assert parallel.misplaced == parallel.impossible == pytest.approx(0.75)
    assert (guided.passes, guided.lost) == (2, pytest.approx(0, abs=1e-12))
    shown = lesson("pairs", 1.0)
    assert shown.exact_mi[0][1] == shown.exact_mi[2][3] == pytest.approx(LN2)
    assert shown.exact_mi[0][2] == pytest.approx(0, abs=1e-12)
    assert "avoids all of the loss in 2 passes; one by one takes 4" in shown.verdict


def test_xor_is_invisible_to_pairs() -> None:
    shown = lesson("xor", 1.0)
    _, parallel, guided = shown.decodings
    assert shown.pairwise_sum < 1e-12 and shown.total_correlation == pytest.approx(LN2)
    assert guided.probs == parallel.probs and parallel.impossible == pytest.approx(0.5)
    assert "every pairwise MI is 0" in shown.verdict


def test_a_weak_chain_takes_two_passes_and_loses_the_mi_of_its_ends() -> None:
    shown = lesson("chain", 0.5)
    guided = shown.decodings[2]
    assert guided.passes == 2  # A and C, then B and D
    assert guided.lost == pytest.approx(shown.exact_mi[0][2], abs=1e-12)
    assert 0 < shown.exact_mi[0][2] < TOLERANCE < shown.exact_mi[0][1]
    assert (
        f"avoids {1 - guided.lost / lesson('chain', 0.5).total_correlation:.0%} of the loss"
        in lesson("chain", 0.5).verdict
    )


def test_in_a_certain_chain_the_first_bit_settles_the_rest() -> None:
    guided = lesson("chain", 1.0).decodings[2]
    assert (guided.passes, guided.lost) == (2, pytest.approx(0, abs=1e-12))


def test_no_coupling_needs_no_care() -> None:
    for example in EXAMPLES:
        shown = lesson(example, 0.0)
        assert shown.decodings[2].passes == 1 and shown.decodings[1].lost == pytest.approx(0, abs=1e-12)
        assert "Nothing is coupled" in shown.verdict


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_of_any_plan_is_the_correlation_inside_its_steps(seed: int) -> None:
    """KL(truth || drawn) adds up over steps: TC of what is drawn together, given what was drawn before."""
    table = from_seed(seed, 3, 2)
    plan = lambda model, tokens: [0, 2] if int(tokens[0]) == 2 else [1]  # noqa: E731
    drawn, passes = outcome_distribution(ExactModel(table), plan)
    lost = float((table.probs * (table.probs / drawn).log()).sum())
    assert passes == 2
    assert lost == pytest.approx(table.total_correlation(torch.tensor([2, 2, 2]), [0, 2]), abs=1e-12)


def test_rules_choose_open_positions_only() -> None:
    model, tokens = ExactModel(from_seed(0, 4, 2)), torch.tensor([2, 1, 2, 2])
    assert one_by_one(model, tokens) == [0]
    assert all_at_once(model, tokens) == [0, 2, 3]
    assert mi_guided(model, tokens) and set(mi_guided(model, tokens)) <= {0, 2, 3}


def test_the_csv_holds_a_line_for_each_outcome() -> None:
    lines = lesson("pairs", 1.0).to_csv().splitlines()
    assert lines[0] == "outcome,one by one,all at once,MI-guided"
    assert lines[1] == "0000,0.25,0.0625,0.25" and len(lines) == 17


def test_bad_requests_are_named() -> None:
    with pytest.raises(UnknownName, match="xor"):
        lesson("xnor", 0.5)
    with pytest.raises(InputError, match=r"0\.\.1"):
        lesson("xor", 1.2)
