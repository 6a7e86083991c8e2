"""The neural estimator: the whole MI matrix from one forward pass (arXiv 2605.20187).

A small symmetric network on the frozen model's final hidden states, trained on probed MI. Two variants:

    paper      final hidden states only: each pair's projected sum and product through an MLP, softplus at the end
    marginals  also reads p_i and H(p_i), a few inner layers and the attention weights of the same pass, and predicts
               the share of min(H_i, H_j) that is mutual: 0 <= MI <= min(H_i, H_j) holds by construction
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import FormatError, InputError, UnknownName
from mi_core.information import entropy
from mi_core.models.protocol import Model, ModelOutput, each
from mi_core.results import MIResult
from mi_core.shapes import Masked, PairBatch, Row
from mi_core.weights import fill_network, load_weights

KIND = "mi-head"
Variant = Literal["marginals", "paper"]
VARIANTS: tuple[str, ...] = get_args(Variant)
_MAPS = 64  # attention maps read at most
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
    attention: int = 0  # attention maps read (blocks times heads, of the last blocks), 0 for none
    rounds: int = 0  # path updates between pairs
    paths: int = 16  # channels of a path update

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UnknownName("head variant", self.variant, VARIANTS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the header of a weight file."""
        return asdict(self)


class MIHead(nn.Module):
    """Base of both variants: one forward pass of the model -> symmetric (B, N, N) in nats.

    Only open positions are worked on, packed to the front, and each of their pairs once: a board with twenty open
    cells costs 190 pairs, not 6,561.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def title(self) -> str:
        """How results, traces and tables call it."""
        return f"head-{self.config.variant}"

    def forward(self, output: ModelOutput, masked: Masked) -> PairBatch:
        """MI of every pair; 0 on the diagonal and where either position is revealed."""
        at, is_open = pack(masked)  # (B, M)
        return unpack(self.pairs(open_part(output, at), is_open), at, is_open, masked.shape[1])

    def pairs(self, output: ModelOutput, is_open: Masked) -> Tensor:
        """MI of the pairs of M packed positions, (B, P), P = M (M - 1) / 2 in the order of `Pairs`."""
        raise NotImplementedError

    def blocks(self) -> nn.Module:
        """What lies between the first layer and the last: training updates its matrices by another rule."""
        raise NotImplementedError


class Pairs:
    """The P = M (M - 1) / 2 pairs i < j of M positions, in the order (0, 1), (0, 2), ..., (1, 2), ...

    Every layer of a head treats (i, j) and (j, i) alike; what costs is done once for the two of them.
    """

    def __init__(self, most: int, device: torch.device) -> None:
        self.most = most
        self.i, self.j = torch.triu_indices(most, most, 1, device=device)
        self._above = self.i * most + self.j
        # Where each cell of a square finds its pair; behind the last one stands the zero of the diagonal.
        pair = torch.full((most, most), len(self.i), device=device)
        pair[self.i, self.j] = pair[self.j, self.i] = torch.arange(len(self.i), device=device)
        self._pair = pair.flatten()

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What (B, M, ...) holds for the first and the second end of each pair, (B, P, ...) each."""
        return x.index_select(1, self.i), x.index_select(1, self.j)

    def square(self, x: Tensor) -> Tensor:
        """Channels (B, P, C) as symmetric matrices (B, C, M, M) with zeros on the diagonal."""
        rows = torch.cat([x, x.new_zeros(len(x), 1, x.shape[2])], dim=1).transpose(1, 2).contiguous()
        whole = rows.gather(2, self._pair.expand(*rows.shape[:2], -1))
        return whole.view(*rows.shape[:2], self.most, self.most)

    def folded(self, x: Tensor) -> Tensor:
        """x_ij + x_ji of matrices (B, C, M, M), as channels of each pair (B, P, C)."""
        both = (x + x.transpose(2, 3)).flatten(2)
        return both.gather(2, self._above.expand(*both.shape[:2], -1)).transpose(1, 2)


def pack(masked: Masked) -> tuple[Tensor, Tensor]:
    """The open positions of each sequence first, (B, M) with M the most of any; others fill up, marked False."""
    most = int(masked.sum(1).max())
    at = torch.argsort(~masked, dim=1, stable=True)[:, :most]
    return at, masked.gather(1, at)


def unpack(values: Tensor, at: Tensor, is_open: Tensor, length: int) -> Tensor:
    """Values (B, P) of the pairs of packed positions, each put at (i, j) and (j, i) of (B, N, N); 0 elsewhere."""
    pairs = Pairs(at.shape[1], at.device)
    (i, j), (first, second) = pairs.ends(at), pairs.ends(is_open)
    values = values * (first & second)
    whole = values.new_zeros(len(at), length * length)
    whole = whole.scatter(1, i * length + j, values).scatter(1, j * length + i, values)
    return whole.view(-1, length, length)


def open_part(output: ModelOutput, at: Tensor) -> ModelOutput:
    """A pass as seen from the positions `at` (B, M)."""
    most = at.shape[1]

    def rows(x: Tensor) -> Tensor:  # (B, N, C) -> (B, M, C)
        return x.gather(1, at[..., None].expand(-1, -1, x.shape[-1]))

    def square(w: Tensor) -> Tensor:  # (B, heads, N, N) -> (B, heads, M, M)
        maps, length = w.shape[1], w.shape[-1]
        w = w.gather(2, at[:, None, :, None].expand(-1, maps, -1, length))
        return w.gather(3, at[:, None, None, :].expand(-1, maps, most, -1))

    return ModelOutput(
        rows(output.log_probs),
        rows(output.hidden),
        tuple(rows(x) for x in output.layers),
        each(output.attention, square),
    )


class PaperHead(MIHead):
    """Projected sum and product of two hidden states, then an MLP."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        self.project = nn.Linear(config.width, 2 * config.channels)
        self.from_sum = nn.Linear(2 * config.channels, 2 * config.channels, bias=False)
        self.from_product = nn.Linear(2 * config.channels, 2 * config.channels)
        self.out = nn.Linear(2 * config.channels, 1)
        nn.init.constant_(self.out.bias, -4.0)  # most pairs are independent

    def pairs(self, output: ModelOutput, is_open: Masked) -> Tensor:
        pairs = Pairs(is_open.shape[1], is_open.device)
        x = self.project(output.hidden)  # (B, M, C)
        (x_i, x_j), (own_i, own_j) = pairs.ends(x), pairs.ends(self.from_sum(x))
        return F.softplus(self.out(F.gelu(self.from_product(x_i * x_j) + own_i + own_j)))[..., 0]

    def blocks(self) -> nn.Module:
        return nn.ModuleList([self.from_sum, self.from_product])


class MarginalsHead(MIHead):
    """Several layers, marginals, entropies and attention; a bounded share of the smaller entropy.

    Dependence travels: two cells that share no unit are coupled through a third. `rounds` of `PathUpdate` let a pair
    hear of every two-step path between its ends, and of longer ones with each further round.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__(config)
        c, pair = config.channels, config.pair_hidden
        self.norm_layers = nn.ModuleList(nn.LayerNorm(config.width) for _ in config.layers)
        self.project = nn.Linear(config.width * (1 + len(config.layers)) + config.vocabulary + 1, c)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(c, c), nn.GELU())
        self.own = nn.Linear(c, pair, bias=False)
        self.left = nn.Linear(c, c, bias=False)
        self.from_product = nn.Linear(c + config.vocabulary + 1 + config.attention, pair)
        self.rounds = nn.ModuleList(PathUpdate(pair, config.paths) for _ in range(config.rounds))
        self.middle = nn.Sequential(nn.GELU(), nn.Linear(pair, pair), nn.GELU())
        self.out = nn.Linear(pair, 1)
        nn.init.constant_(self.out.bias, -3.0)

    def pairs(self, output: ModelOutput, is_open: Masked) -> Tensor:
        z, smaller = self.features(output, is_open)
        return smaller * torch.sigmoid(self.share(z))

    def share(self, z: Tensor) -> Tensor:
        """Logit of the mutual share of the smaller entropy, from what is known of a pair."""
        logit: Tensor = self.out(self.middle(z))[..., 0]
        return logit

    def blocks(self) -> nn.Module:
        return nn.ModuleList([self.mix, self.own, self.left, self.from_product, self.rounds, self.middle])

    def features(self, output: ModelOutput, is_open: Masked) -> tuple[Tensor, Tensor]:
        """What is known of each pair (B, P, pair) after all path updates, and min(H_i, H_j) (B, P)."""
        pairs = Pairs(is_open.shape[1], is_open.device)
        probs = output.log_probs.exp().float()
        h = entropy(output.log_probs).float()
        inner = [norm(output.layers[k]) for norm, k in zip(self.norm_layers, self.config.layers, strict=True)]
        x = self.mix(self.project(torch.cat([output.hidden, *inner, probs, h[..., None]], dim=-1)))  # (B, M, C)
        (a_i, a_j), (own_i, own_j) = pairs.ends(self.left(x)), pairs.ends(self.own(x))
        root_i, root_j = pairs.ends(probs.sqrt())
        smaller = torch.minimum(*pairs.ends(h))  # (B, P)
        parts = [a_i * a_j, root_i * root_j, smaller[..., None]]
        if self.config.attention:
            # Log weights: what matters is whether a cell looks at the other at all; both directions count alike.
            maps = last_maps(output, self.config.attention)
            seen = pairs.folded(torch.cat(list(maps), dim=1))  # (B, P, maps)
            parts.append((seen.float() + 1e-4).log() / 4 + 1)
        z = self.from_product(torch.cat([part.to(a_i.dtype) for part in parts], dim=-1)) + own_i + own_j
        first, second = pairs.ends(is_open)
        edges = (first & second)[..., None]
        for update in self.rounds:
            z = update(z, edges, pairs)
        return z, smaller


class PathUpdate(nn.Module):
    """z_ij += f(sum over k of a_ik b_kj): a pair learns of what joins its ends through a third position.

    The triangle multiplicative update of AlphaFold (Jumper et al. 2021, suppl. 1.6.5), made symmetric.
    """

    def __init__(self, pair: int, paths: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(pair)
        self.edge = nn.Linear(pair, 4 * paths)
        self.norm_paths = nn.LayerNorm(paths)
        self.far = nn.Linear(paths, pair, bias=False)
        self.near = nn.Linear(pair, pair)
        self.back = nn.Linear(pair, pair)

    def forward(self, z: Tensor, edges: Tensor, pairs: Pairs) -> Tensor:
        """z (B, P, pair), edges (B, P, 1) true where both ends are open."""
        x = self.norm(z)
        value, gate = self.edge(x).chunk(2, dim=-1)
        a, b = pairs.square(value * torch.sigmoid(gate) * edges).chunk(2, dim=1)
        through = pairs.folded(a @ b)  # a and b are symmetric, so that (a @ b) transposed is b @ a
        heard: Tensor = self.back(F.gelu(self.near(x) + self.far(self.norm_paths(through))))
        return z + heard


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
    maps = sum(w.shape[1] for w in last_maps(output, config.attention))
    inside = max(config.layers, default=-1) < len(output.layers) and config.attention == maps
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
        each(output.attention, lambda weights: weights[rows]),
    )


def last_maps(output: ModelOutput, most: int) -> Sequence[Tensor]:
    """Attention (B, heads, N, N) of as many of the last blocks as have `most` maps together, or fewer."""
    count, first = 0, len(output.attention)
    while first > 0 and count < most:
        count += output.attention[first - 1].shape[1]
        first -= count <= most
    return output.attention[first:]


def config_for(variant: str, output: ModelOutput) -> HeadConfig:
    """The configuration of a new head for the model that made `output`: inner layers at equal distances, and the
    attention of the last blocks."""
    width, vocabulary = output.hidden.shape[-1], output.log_probs.shape[-1]
    if variant == "paper":
        # The paper's sizes: 0.10 M parameters on a Sudoku model of width 128, 0.81 M on ESM-C 300M of width 960.
        return HeadConfig(variant, width, vocabulary, channels=96 if width < 512 else 220)
    inner = len(output.layers) - 1  # the last is what the final states are made of
    layers = tuple(range(0, max(0, inner), max(1, -(-inner // 3))))  # three at most
    maps = sum(w.shape[1] for w in last_maps(output, _MAPS))
    return HeadConfig(variant, width, vocabulary, layers=layers, attention=maps, rounds=6)


@torch.inference_mode()
def predict(head: MIHead, model: Model, tokens: Tensor, output: ModelOutput) -> PairBatch:
    """MI of B sequences from a pass that was made already, (B, N, N) float64, symmetric."""
    check_fit(head, model, output)
    head = head.to(output.hidden.device)
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
        estimator=head.title,
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
