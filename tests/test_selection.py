"""Every registered strategy keeps one contract; each rule is worked by hand once."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core import selection
from mi_core.errors import InputError, SettingError, UnknownName
from mi_core.strategies import STRATEGIES, StepView, budgets, get_strategy

LN2 = math.log(2)


@st.composite
def views(draw: st.DrawFn) -> StepView:
    """A state with random marginals, some of them certain, a random MI matrix, a history and a model to ask."""
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

    def look(tokens: torch.Tensor) -> torch.Tensor:
        asked = torch.Generator().manual_seed(int(tokens.sum()))
        return torch.randn(len(tokens), n, v, generator=asked, dtype=torch.float64).log_softmax(-1)

    now = torch.where(masked[:, None], log_probs, fixed)
    step = draw(st.integers(0, 3))
    return StepView(
        now,
        masked,
        step,
        mi,
        (now,) * min(step, 2),
        opened=int(masked.sum()) + step,
        tokens=torch.where(masked, v, 0),
        candidates=now.argmax(-1),
        uniform=torch.rand(n, generator=g, dtype=torch.float64),
        temperature=draw(st.sampled_from([0.0, 0.5, 1.0])),
        look=look,
        given=torch.where(~masked, torch.rand(n, generator=g) < 0.5, False),
        surety=torch.where(masked, 0.0, torch.rand(n, generator=g, dtype=torch.float64)),
    )


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@given(view=views())
def test_contract(name: str, view: StepView) -> None:
    rule = STRATEGIES[name]
    kept = view.log_probs.clone(), view.masked.clone()
    first = rule.select(view, rule.settings())
    assert not (first.chosen & ~view.masked).any(), "only open positions may be committed"
    assert first.chosen.any(), "every step commits something"
    if first.revoked is not None:
        assert not (first.revoked & ~view.committed).any(), "only what was committed may be taken back"
    assert torch.equal(first.chosen, rule.select(view, rule.settings()).chosen), "same view, same choice"
    assert torch.equal(kept[0], view.log_probs) and torch.equal(kept[1], view.masked), "the view is not changed"
    assert first.reason.endswith(".") and "nan" not in first.reason
    assert (first.spent is None) == (first.budget is None)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_parameters_are_declared_with_bounds_and_words(name: str) -> None:
    rule = STRATEGIES[name]
    assert rule.summary and rule.source and rule.title and set(rule.pairs) <= set(selection.PAIRS)
    for p in rule.parameters:
        assert p.bounds.low <= p.default <= p.bounds.high and p.bounds.text
        with pytest.raises(SettingError, match=rf"{p.name} of strategy {name} must be"):
            rule.settings({p.name: p.bounds.high + 1})
        with pytest.raises(SettingError):
            rule.settings({p.name: "many"})
    with pytest.raises(SettingError, match="no parameter 'colour'"):
        rule.settings({"colour": 1})


@pytest.mark.parametrize(
    ("name", "knob"), [("eb-sampler", "gamma"), ("eb-margin", "gamma"), ("mi-guided", "gamma"), ("factor", "f")]
)
@given(view=views())
def test_a_larger_budget_never_commits_fewer(name: str, knob: str, view: StepView) -> None:
    rule = STRATEGIES[name]
    sizes = [int(rule.select(view, rule.settings({knob: g})).chosen.sum()) for g in (0.0, 0.1, 1.0, 20.0)]
    if name != "mi-guided":
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
    with pytest.raises(UnknownName, match=r"Unknown strategy 'eb'\. Known: dapd"):
        get_strategy("eb")
    with pytest.raises(InputError, match="needs a matrix of pairwise MI"):
        get_strategy("mi-guided").select(_view([FAIR]), {"gamma": 1.0, "lam": 1.0})


# ---- the rules of DECODING.md, worked by hand


def test_factor_asks_for_more_certainty_the_more_go_together() -> None:
    """(n + 1) (1 - c_n) < 1: .9 alone always, .8 as the second (3 * .2), .7 as the third not (4 * .3)."""
    view = _view([[0.8, 0.2], [0.9, 0.1], [0.7, 0.3]])
    assert _chosen("factor", view, f=1.0) == [0, 1]
    assert _chosen("factor", view, f=0.59) == [1], "3 * .2 is above"
    assert _chosen("factor", view, f=1.3) == [0, 1, 2]


def test_factor_never_takes_one_that_fails_at_the_end() -> None:
    assert _chosen("factor", _view([[0.9, 0.1], [0.5, 0.5]]), f=1.0) == [0]


def test_eb_orders_differ_but_the_bound_is_the_same() -> None:
    # confidence: 1 (.6) before 0 (.5); entropy: 0 (ln 2) before 1 (.6 against four times .1)
    view = _view([[0.5, 0.5, 0.0, 0.0, 0.0], [0.6, 0.1, 0.1, 0.1, 0.1]])
    assert _chosen("eb-sampler", view, gamma=0.0) == [0]
    assert _chosen("eb-confidence", view, gamma=0.0) == [1]
    assert _chosen("eb-margin", view, gamma=LN2) == [0, 1], "sum H - max H = ln 2 in any order"


def test_maskgit_leaves_what_the_cosine_says() -> None:
    view = _view([[0.5 + k / 20, 0.5 - k / 20] for k in range(8)])
    first = get_strategy("maskgit").select(view, {"steps": 4, "noise": 0.0})
    assert first.chosen.nonzero()[:, 0].tolist() == [7], "floor(8 cos(pi / 8)) = 7 stay open"
    second = replace(view, step=1, opened=8, masked=view.masked & ~first.chosen)
    assert int(get_strategy("maskgit").select(second, {"steps": 4, "noise": 0.0}).chosen.sum()) == 2, "5 stay open"
    last = replace(second, step=3)
    assert int(get_strategy("maskgit").select(last, {"steps": 4, "noise": 0.0}).chosen.sum()) == 7, "none stay open"


def test_maskgit_noise_changes_the_order() -> None:
    view = replace(_view([FAIR] * 4), uniform=torch.tensor([0.1, 0.9, 0.2, 0.3], dtype=torch.float64))
    settings = {"steps": 2, "noise": 4.0}
    assert get_strategy("maskgit").select(view, settings).chosen.nonzero()[:, 0].tolist() == [1, 3]


def test_random_k_goes_by_its_luck_alone() -> None:
    luck = torch.tensor([0.1, 0.9, 0.2, 0.3], dtype=torch.float64)
    assert _chosen("random-k", replace(_view([FAIR] * 4), uniform=luck), k=2) == [1, 3]


def test_klass_waits_for_two_quiet_moves() -> None:
    sure = [[0.95, 0.05], [0.95, 0.05], [0.97, 0.03]]
    view = _view(sure)
    moved = torch.tensor([[0.95, 0.05], [0.6, 0.4], [0.97, 0.03]], dtype=torch.float64).log()
    for earlier in ((), (view.log_probs,)):
        assert _chosen("klass", replace(view, step=len(earlier), earlier=earlier), tau=0.9, eps=0.01) == [2]
    assert _chosen("klass", replace(view, step=2, earlier=(view.log_probs, view.log_probs)), tau=0.9, eps=0.01) == [
        0,
        1,
        2,
    ]
    assert _chosen("klass", replace(view, step=2, earlier=(view.log_probs, moved)), tau=0.9, eps=0.01) == [0, 2]
    assert _chosen("klass", replace(view, step=2, earlier=(moved, moved)), tau=0.96, eps=0.01) == [2]


def test_dilated_halves_its_stride() -> None:
    view = _view([FAIR] * 8)
    assert _chosen("dilated", view, base=2) == [0, 4]
    left = replace(view, step=1, masked=torch.tensor([False, True, True, True, False, True, True, True]))
    assert _chosen("dilated", left, base=2) == [2, 6]
    assert _chosen("dilated", replace(left, step=2), base=2) == [1, 2, 3, 5, 6, 7]


def test_punt_reads_the_most_significant_bit_first() -> None:
    """Four positions, ranked 0..3. Rank 2 hangs on rank 1, rank 3 on rank 0: both fall in the first round."""
    confident = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]
    asked: list[list[int]] = []

    def look(tokens: torch.Tensor) -> torch.Tensor:
        (row,) = tokens.tolist()
        asked.append([i for i, token in enumerate(row) if token != 2])
        probs = torch.tensor(confident, dtype=torch.float64)
        if row[1] != 2:
            probs[2] = torch.tensor([0.2, 0.8])
        if row[0] != 2:
            probs[3] = torch.tensor([0.99, 0.01])
        return probs.log()[None]

    view = _view(confident)
    view = replace(view, tokens=torch.full((4,), 2), candidates=torch.zeros(4, dtype=torch.int64), look=look)
    assert _chosen("punt", view, eps=0.05) == [0, 1]
    assert asked == [[0, 1], [0]], "ranks 0 and 1 first, then rank 0 alone"
    asked.clear()
    assert _chosen("punt", view, eps=10.0) == [0, 1, 2, 3] and asked == [[0, 1], [0, 2]]


def test_mi_budget_does_not_charge_uncertainty() -> None:
    view = _view([FAIR] * 4, PAIRS)
    assert _chosen("mi-budget", view, beta=0.1) == [0, 2]
    assert _chosen("mi-budget", view, beta=LN2) == [0, 1, 2], "one copied pair fits"


def test_faithful_charges_what_the_draw_loses() -> None:
    """Sampled tokens lose nothing by being uncertain; the likeliest token of a fair coin loses ln 2."""
    view = _view([FAIR] * 4, PAIRS)
    assert _chosen("faithful", replace(view, temperature=1.0), gamma=0.1) == [0, 2]
    assert _chosen("faithful", view, gamma=0.1) == [0]
    assert _chosen("faithful", view, gamma=2 * LN2) == [0, 2]
    half = budgets.distortion(replace(_view([[0.8, 0.2]]), temperature=0.5))
    q = 0.64 / 0.68
    assert half.item() == pytest.approx(q * math.log(q / 0.8) + (1 - q) * math.log((1 - q) / 0.2))
    cut = budgets.distortion(replace(_view([[0.2, 0.3, 0.5]]), temperature=1.0, min_p=0.5))
    assert cut.item() == pytest.approx(-math.log(0.8)), "what is never drawn loses -ln of the mass that is left"


def test_independent_sets_take_hubs_first_and_no_joined_pair() -> None:
    """A path 0 - 1 - 2 and a loner: by degree 1 goes first and shuts out its neighbours."""
    graph = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    view = replace(_view([FAIR] * 4, graph), opened=4)
    assert _chosen("dapd", view, tau=0.5) == [1, 3]
    assert _chosen("dapd", view, tau=1.0) == [0, 1, 2, 3], "joined means above tau"
    late = replace(_view([FAIR, [0.95, 0.05], [0.93, 0.07]], [[0, 9, 9], [9, 0, 9], [9, 9, 0]]), opened=20)
    assert _chosen("dapd", late, tau=0.5, sure=0.9) == [1, 2], "less than half is open: confidence alone"
    assert _chosen("peer-colouring", _view([FAIR, [0.9, 0.1], FAIR], [[0, 1, 0], [1, 0, 0], [0, 0, 0]])) == [1, 2]


# ---- rules that take back


def _half_way(luck: list[float] | None = None, surety: tuple[float, float] = (0.9, 0.55)) -> StepView:
    """Positions 0 and 1 are open (.8 and .7), 2 and 3 were committed at the given probability, 4 was given."""
    return replace(
        _view([[0.8, 0.2], [0.7, 0.3], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]),
        masked=torch.tensor([True, True, False, False, False]),
        given=torch.tensor([False, False, False, False, True]),
        surety=torch.tensor([0.0, 0.0, *surety, 0.0], dtype=torch.float64),
        opened=4,
        step=2,
        uniform=None if luck is None else torch.tensor([*luck, 0.0], dtype=torch.float64),
    )


def _both(name: str, view: StepView, **settings: float) -> tuple[list[int], list[int]]:
    rule = get_strategy(name)
    selection = rule.select(view, rule.settings(settings))
    assert selection.revoked is not None
    return selection.chosen.nonzero()[:, 0].tolist(), selection.revoked.nonzero()[:, 0].tolist()


def test_revoking_top_k_lets_surer_positions_push_others_out() -> None:
    """Step 3 of 4 keeps 3 of 4: .9, .8 and .7 stay or come, .55 goes."""
    assert _both("revoking-top-k", _half_way(), steps=4) == ([0, 1], [3])
    assert _both("revoking-top-k", _half_way(surety=(0.9, 0.75)), steps=4) == ([0], [])
    assert _both("revoking-top-k", _half_way(), steps=3) == ([0, 1], []), "the last step keeps all"
    assert _both("revoking-top-k", _half_way(), steps=256) == ([0, 1], [3]), "one more than the two there are"


def test_revoking_top_k_noise_changes_the_order() -> None:
    luck = [0.01, 0.99, 0.5, 0.5]
    assert _both("revoking-top-k", _half_way(luck, (0.9, 0.75)), steps=4, noise=10.0) == ([1], [])


def test_remdm_cap_draws_both_ways() -> None:
    """Half of 4 steps: alpha .5 to .75, sigma min(.2, .5), an open position goes with .25/.5 + .2 * .5/.5 = .7."""
    assert _both("remdm-cap", _half_way([0.69, 0.71, 0.19, 0.21]), steps=4, eta=0.2) == ([0], [2])
    assert _both("remdm-cap", _half_way([0.69, 0.71, 0.49, 0.51]), steps=4, eta=1.0) == ([0, 1], [2]), (
        "sigma .5, all go"
    )
    assert _both("remdm-cap", _half_way([0.99, 0.98, 0.9, 0.9]), steps=4, eta=0.2) == ([1], []), "the nearest goes"
    assert _both("remdm-cap", _half_way([0.99, 0.98, 0.0, 0.0]), steps=3, eta=1.0) == ([0, 1], []), "the last step"


def test_remdm_conf_takes_back_the_least_sure() -> None:
    """sigma .5 shared as softmax(-(.9, .3)) = .354, .646: .177 and .323."""
    assert _both("remdm-conf", _half_way([0.49, 0.51, 0.18, 0.32], (0.9, 0.3)), steps=4) == ([0], [3])
    assert _both("remdm-conf", _half_way([0.49, 0.51, 0.17, 0.33], (0.9, 0.3)), steps=4) == ([0], [2])


def test_what_was_given_is_never_taken_back() -> None:
    view = replace(_half_way([0.0] * 4), given=torch.tensor([False, False, True, True, True]))
    for name in ("revoking-top-k", "remdm-cap", "remdm-conf"):
        assert _both(name, view)[1] == []


def test_demask_adds_up_variation_by_confidence() -> None:
    """By confidence 1, 2, 0: 2 varies with 1 by .06, and 0 with both by .03 + .04."""
    variation = [[0, 0.03, 0.04], [0.03, 0, 0.06], [0.04, 0.06, 0]]
    view = _view([[0.6, 0.4], [0.9, 0.1], [0.8, 0.2]], variation)
    assert _chosen("demask", view, tau=0.05) == [0, 1]
    assert _chosen("demask", view, tau=0.06) == [1, 2]
    assert _chosen("demask", view, tau=0.13) == [0, 1, 2]
    assert _chosen("demask", view, tau=0.0) == [1]
