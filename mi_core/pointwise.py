"""The pointwise head: how two *particular* tokens go together, for every pair of open positions, from one forward pass.

MI is the average of the pointwise mutual information (PMI) ln p(x_i=a, x_j=b) / p(x_i=a) p(x_j=b). A decoder that has
drawn its tokens already needs no average: it can see whether *this* draw is one that the joint would have made. The
head predicts g_ij(a, b), symmetric in (i, a) <-> (j, b), and with it what one token tells about another position:

    p(x_j=b | x_i=a) = softmax_b( ln p(x_j=b) + g_ij(a, b) )

g has two terms: a few tables over tokens that all pairs share, mixed by what the MI head knows of the pair, and a
product of a vector for (i, a) with one for (j, b), gated by the pair.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mi_core.errors import FormatError, InputError
from mi_core.head import (
    HeadConfig,
    MarginalsHead,
    MIHead,
    Pairs,
    build_head,
    check_fit,
    open_part,
    pack,
    rows_of,
    unpack,
)
from mi_core.models.protocol import Model, ModelOutput
from mi_core.shapes import Masked, PairBatch, Tokens
from mi_core.weights import fill_network, load_weights

KIND = "pointwise-head"
_CHUNK = 8  # sequences whose pairs are held at once


@dataclass(frozen=True)
class PointwiseConfig:
    """What rebuilds a pointwise head."""

    trunk: HeadConfig  # of the MI head that it is built on
    tables: int = 8  # shared tables over tokens
    vector: int = 24  # of a position with a token
    hidden: int = 96

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the header of a weight file."""
        return asdict(self)


class PointwiseHead(nn.Module):
    """PMI of all token pairs of all position pairs, on the pair features of an MI head."""

    def __init__(self, config: PointwiseConfig) -> None:
        super().__init__()
        self.config = config
        trunk = build_head(config.trunk)
        if not isinstance(trunk, MarginalsHead):
            raise InputError(f"A pointwise head is built on a marginals head, not on a {config.trunk.variant} one.")
        self.trunk = trunk
        v, width, pair = config.trunk.vocabulary, config.trunk.width, config.trunk.pair_hidden
        self.tables = nn.Parameter(torch.zeros(config.tables, v, v))
        self.mix = nn.Linear(pair, config.tables)
        self.embed = nn.Sequential(
            nn.Linear(width + v, config.hidden), nn.GELU(), nn.Linear(config.hidden, v * config.vector)
        )
        self.gate = nn.Linear(pair, config.vector)
        nn.init.zeros_(self.gate.weight)  # starts from the shared tables alone
        nn.init.constant_(self.gate.bias, 0.1)

    def features(self, output: ModelOutput, is_open: Masked) -> tuple[Tensor, Tensor]:
        """What is known of each pair (B, M, M, pair), and a vector for every position with every token (B, M, V, d)."""
        z, _ = self.trunk.features(output, is_open)
        z = Pairs(is_open.shape[1], z.device).square(z).permute(0, 2, 3, 1)
        own = self.embed(torch.cat([output.hidden, output.log_probs.exp().float()], dim=-1))
        return z, own.unflatten(-1, (self.config.trunk.vocabulary, self.config.vector))

    def told(self, log_probs: Tensor, pair: Tensor, teller: Tensor, token: Tensor, own: Tensor) -> Tensor:
        """ln p(x_j=b | x_i=a) of M positions j, by R tellers (i, a) each.

        Args:
            log_probs: (B, M, V) marginals.
            pair: (B, R, M, pair), of teller and told.
            teller: (B, R, d), the vector of each (i, a).
            token: (B, R), each a.
            own: (B, M, V, d).

        Returns:
            (B, R, M, V), normalised over the last axis.
        """
        tables = self.tables + self.tables.transpose(1, 2)
        shared = torch.einsum("brmk,kbrv->brmv", self.mix(pair), tables[:, token])
        product = torch.einsum("brmd,bmvd->brmv", self.gate(pair) * teller[:, :, None], own)
        return torch.log_softmax(log_probs[:, None].float() + shared.float() + product.float(), dim=-1)

    def forward(self, output: ModelOutput, masked: Masked, tokens: Tokens) -> PairBatch:
        """PMI of these tokens, (B, N, N) nats, the mean of both directions; 0 on the diagonal and where revealed.

        Args:
            tokens: (B, N), the token that each open position would get.
        """
        at, is_open = pack(masked)  # (B, M)
        part = open_part(output, at)
        drawn = tokens.gather(1, at)
        z, own = self.features(part, is_open)
        teller = own.gather(2, drawn[:, :, None, None].expand(-1, -1, 1, own.shape[-1]))[:, :, 0]
        told = self.told(part.log_probs, z, teller, drawn, own)  # (B, M, M, V)
        chosen = drawn[:, None, :, None].expand(-1, drawn.shape[1], -1, 1)
        after = told.gather(3, chosen)[..., 0]
        before = part.log_probs.gather(2, drawn[..., None])[..., 0]
        both = is_open[:, :, None] & is_open[:, None]
        pmi = (after - before[:, None]).masked_fill(~both, 0.0)  # a revealed position has ln 0 for other tokens
        return unpack(_both_ways(pmi), at, is_open, masked.shape[1])

    def variation(self, output: ModelOutput, masked: Masked) -> PairBatch:
        """sum_a p_i(a) TV(p_j(. | x_i=a), p_j), the mean of both directions, (B, N, N); in [0, 1], 0 where revealed."""
        at, is_open = pack(masked)  # (B, M)
        part = open_part(output, at)
        z, own = self.features(part, is_open)
        p = part.log_probs.exp().float()
        directed = p.new_zeros(*at.shape, at.shape[1])
        for symbol in range(self.config.trunk.vocabulary):
            token = torch.full_like(at, symbol)
            told = self.told(part.log_probs, z, own[:, :, symbol], token, own).exp()  # (B, M, M, V)
            directed += p[:, :, None, symbol] * (told - p[:, None]).abs().sum(-1) / 2
        return unpack(_both_ways(directed), at, is_open, masked.shape[1])


def _both_ways(directed: Tensor) -> Tensor:
    """The mean of both directions of each pair, (B, P), of (B, M, M)."""
    return Pairs(directed.shape[1], directed.device).folded(directed[:, None])[..., 0] / 2


def new_pointwise(head: MIHead) -> PointwiseHead:
    """An untrained pointwise head that starts from what an MI head has learned of pairs."""
    made = PointwiseHead(PointwiseConfig(head.config))
    made.trunk.load_state_dict(head.state_dict())
    return made


@torch.inference_mode()
def predict_pmi(head: PointwiseHead, model: Model, tokens: Tokens, drawn: Tokens, output: ModelOutput) -> PairBatch:
    """PMI of the drawn tokens of B sequences from a pass that was made already, (B, N, N) float64, nats.

    Raises:
        InputError: the head belongs to another model.
    """
    check_fit(head.trunk, model, output)
    device = output.hidden.device
    masked, drawn = tokens.to(device) == model.vocab.mask_id, drawn.to(device)
    parts = [slice(k, k + _CHUNK) for k in range(0, len(tokens), _CHUNK)]
    return torch.cat([head(rows_of(output, p), masked[p], drawn[p]).double() for p in parts])


@torch.inference_mode()
def predict_variation(head: PointwiseHead, model: Model, tokens: Tokens, output: ModelOutput) -> PairBatch:
    """Expected total variation of B sequences from a pass that was made already, (B, N, N) float64.

    Raises:
        InputError: the head belongs to another model.
    """
    check_fit(head.trunk, model, output)
    masked = tokens.to(output.hidden.device) == model.vocab.mask_id
    parts = [slice(k, k + _CHUNK) for k in range(0, len(tokens), _CHUNK)]
    return torch.cat([head.variation(rows_of(output, p), masked[p]).double() for p in parts])


def load_pointwise(path: Path) -> PointwiseHead:
    """A trained pointwise head from a weight file.

    Raises:
        InputError, FormatError: see `mi_core.weights`.
    """
    header, tensors = load_weights(path, KIND)
    try:
        values = dict(header.config)
        trunk = {**values.pop("trunk")}
        trunk["layers"] = tuple(trunk.get("layers", ()))  # JSON has lists only
        head = PointwiseHead(PointwiseConfig(HeadConfig(**trunk), **values))
    except (TypeError, KeyError) as error:
        raise FormatError(f"The header of {path.name} does not describe a pointwise head.") from error
    fill_network(head, tensors, path)
    return head.eval().requires_grad_(False)
