"""Likelihood estimators against closed-form tables: golden values, unbiasedness, intervals, bad input."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mi_core.errors import Cancelled, InputError, MiCoreError, SettingError, UnknownName
from mi_core.likelihood import METHODS, Question, ask, estimate, exact_nll, get_method, log_ratio, model_log_ratio, race
from mi_core.likelihood.curves import every_mask, mean_over_orders
from mi_core.likelihood.methods import Draws, default_method, harmonic, uniform_k
from mi_core.likelihood.question import surprises
from mi_core.models import exact
from mi_core.models.exact import ExactModel
from mi_core.models.protocol import ModelOutput, clamp_revealed

X, Y = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 1, 0])
NLL = 5.078293942570
RATIO = 1.098612288668


class Noisy:
    """An exact model whose logits are disturbed, the same for the same state: its conditionals do not agree."""

    def __init__(self, model: ExactModel, scale: float, seed: int = 0) -> None:
        self.inner, self.scale = model, scale
        self.name, self.vocab, self.device, self.length = "noisy", model.vocab, model.device, model.length
        states = (model.vocab.size + 1) ** (model.length or 1)
        generator = torch.Generator().manual_seed(seed)
        shape = (states, model.length or 1, model.vocab.size)
        self.noise = torch.randn(shape, generator=generator, dtype=torch.float64)

    def __call__(self, tokens: Tensor) -> ModelOutput:
        out = self.inner(tokens)
        powers = (self.vocab.size + 1) ** torch.arange(tokens.shape[1])
        logits = out.log_probs.clamp_min(-700) + self.scale * self.noise[(tokens * powers).sum(-1)]
        log_probs = clamp_revealed(logits.log_softmax(-1), tokens, self.vocab)
        return ModelOutput(log_probs, out.hidden)


@pytest.fixture(scope="module")
def golden() -> ExactModel:
    return ExactModel(exact.golden_table())


def forgetful(targets: int, terms: int, generator: torch.Generator) -> Draws:
    """The published sampler's fault: every target is never hidden at once, and the scale is that of Eq. 15."""
    chances = 1 / torch.arange(1, targets, dtype=torch.float64)
    size = 1 + torch.multinomial(chances, terms, replacement=True, generator=generator)
    rank = torch.rand(terms, targets, generator=generator).argsort(-1).argsort(-1)
    hidden = rank < size[:, None]
    weight = torch.full((terms,), harmonic(targets), dtype=torch.float64)
    return Draws(hidden, hidden, weight, torch.arange(terms), terms)


def terms_of(model: ExactModel, question: Question, draws: Draws) -> Tensor:
    """Every term; each set is asked about once, so that many terms are cheap."""
    hidden, known = every_mask(model, question)
    code = 2 ** torch.arange(hidden.shape[1])
    table = torch.zeros(2 ** hidden.shape[1], hidden.shape[1], dtype=torch.float64)
    table[(hidden * code).sum(-1)] = known
    return draws.total(table[(draws.hidden * code).sum(-1)]).sum(-1)


# ---- golden values


def test_the_golden_likelihood(golden: ExactModel) -> None:
    assert exact_nll(golden, ask(golden, X)) == pytest.approx(NLL, abs=1e-11)


def test_the_golden_sums_by_size(golden: ExactModel) -> None:
    hidden, surprise = every_mask(golden, ask(golden, X))
    size = hidden.sum(-1)
    means = [float(surprise[size == m].sum(-1).mean()) for m in range(1, 5)]
    assert means == pytest.approx([1.7566344537, 2.2705442704, 3.2836766513, 4.3673138795], abs=1e-9)
    assert sum(mean / m for m, mean in enumerate(means, 1)) == pytest.approx(NLL, abs=1e-11)
    assert mean_over_orders(hidden, surprise) == pytest.approx(NLL, abs=1e-11)


@pytest.mark.parametrize(
    ("method", "variance", "rel"),
    [("time-free", 3.52062611, 0.01), ("uniform-k", 1.41228872, 0.01), ("time-integral", 61.331332, 0.2)],
)
def test_the_golden_variances(golden: ExactModel, method: str, variance: float, rel: float) -> None:
    draws = get_method(method).draw(4, 1_000_000, torch.Generator().manual_seed(1))
    terms = terms_of(golden, ask(golden, X), draws)
    assert float(terms.var()) == pytest.approx(variance, rel=rel)
    bias = -0.00702281 if method == "time-integral" else 0.0
    assert float(terms.mean()) == pytest.approx(NLL + bias, abs=4 * math.sqrt(variance / len(terms)))


def test_a_sampler_that_forgets_the_fully_masked_state_fails(golden: ExactModel) -> None:
    terms = terms_of(golden, ask(golden, X), forgetful(4, 200_000, torch.Generator().manual_seed(1)))
    error = float(terms.std()) / math.sqrt(len(terms))
    assert float(terms.mean()) == pytest.approx(4.5300744, abs=5 * error)
    assert abs(float(terms.mean()) - NLL) > 50 * error


def test_every_random_mask_method_hides_everything_at_times() -> None:
    for rule in METHODS.values():
        draws = rule.draw(4, 2_000, torch.Generator().manual_seed(0))
        assert bool(draws.hidden.all(-1).any()), rule.name


def test_the_golden_conditional(golden: ExactModel) -> None:
    question = ask(golden, X, target=[1, 3], context=[0, 2])
    assert exact_nll(golden, question) == pytest.approx(math.log(21), abs=1e-11)
    assert mean_over_orders(*every_mask(golden, question)) == pytest.approx(math.log(21), abs=1e-11)
    assert estimate(golden, question, method="chain").nll == pytest.approx(3.044522437723, abs=1e-11)


def test_what_is_in_neither_set_is_summed_out(golden: ExactModel) -> None:
    question = ask(golden, X, target=[1, 3], context=[0])
    known = exact_nll(golden, question)
    assert known is not None and known != pytest.approx(math.log(21), abs=1e-3)
    assert mean_over_orders(*every_mask(golden, question)) == pytest.approx(known, abs=1e-11)
    held = X.clone()
    held[2] = 3  # open there: asked as part of neither set by default
    assert exact_nll(golden, ask(golden, held, context=[0])) == pytest.approx(known, abs=1e-11)


def test_the_weights_of_eq_15_sum_to_the_harmonic_number() -> None:
    for size, total in ((4, 2.0833333333), (7, 2.592857142857)):
        weights = [math.comb(size, m) / (m * math.comb(size, m)) for m in range(1, size + 1)]
        assert sum(weights) == pytest.approx(total, abs=1e-9) == harmonic(size)


def test_the_golden_ratio_and_its_variances(golden: ExactModel) -> None:
    question, other = ask(golden, X), ask(golden, Y)
    ratio = log_ratio(golden, question, Y, shortcut=False, method="chain", samples=4)
    assert ratio.log_ratio == pytest.approx(RATIO, abs=1e-11)
    generator = torch.Generator().manual_seed(3)
    first, second = (get_method("time-free").draw(4, 400_000, generator) for _ in range(2))
    x, y, apart = (terms_of(golden, q, d) for q, d in ((question, first), (other, first), (other, second)))
    assert float((x - y).var()) == pytest.approx(1.36377460, rel=0.02)
    assert float((x - apart).var()) == pytest.approx(11.32797233, rel=0.02)


# ---- every estimator is unbiased, and its interval is honest


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_estimator_meets_fifty_random_tables(method: str) -> None:
    scores = []
    for seed in range(50):
        model = ExactModel(exact.from_seed(seed, 4, 3))
        question = ask(model, torch.randint(3, (4,), generator=torch.Generator().manual_seed(seed)))
        found = estimate(model, question, method=method, samples=600, seed=seed)
        known = exact_nll(model, question)
        assert known is not None and found.standard_error is not None
        assert abs(found.nll - known) <= 4 * found.standard_error + 0.02 * (method == "time-integral") + 1e-9, seed
        scores.append((found.nll - known) / max(found.standard_error, 1e-9))
    if method not in {"chain", "time-integral"}:
        assert 0.6 < torch.tensor(scores).std() < 1.4, "the standard errors are of the right size"


def test_the_planted_sampler_fails_that_test() -> None:
    misses = 0
    for seed in range(50):
        model = ExactModel(exact.from_seed(seed, 4, 3))
        question = ask(model, torch.randint(3, (4,), generator=torch.Generator().manual_seed(seed)))
        terms = terms_of(model, question, forgetful(4, 600, torch.Generator().manual_seed(seed)))
        known = exact_nll(model, question)
        assert known is not None
        misses += abs(float(terms.mean()) - known) > 4 * float(terms.std()) / math.sqrt(600)
    assert misses > 10


def test_an_inconsistent_model_has_one_value_and_a_spread_over_orders() -> None:
    model = Noisy(ExactModel(exact.from_seed(3, 4, 3)), 0.3)
    question = ask(model, X)
    value = mean_over_orders(*every_mask(model, question))
    for method in sorted(set(METHODS) - {"time-integral"}):
        found = estimate(model, question, method=method, samples=4_000, seed=2)
        assert found.standard_error is not None
        assert abs(found.nll - value) <= 4 * found.standard_error, method
    spread = estimate(model, question, method="chain", samples=200).spread
    assert spread is not None and spread > 0.05
    consistent = estimate(ExactModel(exact.from_seed(3, 4, 3)), question, method="chain", samples=200).spread
    assert consistent == pytest.approx(0, abs=1e-9)


def test_the_value_of_an_inconsistent_model_is_an_upper_bound() -> None:
    """sum_x exp(-value) <= 1, and less the less its conditionals agree."""
    total = {}
    for scale in (0.0, 1.0):
        model = Noisy(ExactModel(exact.from_seed(3, 3, 3)), scale)
        rows = torch.cartesian_prod(*[torch.arange(3)] * 3)
        total[scale] = sum(math.exp(-mean_over_orders(*every_mask(model, ask(model, row)))) for row in rows)
    assert total[0.0] == pytest.approx(1, abs=1e-9) and total[1.0] < 0.9


# ---- the record


def test_contributions_sum_to_the_value(golden: ExactModel) -> None:
    for method in METHODS:
        found = estimate(golden, ask(golden, X), method=method, samples=50)
        assert float(found.contributions.sum()) == pytest.approx(found.nll, abs=1e-9), method


def test_the_same_seed_gives_the_same_terms_whatever_the_batch(golden: ExactModel) -> None:
    question = ask(golden, X)
    for method in METHODS:
        one, two = (estimate(golden, question, method=method, samples=40, seed=7, batch_size=b) for b in (None, 3))
        assert torch.equal(one.terms, two.terms), method
    other = estimate(golden, question, method="uniform-k", samples=40, seed=8)
    assert not torch.equal(other.terms, estimate(golden, question, method="uniform-k", samples=40, seed=7).terms)


def test_the_default_is_the_chain_where_it_is_affordable(golden: ExactModel) -> None:
    assert default_method(4, 4) == "chain" and default_method(5, 4) == "uniform-k"
    found = estimate(golden, ask(golden, X), passes=18)
    assert (found.method, found.samples, found.passes) == ("chain", 4, 16)


def test_a_term_that_hides_nothing_takes_no_pass(golden: ExactModel) -> None:
    found = estimate(golden, ask(golden, X), method="time-integral", samples=500)
    assert 300 < found.passes < 500


def test_one_target_takes_any_method(golden: ExactModel) -> None:
    question = ask(golden, X, target=[2], context=[0, 1, 3])
    for method in sorted(set(METHODS) - {"time-integral"}):
        assert estimate(golden, question, method=method, samples=2).nll == pytest.approx(exact_nll(golden, question))


def test_an_impossible_token_is_said_to_be_so() -> None:
    model = ExactModel(exact.copied_bits())
    found = estimate(model, ask(model, torch.tensor([0, 1, 0, 0])), method="chain", samples=4)
    assert found.nll == math.inf == exact_nll(model, ask(model, torch.tensor([0, 1, 0, 0])))
    assert found.standard_error is None and found.to_json()["nll"] is None


def test_progress_and_cancel(golden: ExactModel) -> None:
    seen: list[tuple[int, int]] = []
    estimate(golden, ask(golden, X), samples=5, batch_size=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 20), (8, 20), (12, 20), (16, 20), (20, 20)]
    with pytest.raises(Cancelled, match="after 0 of 20"):
        estimate(golden, ask(golden, X), samples=5, cancel=lambda: True)


def test_a_race_shares_one_budget(golden: ExactModel) -> None:
    seen: list[tuple[int, int]] = []
    run = race(golden, ask(golden, X), passes=400, progress=lambda done, total: seen.append((done, total)))
    assert {entry.method for entry in run.entries} == set(METHODS)
    assert all(entry.passes <= 400 for entry in run.entries) and run.best.method == "chain"
    assert run.exact == pytest.approx(NLL) and seen[-1][0] <= seen[-1][1] == 2000
    assert run.to_csv().count("\n") == 1 + len(METHODS) and run.to_json()["exact"] == pytest.approx(NLL)
    assert {e.method for e in race(golden, ask(golden, X), passes=3).entries} == {
        "uniform-k",
        "time-free",
        "time-integral",
    }
    running = run.entries[1].running()
    assert running[-1][0] == run.entries[1].passes and running[-1][1] == pytest.approx(run.entries[1].nll)


# ---- ratios


def test_a_single_mutant_takes_one_pass(golden: ExactModel) -> None:
    ratio = log_ratio(golden, ask(golden, X), Y)
    assert (ratio.passes, ratio.method, ratio.standard_error) == (1, "one pass", 0.0)
    assert ratio.log_ratio == pytest.approx(math.log(3), abs=1e-11)


def test_the_shortcut_scores_only_what_differs(golden: ExactModel) -> None:
    other = torch.tensor([2, 1, 1, 0])
    short, whole = (log_ratio(golden, ask(golden, X), other, shortcut=s, samples=6) for s in (True, False))
    assert short.target == (0, 2) and short.context == (1, 3) and short.passes == 24
    assert short.log_ratio == pytest.approx(whole.log_ratio, abs=1e-10)
    nothing = log_ratio(golden, ask(golden, X), X)
    assert (nothing.log_ratio, nothing.passes) == (0.0, 1)


@pytest.mark.parametrize("method", ["time-free", "uniform-k", "stratified"])
def test_coupled_ratios_are_unbiased_and_vary_less(method: str) -> None:
    model = ExactModel(exact.chain(0.7, 6, 3))
    x, y = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
    question = ask(model, x)
    known = (exact_nll(model, question) or 0) - (exact_nll(model, ask(model, y)) or 0)
    found = {
        c: log_ratio(model, question, y, shortcut=False, method=method, samples=1_500, coupled=c) for c in (True, False)
    }
    for ratio in found.values():
        assert ratio.standard_error is not None
        assert abs(ratio.log_ratio - known) <= 4 * ratio.standard_error
        assert float(ratio.contributions.sum()) == pytest.approx(ratio.log_ratio, abs=1e-9)
    assert (found[True].standard_error or 0) < (found[False].standard_error or 0)


def test_two_models_on_the_same_masks(golden: ExactModel) -> None:
    noisy = Noisy(golden, 0.1)
    question = ask(golden, X)
    value = mean_over_orders(*every_mask(golden, question)) - mean_over_orders(*every_mask(noisy, question))
    found = {
        c: model_log_ratio(noisy, golden, question, method="time-free", samples=3_000, coupled=c) for c in (True, False)
    }
    for ratio in found.values():
        assert abs(ratio.log_ratio - value) <= 4 * (ratio.standard_error or 0)
    gain = ((found[False].standard_error or 0) / (found[True].standard_error or 1)) ** 2
    assert gain > 20, "the same tokens under two similar models: coupling pays most here"


def test_a_model_against_itself_is_nothing(golden: ExactModel) -> None:
    for method in METHODS:
        ratio = model_log_ratio(golden, golden, ask(golden, X), method=method, samples=20)
        assert (ratio.log_ratio, ratio.standard_error) == (0.0, 0.0) and not ratio.contributions.any()


# ---- bad input, one sentence each


def ask_of(tokens: Tensor, **sets: Any) -> Any:
    return lambda m: ask(m, tokens, **sets)


OPEN = torch.tensor([3, 3, 3, 3])
BAD = {
    "nothing to score": (ask_of(OPEN), "empty"),
    "empty target": (ask_of(X, target=[]), "empty"),
    "overlap": (ask_of(X, target=[0, 1], context=[1]), "both target and context"),
    "twice": (ask_of(X, target=[0, 0]), "twice"),
    "outside": (ask_of(X, target=[4]), "Position 5"),
    "open target": (ask_of(torch.tensor([0, 1, 3, 0]), target=[2]), "is open"),
    "length": (ask_of(X[:3]), "4 positions"),
    "an id": (ask_of(X + 3), "ids must lie"),
    "other length": (lambda m: log_ratio(m, ask(m, X), X[:3]), "same length"),
    "other context": (lambda m: log_ratio(m, ask(m, X, context=[2]), Y), "differ at the context"),
    "other symbols": (lambda m: model_log_ratio(m, ExactModel(exact.chain()), ask(m, X)), "different vocabularies"),
    "method": (lambda m: estimate(m, ask(m, X), method="guess"), "Unknown likelihood method"),
    "option": (lambda m: estimate(m, ask(m, X), method="chain", settings={"eps": 1}), "no parameter 'eps'"),
    "eps": (lambda m: estimate(m, ask(m, X), method="time-integral", settings={"eps": 0.5}), "eps of method"),
    "samples": (lambda m: estimate(m, ask(m, X), samples=0), "at least 1"),
    "too many": (lambda m: estimate(m, ask(m, X), passes=10**7), "1000000"),
    "too few": (lambda m: estimate(m, ask(m, X), method="chain", passes=3), "takes 4 passes"),
    "all sets": (
        lambda _: every_mask(ExactModel(exact.chain(n=13)), Question(torch.zeros(13).long(), tuple(range(13)), ())),
        "12",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_input_is_one_sentence(golden: ExactModel, case: str) -> None:
    act, words = BAD[case]
    with pytest.raises(MiCoreError, match=words) as caught:
        act(golden)
    assert isinstance(caught.value, InputError | SettingError | UnknownName)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_model_without_a_mask_token_is_refused(golden: ExactModel) -> None:
    class Bare:
        mask_id = None
        size = 3

    model = Noisy(golden, 0.0)
    model.vocab = Bare()  # type: ignore[assignment]
    with pytest.raises(InputError, match="no mask token"):
        ask(model, X)


def test_an_impossible_token_has_no_finite_ratio() -> None:
    model = ExactModel(exact.copied_bits())
    with pytest.raises(InputError, match="probability 0"):
        log_ratio(model, ask(model, torch.tensor([0, 0, 0, 0])), torch.tensor([0, 1, 0, 0]))


def test_surprises_are_zero_where_shown(golden: ExactModel) -> None:
    draws = uniform_k(4, 30, torch.Generator().manual_seed(0))
    assert not surprises(golden, ask(golden, X), draws.hidden)[~draws.hidden].any()
