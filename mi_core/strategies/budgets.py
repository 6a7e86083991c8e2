"""Strategies with a budget of information that a step may lose: entropies, MI, or both."""

from typing import Annotated

import torch

from mi_core.information import drawn_from, entropy_of
from mi_core.selection import RULED_OUT, Bounds, Selection, StepView, commit, count_of, strategy

BOUND = "bound on the total correlation that may be lost in a step, nats"
Gamma = Annotated[float, Bounds(0.0, 50.0, BOUND)]


def _entropy_bound(view: StepView, order: list[int], gamma: float) -> Selection:
    """The longest run in this order with sum H - max H <= gamma, at least one."""
    h = view.entropy[order]
    lost = h.cumsum(0) - h.cummax(0).values  # never falls, so the allowed ones are a prefix
    count = max(1, int((lost <= gamma + 1e-12).sum()))
    spent = float(lost[count - 1])
    reason = f"{count_of(count)}: their entropies less the largest add up to {spent:.3f} of {gamma:g} nats."
    return commit(view, order[:count], reason, spent, gamma)


@strategy(title="EB-Sampler", source="Ben-Hamu et al. 2025, arXiv 2505.24857")
def eb_sampler(view: StepView, *, gamma: Gamma = 0.1) -> Selection:
    """The longest run of positions, by ascending entropy, with sum H - max H <= gamma.

    That sum bounds the total correlation of the set, which is what drawing its tokens independently loses. At gamma 0
    every position of zero entropy goes, and one more.
    """
    return _entropy_bound(view, view.by_entropy, gamma)


@strategy(title="EB, by confidence", source="Ben-Hamu et al. 2025, arXiv 2505.24857")
def eb_confidence(view: StepView, *, gamma: Gamma = 0.1) -> Selection:
    """The EB-Sampler with the positions taken by confidence; the bound is of entropies all the same."""
    return _entropy_bound(view, view.ranked(view.confidence), gamma)


@strategy(title="EB, by margin", source="Ben-Hamu et al. 2025, arXiv 2505.24857")
def eb_margin(view: StepView, *, gamma: Gamma = 0.1) -> Selection:
    """The EB-Sampler with the positions taken by margin; the bound is of entropies all the same."""
    return _entropy_bound(view, view.ranked(view.margin), gamma)


@strategy(title="MI-guided", source="arXiv 2605.20187", pairs=("mi",))
def mi_guided(
    view: StepView,
    *,
    gamma: Annotated[float, Bounds(0.0, 50.0, "budget of a step, nats")] = 0.3,
    lam: Annotated[float, Bounds(0.0, 100.0, "price of a nat of MI with the positions already chosen")] = 1.0,
) -> Selection:
    """By ascending entropy: take a position whose h_i + lam * (its MI to those taken) fits what is left of gamma."""
    return _budget(view, view.entropy, lam, gamma, f"entropy plus {lam:g} times MI among them")


@strategy(title="MI budget", source="arXiv 2605.20187, without its entropy term", pairs=("mi",))
def mi_budget(
    view: StepView, *, beta: Annotated[float, Bounds(0.0, 50.0, "MI that may be ignored in a step, nats")] = 0.3
) -> Selection:
    """By ascending entropy: take a position whose MI to those taken fits what is left of beta.

    The sum of pairwise MI is the total correlation where dependence forms a forest; in general it is no bound.
    """
    return _budget(view, torch.zeros_like(view.entropy), 1.0, beta, "MI among them")


@strategy(title="Faithful budget", source="this project", pairs=("mi",))
def faithful(
    view: StepView,
    *,
    gamma: Annotated[float, Bounds(0.0, 50.0, "nats that a step may lose")] = 0.3,
    lam: Annotated[float, Bounds(0.0, 100.0, "price of a nat of MI with the positions already chosen")] = 1.0,
) -> Selection:
    """The MI-guided rule with KL(q_i || p_i) for the entropy: what the way of drawing a token loses, q_i, is charged.

    What a step commits is drawn from q = prod q_i, q_i ~ p_i^(1/temperature), and should be drawn from the joint p:
    KL(q || p) = sum KL(q_i || p_i) + (what ignoring dependence costs, sum of MI here). Tokens drawn from p_i lose
    nothing by being uncertain, and the budget goes to dependence alone; the likeliest token loses -ln p_i(y), so that
    an uncertain position waits until others have settled it.
    """
    own = distortion(view)
    return _budget(view, own, lam, gamma, f"KL of the draw plus {lam:g} times MI among them")


@strategy(title="Pointwise budget", source="this project", pairs=("loss",))
def pointwise(
    view: StepView,
    *,
    beta: Annotated[float, Bounds(0.0, 50.0, "nats that every step may lose")] = 0.015,
    kappa: Annotated[float, Bounds(0.0, 1.0, "nats more for each nat of entropy that is still open")] = 0.0004,
    lean: Annotated[
        float, Bounds(0.0, 10.0, "how much a nat of entropy counts against a nat of loss in the order")
    ] = 0.3,
    unlikely: Annotated[float, Bounds(0.0, 1.0, "a draw below this share of the likeliest token's chance waits")] = 0.1,
) -> Selection:
    """The faithful budget with its pairs charged for the tokens that were drawn, not only for the average draw.

    MI is the mean of what a pair loses over all draws; of one draw it is -PMI. Two cells of a row that drew different
    digits lose nothing, two that drew the same one everything. Where PMI says that a draw all but cannot be, the pair
    is charged -PMI and the later position waits and is drawn again; elsewhere it is charged its MI. The next position
    is the one that costs least, beside its share of entropy, so that a step spreads over what is independent; and
    while much is open more may be lost, since little is settled yet that a loss could contradict.

    The model errs as well, and most where it gives a token little: a draw far less likely than the best one (min-p,
    arXiv 2407.01082) waits too, and is drawn again when more is known.

    Refused draws tilt what comes out towards likely tokens that go together: with `unlikely` 0, a pair that agrees with
    probability p, and with q by chance, agrees with q + (1 - q) p.
    """
    assert view.mi is not None and view.candidates is not None
    budget = beta + kappa * float(view.entropy[view.masked].sum())
    behind = view.log_probs.max(-1).values - view.log_probs.gather(-1, view.candidates[:, None])[:, 0]
    own = distortion(view) + torch.where(behind.exp() * unlikely > 1, behind, 0.0)
    coupling = torch.zeros_like(view.entropy)
    waiting, left = view.masked.clone(), budget
    taken: list[int] = []
    while bool(waiting.any()):
        order = own + coupling + lean * view.entropy
        i = int(order.masked_fill(~waiting, torch.inf).argmin())
        waiting[i] = False
        cost = float(own[i] + coupling[i])
        if not taken or cost <= left + 1e-12:
            taken.append(i)
            left -= cost
            coupling = coupling + view.mi[i]
    spent = budget - left
    refused = int((view.masked & (coupling >= RULED_OUT)).sum())
    reason = f"{count_of(len(taken))} for {spent:.3f} of {budget:.3f} nats (KL of the draw, and what its pairs lose)"
    reason += f"; {refused} drew tokens that do not go with theirs." if refused else "."
    return commit(view, taken, reason, spent, budget)


@strategy(title="DEMASK variation", source="DEMASK, arXiv 2604.02560", pairs=("tv",))
def demask(
    view: StepView,
    *,
    tau: Annotated[float, Bounds(0.0, 50.0, "total variation that a step may ignore, 1 at most for a pair")] = 0.1,
) -> Selection:
    """By confidence: take a position whose total variation with those taken fits what is left of tau.

    Where variation adds up at most (sub-additivity), the step's own TV(joint, product) stays within tau.
    """
    zero = torch.zeros_like(view.entropy)
    return _budget(view, zero, 1.0, tau, "variation among them", view.ranked(view.confidence), "of variation")


def distortion(view: StepView) -> torch.Tensor:
    """KL(q_i || p_i) of the distribution that tokens are drawn from, (N,) nats: -ln max p at temperature 0."""
    if view.temperature == 0:
        return -view.confidence.log()
    q = drawn_from(view.log_probs, view.temperature, view.min_p)
    cross = -(q * view.log_probs.masked_fill(q == 0, 0.0)).sum(-1)
    return (cross - entropy_of(q)).clamp_min(0.0)


def _budget(
    view: StepView,
    own: torch.Tensor,
    lam: float,
    budget: float,
    what: str,
    order: list[int] | None = None,
    unit: str = "nats",
) -> Selection:
    """In this order (None: by ascending entropy) a position goes if own_i + lam * (its pairs) fits what is left."""
    assert view.mi is not None
    taken: list[int] = []
    left = budget
    coupling = torch.zeros_like(view.entropy)
    too_dependent = 0
    for i in view.by_entropy if order is None else order:
        alone = float(own[i])
        cost = alone + lam * float(coupling[i])
        if not taken or cost <= left + 1e-12:
            taken.append(i)
            left -= cost
            coupling = coupling + view.mi[i]
        elif alone <= left + 1e-12:
            too_dependent += 1
    spent = budget - left
    reason = f"{count_of(len(taken))} for {spent:.3f} of {budget:g} {unit} ({what})"
    reason += f"; {too_dependent} certain enough but too dependent on them." if too_dependent else "."
    return commit(view, taken, reason, spent, budget)
