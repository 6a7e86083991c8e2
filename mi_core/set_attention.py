"""MI of two columns of symbols from a network that was trained on random tables (the idea of MIST, arXiv 2511.18945).

What the samples say is a set: the cells of the contingency table that were seen, each with its count and those of its
row and column. Attention among them, then the median and a central 90 % interval of the true MI over the tables that
the network was trained on. The classical estimators' values are among what it reads, so that it corrects them. Where a
table is unlike all of those, nothing is promised.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import FormatError, InputError
from mi_core.samples import SampleMI, Samples, contingency, grassberger_of, miller_madow_of, plug_in_of
from mi_core.weights import fill_network, load_weights

KIND = "set-attention"
NAME = "Set attention"
NOTE = (
    "A small network trained on random tables, median and 90 % interval of the truth given the counts: it knows how "
    "much dependence few samples feign, on tables like those that it saw (2 to 16 symbols, 20 to 5,000 samples)."
)
LEVELS = (0.05, 0.5, 0.95)
MOST_CELLS = 1024  # seen cells; 32 symbols each at most


@dataclass(frozen=True)
class SetConfig:
    """What rebuilds the network."""

    width: int = 48
    heads: int = 4
    blocks: int = 2


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network reads of B tables: their seen cells, padded to M, and what holds for the whole table."""

    cells: Float[Tensor, "B M 5"]
    there: Bool[Tensor, "B M"]
    weights: Float[Tensor, "B M"]  # n_ij / n, 0 where there is no cell
    whole: Float[Tensor, "B 8"]


def read_tables(tables: list[NDArray[np.float64]]) -> Seen:
    """Features of contingency tables (counts, each with two rows and columns or more)."""
    each = [_cells(table) for table in tables]
    most = max(len(cells) for cells, _ in each)
    cells, weights = torch.zeros(len(tables), most, 5), torch.zeros(len(tables), most)
    there = torch.zeros(len(tables), most, dtype=torch.bool)
    for b, (features, shares) in enumerate(each):
        cells[b, : len(features)] = torch.from_numpy(features).float()
        weights[b, : len(shares)] = torch.from_numpy(shares).float()
        there[b, : len(features)] = True
    return Seen(cells, there, weights, torch.tensor([_whole(table) for table in tables], dtype=torch.float32))


def _cells(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n = table.sum()
    at = table > 0
    rows, columns = (np.broadcast_to(table.sum(axis, keepdims=True), table.shape)[at] for axis in (1, 0))
    counts = table[at]
    pmi = np.log(counts * n / (rows * columns))
    features = np.stack([np.log(counts), np.log(rows), np.log(columns), pmi, np.full(len(counts), np.log(n))], axis=1)
    return features, counts / n


def _whole(table: NDArray[np.float64]) -> list[float]:
    n = table.sum()
    entropies = [float(-(p[p > 0] * np.log(p[p > 0])).sum()) for p in (table.sum(1) / n, table.sum(0) / n)]
    classical = [max(0.0, rule(table)) ** 0.5 for rule in (plug_in_of, miller_madow_of, grassberger_of)]
    return [float(np.log(n)), *map(float, np.log(table.shape)), *entropies, *classical]


class SetAttention(nn.Module):
    """Square roots of the quantiles of the MI, (B, 3), ascending by construction; nats after squaring."""

    def __init__(self, config: SetConfig) -> None:
        super().__init__()
        self.config = config
        self.lift = nn.Linear(5 + 8, config.width)
        self.blocks = nn.ModuleList(_Block(config.width, config.heads) for _ in range(config.blocks))
        self.out = nn.Sequential(
            nn.LayerNorm(2 * config.width + 8),
            nn.Linear(2 * config.width + 8, 2 * config.width),
            nn.GELU(),
            nn.Linear(2 * config.width, 3),
        )

    def forward(self, seen: Seen) -> Float[Tensor, "B 3"]:
        """Quantiles of sqrt(MI) at LEVELS."""
        whole = seen.whole[:, None].expand(-1, seen.cells.shape[1], -1)
        x = self.lift(torch.cat([seen.cells, whole], dim=-1))
        for block in self.blocks:
            x = block(x, seen.there)
        mean = (x * seen.there[..., None]).sum(1) / seen.there.sum(1, keepdim=True)
        weighted = (x * seen.weights[..., None]).sum(1)
        middle, down, up = self.out(torch.cat([mean, weighted, seen.whole], dim=-1)).unbind(-1)
        middle = F.relu(seen.whole[:, -1] + middle)  # a correction of Grassberger's estimate
        low = F.relu(middle - F.softplus(down - 2))
        return torch.stack([low, middle, middle + F.softplus(up - 2)], dim=-1)

    @staticmethod
    def can_read(samples: Samples) -> bool:
        """Whether these are symbols, and not too many different pairs of them."""
        return samples.discrete and int((contingency(samples.first, samples.second) > 0).sum()) <= MOST_CELLS

    @torch.inference_mode()
    def estimate(self, samples: Samples) -> SampleMI:
        """The MI of two columns of symbols, nats.

        Raises:
            InputError: columns of numbers, or more different pairs than it can read.
        """
        if not samples.discrete:
            raise InputError("The set-attention estimator reads symbols; cut numbers into parts first.")
        if not self.can_read(samples):
            raise InputError(f"The set-attention estimator reads at most {MOST_CELLS} different pairs of symbols.")
        table = contingency(samples.first, samples.second)
        low, middle, high = (self.eval()(read_tables([table]))[0].double() ** 2).tolist()
        return SampleMI(NAME, middle, low, high, NOTE)


class _Block(nn.Module):
    """Attention among the cells of a table, then a small network on each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.each = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        batch, count, width = x.shape
        q, k, v = self.qkv(self.norms[0](x)).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=there[:, None, None, :])
        x = x + self.mix(seen.transpose(1, 2).reshape(batch, count, width))
        x = x + self.each(self.norms[1](x))
        return x


def load_set_attention(path: Path) -> SetAttention:
    """The network of a weight file.

    Raises:
        InputError: no such file.
        FormatError: damaged, or of another kind.
    """
    header, tensors = load_weights(path, KIND)
    try:
        network = SetAttention(SetConfig(**header.config))
    except (TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"The header of {path.name} does not describe a set-attention network.") from error
    fill_network(network, {name: tensor.float() for name, tensor in tensors.items()}, path)
    return network.eval()


def config_of(network: SetAttention) -> dict[str, int]:
    """Plain values for the header of a weight file."""
    return asdict(network.config)
