"""Every registered strategy keeps one contract; each rule is worked by hand once."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.errors import InputError, SettingError, UnknownName
from mi_core.selection import STRATEGIES, StepView, get_strategy

LN2 = math.log(2)


@st.composite
def views(draw: st.DrawFn) -> StepView:
    """A state with random marginals, some of them certain, and a random MI matrix."""
    n, v = draw(st.integers(1, 9)), draw(st.integers(2, 5))
    g = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    logits = torch.randn(n, v, generator=g, dtype=torch.float64) * draw(st.sampled_from([0.1, 2.0, 60.0]))
    masked = torch.rand(n, generator=g) < 0.7
    masked[draw(st.integers(0, n - 1))] = True
    log_probs = logits.log_softmax(-1)
    fixed = torch.full_like(log_probs, -math.inf)
    fixed[:, 0] = 0.0
    mi = torch.rand(n, n, generator=g, dtype=torch.float64)
    mi = ((mi + mi.T) / 2).fill_diagonal_(0.0) * (masked[:, None] & masked[None, :])
    return StepView(torch.where(masked[:, None], log_probs, fixed), masked, draw(st.integers(0, 3)), mi)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@given(view=views())
def test_contract(name: str, view: StepView) -> None:
    rule = STRATEGIES[name]
    kept = view.log_probs.clone(), view.masked.clone()
    first = rule.select(view, rule.settings())
    assert not (first.chosen & ~view.masked).any(), "only open positions may be committed"
    assert first.chosen.any(), "every step commits something"
    assert torch.equal(first.chosen, rule.select(view, rule.settings()).chosen), "same view, same choice"
    assert torch.equal(kept[0], view.log_probs) and torch.equal(kept[1], view.masked), "the view is not changed"
    assert first.reason.endswith(".") and "nan" not in first.reason
    assert (first.spent is None) == (first.budget is None)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_parameters_are_declared_with_bounds_and_words(name: str) -> None:
    rule = STRATEGIES[name]
    assert rule.summary and rule.source and rule.title
    for p in rule.parameters:
        assert p.bounds.low <= p.default <= p.bounds.high and p.bounds.text
        with pytest.raises(SettingError, match=rf"{p.name} of strategy {name} must be"):
            rule.settings({p.name: p.bounds.high + 1})
        with pytest.raises(SettingError):
            rule.settings({p.name: "many"})
    with pytest.raises(SettingError, match="no parameter 'colour'"):
        rule.settings({"colour": 1})


@pytest.mark.parametrize(("name", "knob"), [("eb-sampler", "gamma"), ("mi-guided", "gamma")])
@given(view=views())
def test_a_larger_budget_never_commits_fewer(name: str, knob: str, view: StepView) -> None:
    rule = STRATEGIES[name]
    sizes = [int(rule.select(view, rule.settings({knob: g})).chosen.sum()) for g in (0.0, 0.1, 1.0, 50.0)]
    if name == "eb-sampler":
        assert sizes == sorted(sizes)
    assert sizes[0] <= sizes[-1]


def _view(h_like: list[list[float]], mi: list[list[float]] | None = None) -> StepView:
    log_probs = torch.tensor(h_like, dtype=torch.float64).log()
    matrix = None if mi is None else torch.tensor(mi, dtype=torch.float64)
    return StepView(log_probs, torch.ones(len(h_like), dtype=torch.bool), 0, matrix)


FAIR = [0.5, 0.5]
PAIRS = [[0, LN2, 0, 0], [LN2, 0, 0, 0], [0, 0, 0, LN2], [0, 0, LN2, 0]]


def _chosen(name: str, view: StepView, **settings: float) -> list[int]:
    rule = get_strategy(name)
    return rule.select(view, rule.settings(settings)).chosen.nonzero()[:, 0].tolist()


def test_mi_guided_takes_one_of_each_copied_pair() -> None:
    view = _view([FAIR] * 4, PAIRS)
    # 0 costs ln 2 of 1.5; its copy would cost 2 ln 2; position 2 costs ln 2; nothing is left for 3
    assert _chosen("mi-guided", view, gamma=1.5, lam=1.0) == [0, 2]
    selection = get_strategy("mi-guided").select(view, {"gamma": 1.5, "lam": 1.0})
    assert selection.spent == pytest.approx(2 * LN2) and selection.budget == 1.5


def test_mi_guided_with_lambda_zero_sees_entropy_only() -> None:
    assert _chosen("mi-guided", _view([FAIR] * 4, PAIRS), gamma=1.5, lam=0.0) == [0, 1]


def test_mi_guided_goes_on_past_a_dependent_position() -> None:
    view = _view([[0.99, 0.01], [0.99, 0.01], [0.98, 0.02]], [[0, 9, 0], [9, 0, 0], [0, 0, 0]])
    assert _chosen("mi-guided", view, gamma=0.3, lam=1.0) == [0, 2]


def test_eb_at_gamma_zero_takes_every_certain_position_and_one_more() -> None:
    assert _chosen("eb-sampler", _view([[1.0, 0.0], FAIR, [1.0, 0.0], FAIR]), gamma=0.0) == [0, 1, 2]


def test_eb_bound_leaves_out_the_largest_entropy() -> None:
    view = _view([FAIR] * 4)
    assert _chosen("eb-sampler", view, gamma=LN2 - 0.01) == [0]
    assert _chosen("eb-sampler", view, gamma=LN2) == [0, 1]
    assert _chosen("eb-sampler", view, gamma=3 * LN2) == [0, 1, 2, 3]


def test_threshold_exempts_only_the_most_confident() -> None:
    view = _view([[0.6, 0.4], [0.8, 0.2], [0.95, 0.05], [0.9, 0.1]])
    assert _chosen("threshold", view, tau=0.9) == [2, 3]
    assert _chosen("threshold", view, tau=0.99) == [2]


def test_margin_and_confidence_differ() -> None:
    view = _view([[0.5, 0.5, 0.0], [0.45, 0.275, 0.275]])
    assert _chosen("top-k", view, k=1) == [0]
    assert _chosen("margin", view, k=1) == [1]


def test_sequential_takes_the_lowest_entropy() -> None:
    assert _chosen("sequential", _view([FAIR, [0.9, 0.1], [0.8, 0.2]])) == [1]


def test_unknown_strategy_and_missing_mi() -> None:
    with pytest.raises(UnknownName, match=r"Unknown strategy 'eb'\. Known: eb-sampler"):
        get_strategy("eb")
    with pytest.raises(InputError, match="needs a pairwise MI matrix"):
        get_strategy("mi-guided").select(_view([FAIR]), {"gamma": 1.0, "lam": 1.0})
