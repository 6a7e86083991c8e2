"""Two positions of a model: their joint distribution by probing, from which samples with a known MI are drawn."""

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.protocol import Model
from mi_core.probing import conditionals
from mi_core.shapes import Row


def probed_joint(model: Model, tokens: Row, first: int, second: int) -> Float[Tensor, "V V2"]:
    """q(v, u) = p_i(v) p_j(u | x_i=v), float64, of two open positions; V + 1 passes.

    Raises:
        InputError: one of them is not open, or they are the same.
    """
    if first == second:
        raise InputError("Two different positions are needed.")
    if not 0 <= second < len(tokens) or int(tokens[second]) != model.vocab.mask_id:
        raise InputError(f"Position {second} is not open, so there is nothing to draw there.")
    moved = conditionals(model, tokens, first)[:, second].exp()  # (V, V)
    own = model(tokens[None]).log_probs[0, first].exp().cpu()
    return torch.einsum("v,vu->vu", own, moved)
