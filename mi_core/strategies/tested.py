"""Strategies that try their choice on the model before they commit it; every such pass is counted."""

from typing import Annotated

from mi_core.information import kl_divergence
from mi_core.selection import Bounds, Selection, StepView, commit, count_of, strategy


@strategy(title="PUNT", source="arXiv 2510.21961")
def punt(
    view: StepView,
    *,
    eps: Annotated[float, Bounds(0.0, 10.0, "most that anchors may move a marginal, nats")] = 0.04,
) -> Selection:
    """Halve and test: positions whose marginal moves by more than eps when surer ones are filled in have to wait.

    Ranks by confidence are read bit by bit, the most significant first. In each round the positions with bit 0 are
    filled with their candidates, and those with bit 1 whose KL(p || p given these) exceeds eps drop out: ceil(log2 M)
    further passes a step.
    """
    assert view.tokens is not None and view.candidates is not None and view.look is not None
    ranked = view.ranked(view.confidence)
    rest = list(range(len(ranked)))  # ranks
    for bit in reversed(range((len(ranked) - 1).bit_length())):
        anchors = [ranked[r] for r in rest if not r >> bit & 1]
        tested = [r for r in rest if r >> bit & 1]
        if not anchors or not tested:
            continue
        filled = view.tokens.clone()
        filled[anchors] = view.candidates[anchors]
        moved = kl_divergence(view.log_probs.exp(), view.look(filled[None])[0].exp())  # (N,)
        rest = [r for r in rest if not (r in tested and moved[ranked[r]] > eps)]
    reason = (
        f"{count_of(len(rest))} of {len(ranked)}: none of them moves by more than {eps:g} nats when surer ones are set."
    )
    return commit(view, [ranked[r] for r in rest], reason)
