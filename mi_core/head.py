"""The neural estimator: the whole MI matrix from one forward pass (arXiv 2605.20187).

A small symmetric network on the frozen model's final hidden states, trained on probed MI. Two variants:

    paper      final hidden states only: each pair's projected sum and product through an MLP, softplus at the end
    marginals  also reads p_i and H(p_i), a few inner layers and the attention weights of the same pass, and predicts
               the share of min(H_i, H_j) that is mutual: 0 <= MI <= min(H_i, H_j) holds by construction
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
from mi_core.shapes import Masked, PairBatch, Row
from mi_core.weights import fill_network, load_weights

KIND = "mi-head"
Variant = Literal["marginals", "paper"]
VARIANTS: tuple[str, ...] = get_args(Variant)
_CHUNK = 8  # sequences whose pairs are held at once: they stay in the cache


@dataclass(frozen=True)
class HeadConfig:
    """What rebuilds a head. `width`, `vocabulary` and `attention` are those of the frozen model."""

    variant: str
    width: int
    vocabulary: int
    channels: int = 96
    pair_hidden: int = 64
    layers: tuple[int, ...] = ()  # inner states read beside the final ones, 0 is the embedding
    attention: int = 0  # attention maps of one pass (blocks times heads), 0 where they are not read

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UnknownName("head variant", self.variant, VARIANTS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the header of a weight file."""
        return asdict(self)


class MIHead(nn.Module):
    """Base of both variants: one forward pass of the model -> symmetric (B, N, N) in nats."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, output: ModelOutput, masked: Masked) -> PairBatch:
        """MI of every pair; 0 on the diagonal and where either position is revealed."""
        batch, length = masked.shape
        somewhere = masked.any(0).nonzero()[:, 0]  # positions open in at least one sequence
        i, j = somewhere[torch.triu_indices(len(somewhere), len(somewhere), offset=1, device=masked.device)]
        values = self.pairs(output, i, j) * (masked[:, i] & masked[:, j])  # (B, P)
        mi = values.new_zeros(batch, length, length)
        mi[:, i, j] = values
        mi[:, j, i] = values
        return mi

    def pairs(self, output: ModelOutput, i: Tensor, j: Tensor) -> Tensor:
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

    def pairs(self, output: ModelOutput, i: Tensor, j: Tensor) -> Tensor:
        x = self.project(output.hidden)  # (B, N, C)
        own = self.from_sum(x)
        both = self.from_product(x[:, i] * x[:, j])  # (B, P, C)
        return F.softplus(self.out(F.gelu(both + own[:, i] + own[:, j])))[..., 0]


class MarginalsHead(MIHead):
    """Several layers, marginals, entropies and attention; a bounded share of the smaller entropy."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        c, pair = config.channels, config.pair_hidden
        self.norm_layers = nn.ModuleList(nn.LayerNorm(config.width) for _ in config.layers)
        self.project = nn.Linear(config.width * (1 + len(config.layers)) + config.vocabulary + 1, c)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(c, c), nn.GELU())
        self.own = nn.Linear(c, pair, bias=False)
        self.left = nn.Linear(c, c, bias=False)
        self.from_product = nn.Linear(c + config.vocabulary + 1 + config.attention, pair)
        self.middle = nn.Sequential(nn.GELU(), nn.Linear(pair, pair), nn.GELU())
        self.out = nn.Linear(pair, 1)
        nn.init.constant_(self.out.bias, -3.0)

    def pairs(self, output: ModelOutput, i: Tensor, j: Tensor) -> Tensor:
        probs = output.log_probs.exp().float()
        h = entropy(output.log_probs).float()
        inner = [norm(output.layers[k]) for norm, k in zip(self.norm_layers, self.config.layers, strict=True)]
        x = self.mix(self.project(torch.cat([output.hidden, *inner, probs, h[..., None]], dim=-1)))  # (B, N, C)
        a, own = self.left(x), self.own(x)
        smaller = torch.minimum(h[:, i], h[:, j])
        shared = (probs[:, i] * probs[:, j]).sqrt()  # (B, P, V)
        parts = [a[:, i] * a[:, j], shared, smaller[..., None]]
        if self.config.attention:
            # Log weights: what matters is whether a cell looks at the other at all; both directions count alike.
            seen = torch.cat([w[:, :, i, j] + w[:, :, j, i] for w in output.attention], dim=1)  # (B, maps, P)
            parts.append((seen.float() + 1e-4).log().transpose(1, 2) / 4 + 1)
        z = self.middle(self.from_product(torch.cat(parts, dim=-1)) + own[:, i] + own[:, j])
        return smaller * torch.sigmoid(self.out(z)[..., 0])


def build_head(config: HeadConfig) -> MIHead:
    """An untrained head of that configuration."""
    return PaperHead(config) if config.variant == "paper" else MarginalsHead(config)


def check_fit(head: MIHead, model: Model, output: ModelOutput) -> None:
    """Refuse a head that was trained on another model.

    Raises:
        InputError: widths or vocabularies differ.
    """
    config = head.config
    have = (output.hidden.shape[-1], model.vocab.size)
    want = (config.width, config.vocabulary)
    maps = sum(w.shape[1] for w in output.attention)
    inside = max(config.layers, default=-1) < len(output.layers) and config.attention in (0, maps)
    if have != want or not inside:
        raise InputError(
            f"This head was trained for hidden width {want[0]} and {want[1]} symbols; "
            f"model {model.name} has {have[0]} and {have[1]}."
        )


def rows_of(output: ModelOutput, rows: slice | Tensor) -> ModelOutput:
    """The part of a pass that belongs to some of its sequences."""
    return ModelOutput(
        output.log_probs[rows],
        output.hidden[rows],
        tuple(layer[rows] for layer in output.layers),
        tuple(weights[rows] for weights in output.attention),
    )


def config_for(variant: str, output: ModelOutput) -> HeadConfig:
    """The configuration of a new head for the model that made `output`: every other inner layer, all attention."""
    width, vocabulary = output.hidden.shape[-1], output.log_probs.shape[-1]
    if variant == "paper":
        return HeadConfig(variant, width, vocabulary)
    layers = tuple(range(0, max(0, len(output.layers) - 1), 3))
    return HeadConfig(variant, width, vocabulary, layers=layers, attention=sum(w.shape[1] for w in output.attention))


@torch.inference_mode()
def predict(head: MIHead, model: Model, tokens: Tensor, output: ModelOutput) -> PairBatch:
    """MI of B sequences from a pass that was made already, (B, N, N) float64, symmetric."""
    check_fit(head, model, output)
    masked = tokens.to(output.hidden.device) == model.vocab.mask_id
    parts = [slice(k, k + _CHUNK) for k in range(0, len(tokens), _CHUNK)]
    return torch.cat([head(rows_of(output, p), masked[p]).double() for p in parts])


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
        layers = tuple(header.config.get("layers", ()))  # JSON has lists only
        head = build_head(HeadConfig(**{**header.config, "layers": layers}))
    except TypeError as error:
        raise FormatError(f"The header of {path.name} does not describe an MI head.") from error
    fill_network(head, tensors, path)
    return head.eval().requires_grad_(False)
