"""What tuning a protein model to one family taught it, measured on a structure and on sequences it never saw.

Do the pairs whose MI rose most touch in the fold? How much likelier did unseen members of the family become, and how
much less likely everything else?
"""

from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

import torch

from mi_core import differential
from mi_core.benchmarks.coupling import Case, MapRecipe, mean_map, scored_map
from mi_core.likelihood.question import ask
from mi_core.models.protocol import Model
from mi_core.proteins.sequence import VOCAB
from mi_core.shapes import PairMatrix

Tick = Callable[[int, int, str], None]


def bench_family_tuning(
    model: Model,
    reference: Model,
    case: Case,
    recipe: MapRecipe,
    *,
    members: Sequence[str],
    others: Sequence[str],
    tick: Tick,
) -> dict[str, Any]:
    """Contacts among the pairs whose MI rose, rewards of unseen members of the family and of other proteins.

    Args:
        case: a member of the family whose structure is known.
        members, others: letters; rewards are nats a residue, each from one chain that both models share.
    """
    before, after = (_map(one, case, recipe, tick) for one in (reference, model))
    maps = {"reference": before, "tuned": after, "risen": after - before}
    hidden = torch.full_like(case.tokens, VOCAB.mask_id)
    same = differential.mi_change(reference, reference, hidden, mass=recipe.mass)
    shift = differential.token_shift(reference, reference, hidden)
    return {
        "tuned": model.name,
        "reference": reference.name,
        "protein": case.name,
        "masks": recipe.masks,
        "ratio": recipe.ratio,
        "contacts": [scored_map(case, matrix, route, corrected=True) for route, matrix in maps.items()],
        "risen_nats": float(torch.nanmean(maps["risen"])),
        "mean_nats": {"reference": float(torch.nanmean(before)), "tuned": float(torch.nanmean(after))},
        "rewards": {
            "members": _rewards(model, reference, members, "members", tick),
            "others": _rewards(model, reference, others, "others", tick),
        },
        "identity": {
            "reward": differential.reward(reference, reference, ask(reference, case.tokens), samples=1).log_ratio,
            "largest_mi_change": float(same.difference.abs().max()),
            "least_entropy_of_q": float(shift.entropy.min()),
        },
    }


def _map(model: Model, case: Case, recipe: MapRecipe, tick: Tick) -> PairMatrix:
    def told(done: int, total: int) -> None:
        tick(done, total, f"MI, {model.name}")

    return mean_map(model, case.members(1), len(case.truth.resolved), recipe, progress=told)[0]


def _rewards(model: Model, reference: Model, sequences: Sequence[str], what: str, tick: Tick) -> dict[str, Any]:
    """Mean reward a residue with its standard error over the sequences, nats."""
    found = []
    for k, letters in enumerate(sequences):
        tick(k, len(sequences), f"rewards, {what}")
        question = ask(model, VOCAB.encode(letters))
        gained = differential.reward(model, reference, question, samples=1, seed=k).log_ratio
        found.append(gained / len(letters))
    error = stdev(found) / len(found) ** 0.5 if len(found) > 1 else float("nan")
    return {"sequences": len(found), "a_residue": fmean(found), "standard_error": error, "positive": _share(found)}


def _share(values: Sequence[float]) -> float:
    return sum(value > 0 for value in values) / len(values)
