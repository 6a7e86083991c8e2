"""Strategies that never commit two joined positions together: independent sets of a graph of dependence."""

from typing import Annotated

import torch
from torch import Tensor

from mi_core.selection import Bounds, Selection, StepView, commit, count_of, strategy


@strategy(title="DAPD independent set", source="DAPD, arXiv 2603.12996", pairs=("attention", "mi"))
def dapd(
    view: StepView,
    *,
    tau: Annotated[float, Bounds(0.0, 10.0, "two positions are joined above this")] = 0.02,
    sure: Annotated[float, Bounds(0.0, 1.0, "confidence that is enough once half of the positions are known")] = 0.9,
) -> Selection:
    """A maximal set without joined pairs, confident hubs first; from half-way on, all that are confident enough."""
    assert view.mi is not None
    ranked = view.ranked(view.confidence)
    if 2 * len(ranked) < view.opened:
        picked = ranked[:1] + [i for i in ranked[1:] if view.confidence[i] > sure]
        return commit(view, picked, f"Less than half is open: {count_of(len(picked))} above {sure:g}.")
    open_pairs = view.masked[:, None] & view.masked[None, :]
    strength = (view.mi + view.mi.T) / 2 * open_pairs
    order = view.ranked(strength.sum(1) * view.confidence)
    picked = independent_set(order, strength > tau)
    return commit(view, picked, f"{count_of(len(picked))}, no two of them joined above {tau:g}; hubs first.")


@strategy(title="Peer colouring", source="oracle of the game's structure", pairs=("structure",))
def peer_colouring(
    view: StepView,
    *,
    tau: Annotated[float, Bounds(0.0, 1.0, "least confidence of all but the first")] = 0.0,
) -> Selection:
    """The most certain positions of which no two are peers: what knowing the rules of the game would do."""
    assert view.mi is not None
    order = [i for k, i in enumerate(view.by_entropy) if k == 0 or view.confidence[i] >= tau]
    picked = independent_set(order, view.mi > 0)
    return commit(view, picked, f"{count_of(len(picked))}, no two of them in one row, column or box.")


def independent_set(order: list[int], joined: Tensor) -> list[int]:
    """Greedy: each position in turn that no earlier one is joined to. joined: (N, N) bool."""
    picked: list[int] = []
    blocked = torch.zeros(len(joined), dtype=torch.bool)
    for i in order:
        if not blocked[i]:
            picked.append(i)
            blocked |= joined[i]
    return picked
