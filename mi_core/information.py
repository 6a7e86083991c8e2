"""Entropies and divergences of discrete distributions, in nats. No model, no sampling.

Probabilities run along the last axis, or the last two for a joint. 0 log 0 = 0 throughout.
"""

import math

import torch
from torch import Tensor


def entropy(log_probs: Tensor) -> Tensor:
    """H(p) of log-probabilities along the last axis."""
    return entropy_of(log_probs.exp())


def entropy_of(probs: Tensor) -> Tensor:
    """H(p) of probabilities along the last axis."""
    nats: Tensor = torch.special.entr(probs).sum(-1)
    return nats


def drawn_from(log_probs: Tensor, temperature: float, min_p: float = 0.0) -> Tensor:
    """The probabilities that tokens are drawn from, ~ p^(1/temperature) where p >= min_p max p (arXiv 2407.01082).

    Args:
        temperature: above 0.
    """
    behind = log_probs.max(-1, keepdim=True).values - log_probs
    unlikely = behind.exp() * min_p > 1
    return torch.softmax((log_probs / temperature).masked_fill(unlikely, -torch.inf), dim=-1)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of probabilities along the last axis; infinite where p has mass that q lacks."""
    nats: Tensor = (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(-1)
    return nats


def mutual_information_of(joint: Tensor) -> Tensor:
    """I(X; Y) of a joint whose last two axes are X and Y."""
    rows, columns = joint.sum(-1), joint.sum(-2)
    return entropy_of(rows) + entropy_of(columns) - entropy_of(joint.flatten(-2))


def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of probabilities along the last axis, at most ln 2."""
    return entropy_of((p + q) / 2) - (entropy_of(p) + entropy_of(q)) / 2


def binary_entropy(p: Tensor) -> Tensor:
    """h_b(p) = -p ln p - (1-p) ln(1-p)."""
    nats: Tensor = torch.special.entr(p) + torch.special.entr(1 - p)
    return nats


def max_entropy(size: int) -> float:
    """ln V, the entropy of the uniform distribution over `size` symbols."""
    return math.log(size)
