"""MI from the marginals' Jacobian: the "categorical Jacobian" family, without setting a position to anything.

Source: the Jacobian of a language model's outputs with respect to its input shows which positions depend on each other
(Zhang et al. 2024, doi:10.1073/pnas.2406285121, who substitute tokens and take norms). Here the derivative is taken at
the mask's own embedding, in forward mode, and its answer is in nats.
"""

import time
from typing import Annotated

import torch
from torch import Tensor
from torch.func import jvp

from mi_core.errors import Cancelled, InputError
from mi_core.estimators.registry import Task, estimator
from mi_core.information import entropy_of
from mi_core.models.protocol import Differentiable
from mi_core.results import MIResult
from mi_core.selection import Bounds

_BATCH = 4096  # positions differentiated at once
_NOTHING = 1e-6  # directions shorter than this share of the embeddings' own length are left out


@estimator(title="First order", source="Zhang et al. 2024, doi:10.1073/pnas.2406285121; ours in nats")
@torch.no_grad()
def first_order(
    task: Task, *, directions: Annotated[int, Bounds(1, 32, "derivatives taken at each open position")] = 1
) -> MIResult:
    """What a small step of one input towards each symbol would do to all other marginals.

    ln p_j(. | x_i=v) is taken as ln p_j + J (e_v - mean e), normalised; the MI of the joint so made is the mixture
    form's. The embeddings that p_i allows are reduced to their `directions` principal ones, one derivative each; a
    derivative is counted as two passes, since forward mode carries value and tangent.

    Raises:
        InputError: the model reads symbols only (`mi_core.models.protocol.Differentiable`).
    """
    start = time.perf_counter()
    model, tokens = task.model, task.tokens.to(task.model.device)
    if not isinstance(model, Differentiable):
        raise InputError(
            f"Model {model.name} reads symbols and cannot be differentiated by its input; "
            "take an estimator that probes, or a model with embeddings (sudoku, ESM-C)."
        )
    base = model(tokens[None]).log_probs[0]
    where = (tokens == model.vocab.mask_id).nonzero()[:, 0]
    steps, weights, who = _directions(model.embeddings().float(), base[where].exp(), directions)
    tangents = _derivatives(task, model, tokens, where, steps, who)  # (R, M, V)
    mi = _linear_mi(base[where], tangents, weights, who)
    n = len(tokens)
    matrix = torch.zeros(n, n, dtype=torch.float64)
    matrix[where.cpu()[:, None], where.cpu()[None, :]] = ((mi + mi.T) / 2).cpu().fill_diagonal_(0.0)
    return MIResult(
        mi=matrix,
        masked=(tokens == model.vocab.mask_id).cpu(),
        entropy=entropy_of(base.exp()).cpu(),
        log_probs=base.cpu(),
        tokens=tokens.cpu(),
        model=model.name,
        estimator="first-order",
        form="mixture",
        passes=1 + 2 * len(steps),
        seconds=time.perf_counter() - start,
    )


def _directions(table: Tensor, probs: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal directions of the embeddings under p_i, for each of M open positions.

    Args:
        table: (V+1, D) embeddings; the mask's, the last, is not used: a shared step moves no dependence.
        probs: (M, V) marginals.

    Returns: directions (R, D), what each symbol is in them (R, V), and whose they are (R,).
    """
    symbols = table[:-1].double()
    centred = symbols[None] - torch.einsum("mv,vd->md", probs, symbols)[:, None]  # (M, V, D)
    _, length, axes = torch.linalg.svd(probs.sqrt()[..., None] * centred, full_matrices=False)
    kept = (length > _NOTHING * symbols.norm()) & (torch.arange(length.shape[-1], device=length.device) < count)
    who, rank = kept.nonzero(as_tuple=True)
    steps = axes[who, rank]  # (R, D)
    return steps.float(), torch.einsum("rvd,rd->rv", centred[who], steps), who


def _derivatives(
    task: Task, model: Differentiable, tokens: Tensor, where: Tensor, steps: Tensor, who: Tensor
) -> Tensor:
    """d ln p_j / d e_i along each direction, at every open position j: (R, M, V) float64."""
    embedded = model.embeddings().float()[tokens]  # (N, D)
    parts = []
    size = max(1, _BATCH // len(tokens))
    for begin in range(0, len(steps), size):
        if task.cancel is not None and task.cancel():
            raise Cancelled(f"The derivatives were cancelled after {begin} of {len(steps)}.")
        part = steps[begin : begin + size]
        rows = tokens.repeat(len(part), 1)
        point = embedded.repeat(len(part), 1, 1)
        tangent = torch.zeros_like(point)
        tangent[torch.arange(len(part)), where[who[begin : begin + size]]] = part
        moved: Tensor = jvp(lambda x, rows=rows: model.log_probs_of(rows, x), (point,), (tangent,))[1]
        parts.append(moved[:, where].double())
        if task.progress is not None:
            task.progress(min(begin + size, len(steps)), len(steps))
    return torch.cat(parts) if parts else torch.zeros(0, len(where), model.embeddings().shape[0] - 1).double()


def _linear_mi(base: Tensor, tangents: Tensor, weights: Tensor, who: Tensor) -> Tensor:
    """Mixture-form MI (M, M), row i moved and column j read, of the linearised conditionals."""
    out = torch.zeros(len(base), len(base), dtype=torch.float64, device=base.device)
    for i in range(len(base)):
        mine = who == i
        if bool(mine.any()):
            step = torch.einsum("rv,rju->vju", weights[mine], tangents[mine])  # (V, M, V')
            conditional = torch.log_softmax(base[None] + step, dim=-1).exp()
            probs = base[i].exp()
            mixture = torch.einsum("v,vju->ju", probs, conditional)
            out[i] = entropy_of(mixture) - torch.einsum("v,vj->j", probs, entropy_of(conditional))
    return out.clamp_min(0.0)  # Jensen: below 0 by rounding alone
