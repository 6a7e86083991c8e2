"""The neural estimator: the whole MI matrix from one forward pass (arXiv 2605.20187).

A small symmetric network on the frozen model's final hidden states, trained on probed MI. Two variants:

    paper      hidden states only: each pair's projected sum and product through an MLP, softplus at the end
    marginals  also reads p_i and H(p_i), lets the open positions look at each other once, and predicts the share of
               min(H_i, H_j) that is mutual, so that 0 <= MI <= min(H_i, H_j) holds by construction
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import FormatError, InputError, UnknownName
from mi_core.information import entropy
from mi_core.models.protocol import Model, ModelOutput
from mi_core.results import MIResult
from mi_core.shapes import Hidden, LogProbs, Masked, PairBatch, Row
from mi_core.weights import fill_network, load_weights

KIND = "mi-head"
Variant = Literal["marginals", "paper"]
VARIANTS: tuple[str, ...] = get_args(Variant)
_CHUNK = 8  # sequences whose pairs are held at once: they stay in the cache


@dataclass(frozen=True)
class HeadConfig:
    """What rebuilds a head. `width` and `vocabulary` are those of the frozen model."""

    variant: str
    width: int
    vocabulary: int
    channels: int = 96
    pair_hidden: int = 64

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UnknownName("head variant", self.variant, VARIANTS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the header of a weight file."""
        return asdict(self)


class MIHead(nn.Module):
    """Base of both variants: (hidden, log_probs, masked) -> symmetric (B, N, N) in nats."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, hidden: Hidden, log_probs: LogProbs, masked: Masked) -> PairBatch:
        """MI of every pair; 0 on the diagonal and where either position is revealed."""
        batch, length = masked.shape
        somewhere = masked.any(0).nonzero()[:, 0]  # positions open in at least one sequence
        i, j = somewhere[torch.triu_indices(len(somewhere), len(somewhere), offset=1, device=masked.device)]
        values = self.pairs(hidden, log_probs, i, j) * (masked[:, i] & masked[:, j])  # (B, P)
        mi = values.new_zeros(batch, length, length)
        mi[:, i, j] = values
        mi[:, j, i] = values
        return mi

    def pairs(self, hidden: Tensor, log_probs: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """MI of the P pairs (i, j), each (P,), as if both were open: (B, P). The order within a pair does not count."""
        raise NotImplementedError


class PaperHead(MIHead):
    """Projected sum and product of two hidden states, then an MLP."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.project = nn.Linear(config.width, 2 * config.channels)
        self.from_sum = nn.Linear(2 * config.channels, 2 * config.channels, bias=False)
        self.from_product = nn.Linear(2 * config.channels, 2 * config.channels)
        self.out = nn.Linear(2 * config.channels, 1)
        nn.init.constant_(self.out.bias, -4.0)  # most pairs are independent

    def pairs(self, hidden: Tensor, log_probs: Tensor, i: Tensor, j: Tensor) -> Tensor:
        x = self.project(hidden)  # (B, N, C)
        own = self.from_sum(x)
        both = self.from_product(x[:, i] * x[:, j])  # (B, P, C)
        return F.softplus(self.out(F.gelu(both + own[:, i] + own[:, j])))[..., 0]


class MarginalsHead(MIHead):
    """Hidden states, marginals and entropies; one attention among the open positions; a bounded share of entropy."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        c = config.channels
        self.project = nn.Linear(config.width + config.vocabulary + 1, c)
        self.norm_attention = nn.LayerNorm(c)
        self.attention = nn.MultiheadAttention(c, num_heads=4, batch_first=True)
        self.norm_feedforward = nn.LayerNorm(c)
        self.feedforward = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.norm = nn.LayerNorm(c)
        self.own = nn.Linear(c, config.pair_hidden, bias=False)
        self.left = nn.Linear(c, c, bias=False)
        self.from_product = nn.Linear(c + 2, config.pair_hidden)
        self.middle = nn.Linear(config.pair_hidden, config.pair_hidden)
        self.out = nn.Linear(config.pair_hidden, 1)
        nn.init.constant_(self.out.bias, -3.0)

    def pairs(self, hidden: Tensor, log_probs: Tensor, i: Tensor, j: Tensor) -> Tensor:
        probs = log_probs.exp().float()
        h = entropy(log_probs).float()
        x = self.project(torch.cat([hidden, probs, h[..., None]], dim=-1))  # (B, N, C)
        y = self.norm_attention(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = self.norm(x + self.feedforward(self.norm_feedforward(x)))
        a, own, root = self.left(x), self.own(x), probs.sqrt()
        overlap = (root[:, i] * root[:, j]).sum(-1, keepdim=True)  # shared candidates
        smaller = torch.minimum(h[:, i], h[:, j])
        features = torch.cat([a[:, i] * a[:, j], overlap, smaller[..., None]], dim=-1)  # (B, P, C+2)
        z = F.gelu(self.from_product(features) + own[:, i] + own[:, j])
        z = F.gelu(self.middle(z))
        return smaller * torch.sigmoid(self.out(z)[..., 0])


def build_head(config: HeadConfig) -> MIHead:
    """An untrained head of that configuration."""
    return PaperHead(config) if config.variant == "paper" else MarginalsHead(config)


def check_fit(head: MIHead, model: Model, output: ModelOutput) -> None:
    """Refuse a head that was trained on another model.

    Raises:
        InputError: widths or vocabularies differ.
    """
    have = (output.hidden.shape[-1], model.vocab.size)
    want = (head.config.width, head.config.vocabulary)
    if have != want:
        raise InputError(
            f"This head was trained for hidden width {want[0]} and {want[1]} symbols; "
            f"model {model.name} has {have[0]} and {have[1]}."
        )


@torch.inference_mode()
def predict(head: MIHead, model: Model, tokens: Tensor, output: ModelOutput) -> PairBatch:
    """MI of B sequences from a pass that was made already, (B, N, N) float64, symmetric."""
    check_fit(head, model, output)
    masked = tokens.to(output.hidden.device) == model.vocab.mask_id
    parts = [slice(k, k + _CHUNK) for k in range(0, len(tokens), _CHUNK)]
    return torch.cat([head(output.hidden[p], output.log_probs[p], masked[p]).double() for p in parts])


def estimate(model: Model, head: MIHead, tokens: Row) -> MIResult:
    """The MI matrix of one sequence in one forward pass.

    Args:
        tokens: (N,) ids, the mask where open.

    Raises:
        InputError: not one sequence, or the head belongs to another model.
    """
    if tokens.ndim != 1:
        raise InputError(f"The estimator takes one sequence of shape (N,), got {tuple(tokens.shape)}.")
    start = time.perf_counter()
    output = model(tokens[None])
    mi = predict(head, model, tokens[None], output)[0]
    return MIResult(
        mi=mi.cpu(),
        masked=(tokens == model.vocab.mask_id).cpu(),
        entropy=entropy(output.log_probs[0]).cpu(),
        log_probs=output.log_probs[0].cpu(),
        tokens=tokens.cpu(),
        model=model.name,
        estimator=f"head-{head.config.variant}",
        form="averaged",
        passes=1,
        seconds=time.perf_counter() - start,
    )


def load_head_file(path: Path) -> MIHead:
    """A trained head from a weight file.

    Raises:
        InputError, FormatError: see `mi_core.weights`.
    """
    header, tensors = load_weights(path, KIND)
    try:
        head = build_head(HeadConfig(**header.config))
    except TypeError as error:
        raise FormatError(f"The header of {path.name} does not describe an MI head.") from error
    fill_network(head, tensors, path)
    return head.eval().requires_grad_(False)
