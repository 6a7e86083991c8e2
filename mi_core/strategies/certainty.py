"""Strategies that look at each position by itself: how certain it is, how many are due, how steady it has been."""

import math
from itertools import pairwise
from typing import Annotated

import torch

from mi_core.information import kl_divergence
from mi_core.selection import Bounds, Selection, StepView, commit, count_of, strategy

K = Annotated[int, Bounds(1, 64, "positions committed in each step")]


@strategy(title="Sequential", source="baseline")
def sequential(view: StepView) -> Selection:
    """The one position with the lowest entropy."""
    best = view.by_entropy[0]
    reason = f"The most certain open position, entropy {view.entropy[best]:.3f} nats; one at a time."
    return commit(view, [best], reason)


@strategy(title="Random k", source="baseline")
def random_k(view: StepView, *, k: K = 4) -> Selection:
    """k positions drawn at random, whatever the model believes of them."""
    luck = torch.zeros_like(view.entropy) if view.uniform is None else view.uniform
    picked = view.ranked(luck)[:k]
    return commit(view, picked, f"{count_of(len(picked))} drawn at random.")


@strategy(title="Top-k confidence", source="Mask-Predict, arXiv 1904.09324; MaskGIT order, arXiv 2202.04200")
def top_k(view: StepView, *, k: K = 4) -> Selection:
    """The k positions whose likeliest token has the highest probability."""
    picked = view.ranked(view.confidence)[:k]
    least = min(float(view.confidence[i]) for i in picked)
    return commit(view, picked, f"The {len(picked)} most confident, the least of them at {least:.3f}.")


@strategy(title="Top-k margin", source="Kim et al. 2025, arXiv 2502.06768")
def margin(view: StepView, *, k: K = 4) -> Selection:
    """The k positions with the largest lead of the likeliest token over the second."""
    picked = view.ranked(view.margin)[:k]
    least = min(float(view.margin[i]) for i in picked)
    return commit(view, picked, f"The {len(picked)} largest margins p1 - p2, the least of them {least:.3f}.")


@strategy(title="MaskGIT cosine", source="Chang et al. 2022, arXiv 2202.04200")
def maskgit(
    view: StepView,
    *,
    steps: Annotated[int, Bounds(1, 256, "steps of the whole run")] = 12,
    noise: Annotated[float, Bounds(0.0, 20.0, "weight of the Gumbel noise, fading to 0 over the run")] = 0.0,
) -> Selection:
    """As many as the cosine schedule wants, by the log-probability of their drawn token plus fading noise."""
    open_now = int(view.masked.sum())
    opened = max(view.opened, open_now)
    share = min(1.0, (view.step + 1) / steps)
    # cos(pi/2) is not quite 0 in floating point; a floor of 1e-9 below keeps the last step from leaving a position.
    left = math.floor(math.cos(math.pi / 2 * share) * opened + 1e-9)
    due = max(1, open_now - left)
    score = view.confidence.log()
    if view.candidates is not None:
        score = view.log_probs.gather(1, view.candidates[:, None])[:, 0]
    if view.uniform is not None:
        score = score + noise * (1 - share) * -(-view.uniform.clamp_min(1e-300).log()).log()
    picked = view.ranked(score)[:due]
    return commit(view, picked, f"The schedule leaves {min(left, open_now - 1)} open after step {view.step + 1}.")


@strategy(title="Confidence threshold", source="Fast-dLLM, arXiv 2505.22618")
def threshold(
    view: StepView,
    *,
    tau: Annotated[float, Bounds(0.0, 1.0, "commit every position at least this confident")] = 0.99,
) -> Selection:
    """Every position with confidence at least tau, and the most confident in any case."""
    ranked = view.ranked(view.confidence)
    picked = ranked[:1] + [i for i in ranked[1:] if view.confidence[i] >= tau]
    if view.confidence[ranked[0]] < tau:
        reason = f"No position reaches {tau:g}; the most confident ({view.confidence[ranked[0]]:.3f}) goes alone."
    else:
        verb = "has" if len(picked) == 1 else "have"
        reason = f"{count_of(len(picked))} {verb} confidence of at least {tau:g}."
    return commit(view, picked, reason)


@strategy(title="Confidence factor", source="Fast-dLLM, arXiv 2505.22618")
def factor(
    view: StepView,
    *,
    f: Annotated[
        float, Bounds(0.0, 20.0, "n positions go together while (n + 1) (1 - the least confidence) < f")
    ] = 1.0,
) -> Selection:
    """The longest run of positions, by confidence, with (n + 1) (1 - c_n) < f: the more go together, the surer each."""
    ranked = view.ranked(view.confidence)
    count = 1
    while count < len(ranked) and (count + 2) * (1 - float(view.confidence[ranked[count]])) < f:
        count += 1
    least = float(view.confidence[ranked[count - 1]])
    return commit(
        view, ranked[:count], f"{count_of(count)}, the least confident at {least:.4f}, pass the factor {f:g}."
    )


@strategy(title="KLASS", source="Kim et al. 2025, arXiv 2511.05664")
def klass(
    view: StepView,
    *,
    tau: Annotated[float, Bounds(0.0, 1.0, "least confidence")] = 0.9,
    eps: Annotated[float, Bounds(0.0, 10.0, "most that a marginal may have moved in each of two steps, nats")] = 0.01,
) -> Selection:
    """Positions that are confident and whose marginals moved less than eps in both of the last two steps.

    Two moves need three passes, so the rule cannot fire before the third; until then the most confident goes alone.
    """
    ranked = view.ranked(view.confidence)
    if len(view.earlier) < 2:
        return commit(
            view, ranked[:1], "Too early to see whether a marginal holds still; the most confident goes alone."
        )
    history = [view.log_probs, *view.earlier[:2]]
    moves = [kl_divergence(now.exp(), before.exp()) for now, before in pairwise(history)]
    steady = (moves[0] < eps) & (moves[1] < eps) & (view.confidence > tau)
    picked = [i for i in ranked if steady[i]]
    if not picked:
        return commit(
            view, ranked[:1], f"None is both above {tau:g} and steady within {eps:g}; the most confident goes."
        )
    return commit(view, picked, f"{count_of(len(picked))} above {tau:g} moved less than {eps:g} nats in two steps.")


@strategy(title="Dilated", source="Dilated Unmasking, arXiv 2506.19037")
def dilated(view: StepView, *, base: Annotated[int, Bounds(2, 81, "the stride shrinks by this")] = 2) -> Selection:
    """Positions at an even stride, whatever they hold; the stride shrinks from step to step until it is 1."""
    length = len(view.masked)
    stride = max(1, length // base ** min(view.step + 1, 64))
    picked = [i for i in range(0, length, stride) if view.masked[i]]
    if not picked:
        return commit(view, view.by_entropy[:1], f"Nothing is open at stride {stride}; the most certain goes.")
    return commit(view, picked, f"{count_of(len(picked))} at stride {stride}.")
