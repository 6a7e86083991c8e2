"""The oracle itself: tables against dit, golden values, and the model protocol."""

import math

import dit
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable
from mi_core.models.protocol import Model

LN2 = math.log(2)


def row(*tokens: int) -> torch.Tensor:
    return torch.tensor(tokens)


def as_dit(table: JointTable) -> dit.Distribution:
    outcomes = [o for o in np.ndindex(*table.probs.shape) if table.probs[o] > 0]
    return dit.Distribution(outcomes, [float(table.probs[o]) for o in outcomes])


# ---- tables


@pytest.mark.parametrize("seed", range(5))
def test_a_random_table_agrees_with_dit(seed: int) -> None:
    table = exact.from_seed(seed, 3, 3)
    reference = as_dit(table)
    mi = table.mutual_information(row(3, 3, 3))
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert mi[i, j].item() == pytest.approx(dit.multivariate.coinformation(reference, [[i], [j]]) * LN2, abs=1e-9)
    assert table.entropy() == pytest.approx(dit.multivariate.entropy(reference) * LN2, abs=1e-9)
    total = dit.multivariate.total_correlation(reference) * LN2
    assert table.total_correlation(row(3, 3, 3)) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_conditional_mi_averages_to_that_of_dit(seed: int) -> None:
    """sum_z P(z) I(X0; X1 | X2 = z) is the conditional MI, which dit computes in one call."""
    table = exact.from_seed(seed, 3, 3)
    expected = dit.multivariate.coinformation(as_dit(table), [[0], [1]], [2]) * LN2
    average = sum(float(table.marginal([2])[z]) * float(table.mutual_information(row(3, 3, z))[0, 1]) for z in range(3))
    assert average == pytest.approx(expected, abs=1e-9)


def test_golden_values() -> None:
    table = exact.golden_table()
    mi = table.mutual_information(row(3, 3, 3, 3))
    given_x0 = table.mutual_information(row(0, 3, 3, 3))
    assert table.entropy() == pytest.approx(4.254952912417, abs=1e-12)
    assert table.total_correlation(row(3, 3, 3, 3)) == pytest.approx(0.138768254099, abs=1e-12)
    assert mi[0, 2].item() == pytest.approx(0.005748641110, abs=1e-12)
    assert mi[0, 1].item() == pytest.approx(0.001424302699, abs=1e-12)
    assert mi[1, 3].item() == pytest.approx(0.005709248750, abs=1e-12)
    assert given_x0[1, 2].item() == pytest.approx(4.4413569e-05, abs=1e-12)
    assert given_x0[1, 3].item() == pytest.approx(1.0867946e-05, abs=1e-12)
    assert -table.log_prob(row(0, 1, 2, 0)) == pytest.approx(5.078293942570, abs=1e-12)


def test_golden_log_prob_is_a_chain_of_the_models_conditionals() -> None:
    """ln P(x1, x3 | x0, x2) = -ln 21 by two passes through the protocol."""
    model = ExactModel(exact.golden_table())
    first = model(row(0, 3, 2, 3)[None]).log_probs[0, 1, 1]
    second = model(row(0, 1, 2, 3)[None]).log_probs[0, 3, 0]
    assert float(first + second) == pytest.approx(-math.log(21), abs=1e-12)
    table = model.table
    assert table.log_prob(row(0, 1, 2, 0)) - table.log_prob(row(0, 3, 2, 3)) == pytest.approx(-math.log(21), abs=1e-12)


def test_xor_hides_from_every_pair_until_a_bit_is_known() -> None:
    table = exact.xor()
    assert table.mutual_information(row(2, 2, 2)).abs().max().item() < 1e-12
    assert table.total_correlation(row(2, 2, 2)) == pytest.approx(LN2, abs=1e-12)
    assert table.mutual_information(row(1, 2, 2))[1, 2].item() == pytest.approx(LN2, abs=1e-12)


def test_copied_bits_depend_inside_a_pair_only() -> None:
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 1] = expected[1, 0] = expected[2, 3] = expected[3, 2] = LN2
    torch.testing.assert_close(exact.copied_bits(1.0).mutual_information(row(2, 2, 2, 2)), expected)
    half = exact.copied_bits(0.5).mutual_information(row(2, 2, 2, 2))[0, 1].item()  # a pair agrees with 3/4
    assert half == pytest.approx(LN2 + 0.75 * math.log(0.75) + 0.25 * math.log(0.25), abs=1e-12)


@pytest.mark.parametrize(("strength", "v"), [(0.3, 2), (0.7, 3), (1.0, 2)])
def test_total_correlation_of_a_chain_is_the_mi_of_its_links(strength: float, v: int) -> None:
    table = exact.chain(strength, n=4, v=v)
    context = row(v, v, v, v)
    links = table.mutual_information(context).diagonal(1).sum().item()
    assert table.total_correlation(context) == pytest.approx(links, abs=1e-12)


@pytest.mark.parametrize("build", [exact.copied_bits, exact.chain, exact.xor])
def test_strength_zero_is_independence(build) -> None:  # type: ignore[no-untyped-def]
    table = build(0.0)
    assert table.total_correlation(torch.full((table.length,), 2)) < 1e-12


def test_independent_is_the_product_of_its_marginals() -> None:
    table = exact.independent([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    assert table.probs[1, 0, 0].item() == pytest.approx(0.8 * 0.5 * 0.9)
    assert table.marginal([2, 0]).tolist() == [pytest.approx([0.18, 0.72]), pytest.approx([0.02, 0.08])]
    assert table.total_correlation(row(2, 2, 2)) < 1e-12


def test_revealed_positions_have_no_mi_and_add_no_correlation() -> None:
    table = exact.from_seed(1, 4, 3)
    mi = table.mutual_information(row(3, 1, 3, 3))
    assert mi[1].abs().sum() == 0 and mi.diagonal().abs().sum() == 0
    torch.testing.assert_close(mi, mi.T)
    assert table.total_correlation(row(3, 1, 3, 3), [1, 2]) == 0
    pair = table.total_correlation(row(3, 1, 3, 3), [0, 2])
    assert pair == pytest.approx(mi[0, 2].item(), abs=1e-12)


def test_an_impossible_context_is_answered_uniformly() -> None:
    table = exact.copied_bits(1.0)
    impossible = row(0, 1, 2, 2)
    assert table.log_prob(impossible) == -math.inf
    assert table.condition(impossible).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert ExactModel(table)(impossible[None]).log_probs[0, 2:].exp().tolist() == [pytest.approx([0.5, 0.5])] * 2


@pytest.mark.parametrize(
    ("weights", "word"),
    [
        (torch.tensor([[0.5, -0.1], [0.3, 0.3]]), "at least 0"),
        (torch.tensor([[0.5, math.nan], [0.3, 0.3]]), "finite"),
        (torch.tensor([[0.5, math.inf], [0.3, 0.3]]), "finite"),
        (torch.zeros(2, 2), "positive"),
        (torch.ones(2, 3), "same length"),
        (torch.ones(()), "one axis"),
        (torch.ones(1, 1), "at least 2"),
    ],
)
def test_bad_weights_are_refused_in_one_sentence(weights: torch.Tensor, word: str) -> None:
    with pytest.raises(InputError, match=word):
        JointTable(weights)


def test_tables_too_large_are_refused_before_they_are_made() -> None:
    for build in (lambda: exact.from_seed(0, 30, 4), lambda: exact.chain(0.5, n=40), lambda: exact.from_seed(0, 21, 2)):
        with pytest.raises(InputError, match="outcomes"):
            build()


@pytest.mark.parametrize("strength", [-0.1, 1.5, math.nan])
def test_a_strength_outside_0_and_1_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match=r"0\.\.1"):
        exact.xor(strength)


# ---- the protocol


@st.composite
def contexts(draw: st.DrawFn) -> tuple[int, int, list[list[int]]]:
    n, v = draw(st.sampled_from([(2, 4), (3, 3), (4, 2)]))
    tokens = draw(st.lists(st.lists(st.integers(0, v), min_size=n, max_size=n), min_size=1, max_size=5))
    return draw(st.integers(0, 10**6)), v, tokens


@settings(max_examples=40, deadline=None, derandomize=True)
@given(contexts())
def test_the_model_keeps_the_contract(case: tuple[int, int, list[list[int]]]) -> None:
    seed, v, rows = case
    tokens = torch.tensor(rows)
    table = exact.from_seed(seed, tokens.shape[1], v)
    model = ExactModel(table)
    assert isinstance(model, Model)
    output = model(tokens)
    assert output.log_probs.shape == (*tokens.shape, table.size) and output.log_probs.dtype == torch.float64
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(tokens.shape, dtype=torch.float64))
    revealed = tokens < table.size
    assert (output.log_probs[revealed].gather(-1, tokens[revealed][:, None]) == 0).all()
    assert torch.equal(model(tokens).log_probs, output.log_probs)
    for b in range(len(tokens)):
        alone = model(tokens[b : b + 1]).log_probs[0]
        torch.testing.assert_close(alone, output.log_probs[b], atol=1e-13, rtol=0)
    torch.testing.assert_close(output.hidden, output.log_probs.exp().float())


def test_a_conditional_is_the_ratio_of_two_joints() -> None:
    table = exact.from_seed(7, 3, 3)
    answer = ExactModel(table)(row(3, 2, 3)[None]).log_probs[0].exp()
    expected = table.marginal([0, 1])[:, 2] / table.marginal([1])[2]
    torch.testing.assert_close(answer[0], expected)


def test_symbols_name_the_tokens() -> None:
    model = ExactModel(exact.xor(), name="xor", symbols=("a", "b"))
    assert model.name == "xor" and model.vocab.decode(model.vocab.encode("ab.")) == "ab."
    with pytest.raises(InputError, match="2 symbols"):
        ExactModel(exact.xor(), symbols=("a", "b", "c"))


def test_wrong_tokens_are_refused() -> None:
    model = ExactModel(exact.xor())
    with pytest.raises(InputError, match="3 positions"):
        model(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(InputError, match=r"0\.\.2"):
        model(torch.tensor([[0, 1, 3]]))
    with pytest.raises(InputError, match=r"0\.\.2"):
        exact.xor().mutual_information(row(0, 1, -1))


def test_no_sequences_make_no_answers() -> None:
    assert ExactModel(exact.xor())(torch.zeros(0, 3, dtype=torch.int64)).log_probs.shape == (0, 3, 2)
