"""What an update changed, against tables whose every answer is known."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mi_core import differential
from mi_core.errors import Cancelled, InputError, MiCoreError
from mi_core.information import entropy_of, kl_divergence
from mi_core.likelihood import ask, exact_nll
from mi_core.likelihood.curves import draw_from
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable

X = torch.tensor([0, 1, 2])
REFERENCE = ExactModel(exact.from_seed(5, 3, 3), name="reference")
SIZE = 27


def updated() -> ExactModel:
    """Tuned to like equal ends: a coupling of positions 1 and 3 that the reference does not have."""
    bonus = torch.zeros(3, 3, 3, dtype=torch.float64)
    for v in range(3):
        bonus[v, :, v] = 1.5
    return ExactModel(JointTable(REFERENCE.table.probs * bonus.exp()), name="tuned")


TUNED = updated()
RATIO = TUNED.table.probs / REFERENCE.table.probs
Q = RATIO / RATIO.sum()


def exact_reward(tokens: Tensor, **sets: Any) -> float:
    new, old = (exact_nll(model, ask(model, tokens, **sets)) for model in (TUNED, REFERENCE))
    assert new is not None and old is not None
    return old - new


def test_the_reward_is_exact_and_its_attribution_sums_to_it() -> None:
    for sets in ({}, {"context": [1]}, {"target": [0, 2]}):
        found = differential.reward(TUNED, REFERENCE, ask(TUNED, X, **sets), samples=6)
        assert found.log_ratio == pytest.approx(exact_reward(X, **sets), abs=1e-10)
        assert float(found.contributions.sum()) == pytest.approx(found.log_ratio, abs=1e-12)


def test_the_attribution_falls_on_the_coupled_ends() -> None:
    found = differential.reward(TUNED, REFERENCE, ask(TUNED, torch.tensor([1, 0, 1])), samples=600)
    ends = found.contributions[[0, 2]]
    assert bool((ends > 0.1).all()) and float(found.contributions[1].abs()) < 0.15


def test_tuned_is_reference_times_q() -> None:
    again = REFERENCE.table.probs * Q
    assert torch.allclose(again / again.sum(), TUNED.table.probs, atol=1e-15)


def test_the_margin_is_the_difference_of_rewards() -> None:
    loser = torch.tensor([2, 1, 0])
    found = differential.preference_margin(TUNED, REFERENCE, ask(TUNED, X), loser, samples=5)
    assert found.log_ratio == pytest.approx(exact_reward(X) - exact_reward(loser), abs=1e-10)
    assert float(found.contributions.sum()) == pytest.approx(found.log_ratio, abs=1e-12)


def test_token_shift_is_the_ratio_of_marginals() -> None:
    found = differential.token_shift(TUNED, REFERENCE, torch.tensor([0, 3, 3]), floor=0.0)
    assert found.positions == (1, 2)
    state = torch.tensor([[0, 3, 3]])
    for row, position in enumerate(found.positions):
        p, r = (model(state).log_probs[0, position].exp() for model in (TUNED, REFERENCE))
        q = (p / r) / (p / r).sum()
        assert torch.allclose(found.q[row], q, atol=1e-12)
        assert float(found.entropy[row]) == pytest.approx(float(entropy_of(q)) / math.log(3))
        assert float(found.kl[row]) == pytest.approx(float(kl_divergence(p, r)))
    assert found.top("abc", 1)[1][0][0] == "a", "the end is drawn to its partner"


def test_rare_tokens_are_left_out_and_counted() -> None:
    old = ExactModel(exact.independent([[0.5, 0.4995, 0.0005]] * 2))
    new = ExactModel(exact.independent([[0.5, 0.4998, 0.0002]] * 2))
    found = differential.token_shift(new, old, torch.tensor([3, 3]))
    assert found.support[0].tolist() == [True, True, False] and float(found.q[0, 2]) == 0
    assert float(found.dropped[0]) == pytest.approx(0.0005)
    certain = ExactModel(exact.independent([[1.0, 0.0, 0.0]] * 2))
    assert float(differential.token_shift(certain, certain, torch.tensor([3, 3])).entropy[0]) == 1


def test_the_single_mutants_are_exact() -> None:
    found = differential.mutant_shift(TUNED, REFERENCE, ask(TUNED, X))
    support = [X.clone()]
    for i in range(3):
        for v in range(3):
            if v != int(X[i]):
                mutant = X.clone()
                mutant[i] = v
                support.append(mutant)
                assert float(found.rewards[i, v]) == pytest.approx(exact_reward(mutant) - exact_reward(X), abs=1e-10)
    assert found.size == len(support) == 7
    p, r = (torch.stack([m.table.probs[tuple(y.tolist())] for y in support]) for m in (TUNED, REFERENCE))
    q = (p / r) / (p / r).sum()
    assert found.q_self == pytest.approx(float(q[0]))
    assert float(found.q.sum()) == pytest.approx(1 - found.q_self)
    assert found.entropy == pytest.approx(float(entropy_of(q)) / math.log(7))
    assert found.kl == pytest.approx(float(kl_divergence(p / p.sum(), r / r.sum())))
    position, token, value = found.top(1)[0]
    assert value == pytest.approx(float(found.rewards.max())) and (position, token) in {(0, 2), (2, 0)}


def test_the_new_coupling_is_the_largest_change_of_the_map() -> None:
    found = differential.mi_change(TUNED, REFERENCE, torch.tensor([3, 3, 3]), mass=1.0)
    known = TUNED.table.mutual_information(torch.tensor([3, 3, 3]))
    known = known - REFERENCE.table.mutual_information(torch.tensor([3, 3, 3]))
    assert torch.allclose(found.difference, known, atol=1e-9)
    i, j, change, real = found.top_pairs(1)[0]
    assert (i, j, real) == (0, 2, True) and change > 0.1 and float(found.floor.max()) < 1e-9


def test_a_model_against_itself_changed_nothing() -> None:
    question, state = ask(TUNED, X), torch.tensor([3, 3, 3])
    tokens = differential.token_shift(TUNED, TUNED, state)
    mutants = differential.mutant_shift(TUNED, TUNED, question)
    assert differential.reward(TUNED, TUNED, question).log_ratio == 0
    assert torch.allclose(tokens.q, torch.full((3, 3), 1 / 3, dtype=torch.float64)) and not tokens.kl.any()
    assert torch.allclose(tokens.entropy, torch.ones(3, dtype=torch.float64))
    assert (mutants.entropy, mutants.kl) == (pytest.approx(1), pytest.approx(0, abs=1e-12))
    assert mutants.q_self == pytest.approx(1 / 7)
    assert not differential.mi_change(TUNED, TUNED, state).difference.any()
    assert not differential.mi_change(TUNED, TUNED, state).real.any()


def test_the_entropy_of_sequences_has_an_honest_error() -> None:
    rows = draw_from(TUNED.table, 4_000, seed=1)
    index = tuple(rows.T)
    new, old = TUNED.table.probs[index].log(), REFERENCE.table.probs[index].log()
    known = float(entropy_of(Q.flatten()))
    found = differential.sequence_entropy(new, old)
    assert abs(found.entropy - known) <= 4 * found.standard_error < 0.3
    scores = []
    for part in range(20):
        few = slice(200 * part, 200 * part + 200)
        one = differential.sequence_entropy(new[few], old[few])
        scores.append((one.entropy - known) / one.standard_error)
    assert 0.5 < torch.tensor(scores).std() < 1.8
    same = differential.sequence_entropy(old, old)
    assert abs(same.entropy - math.log(SIZE)) < 1


def test_too_few_effective_samples_are_refused() -> None:
    skewed = torch.tensor([-50.0, *[-1.0] * 99], dtype=torch.float64)
    with pytest.raises(InputError, match=r"effective size of 1\.0, under 10"):
        differential.sequence_entropy(skewed, skewed)
    with pytest.raises(InputError, match="finite"):
        differential.sequence_entropy(torch.tensor([-1.0, -math.inf]), torch.tensor([-1.0, -1.0]))


OTHER = ExactModel(exact.chain(), name="bits")
BAD = {
    "reward": lambda: differential.reward(TUNED, OTHER, ask(TUNED, X)),
    "margin": lambda: differential.preference_margin(TUNED, OTHER, ask(TUNED, X), X),
    "tokens": lambda: differential.token_shift(TUNED, OTHER, torch.tensor([3, 3, 3])),
    "mutants": lambda: differential.mutant_shift(TUNED, OTHER, ask(TUNED, X)),
    "map": lambda: differential.mi_change(TUNED, OTHER, torch.tensor([3, 3, 3])),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_models_of_different_symbols_are_refused(case: str) -> None:
    with pytest.raises(InputError, match="Models tuned and bits have different vocabularies"):
        BAD[case]()


def test_other_bad_input_is_one_sentence() -> None:
    with pytest.raises(MiCoreError, match="Nothing of this sequence is open"):
        differential.token_shift(TUNED, REFERENCE, X)
    with pytest.raises(MiCoreError, match="floor must lie"):
        differential.token_shift(TUNED, REFERENCE, torch.tensor([3, 3, 3]), floor=0.5)
    with pytest.raises(MiCoreError, match="same length"):
        differential.preference_margin(TUNED, REFERENCE, ask(TUNED, X), X[:2])
    with pytest.raises(Cancelled):
        differential.mutant_shift(TUNED, REFERENCE, ask(TUNED, X), cancel=lambda: True)
    copied = ExactModel(exact.copied_bits())
    with pytest.raises(InputError, match="single mutants probability 0"):
        differential.mutant_shift(copied, copied, ask(copied, torch.tensor([0, 0, 1, 1])))
