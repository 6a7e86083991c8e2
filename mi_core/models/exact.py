"""Joint distributions small enough to write down: the oracle of the tests and the examples of the home page.

A `JointTable` knows every answer analytically. An `ExactModel` shows only its conditionals p(x_i | revealed), as a
trained masked diffusion model would, so that whatever is computed through the protocol can be held against the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mi_core.errors import InputError
from mi_core.information import entropy_of, mutual_information_of
from mi_core.models.protocol import ModelOutput, check_tokens, clamp_revealed
from mi_core.shapes import PairMatrix, Row, Tokens
from mi_core.vocab import Vocab

MAX_CELLS = 2**20  # eight megabytes of float64


@dataclass(frozen=True, eq=False)
class JointTable:
    """P[x_0, ..., x_{N-1}] over N positions of V symbols each; any non-negative weights, normalised here.

    A context is a row of tokens (N,) in which V marks an open position. Entropies are in nats.

    Raises:
        InputError: axes of different lengths, more than `MAX_CELLS` entries, or weights that are negative, not
            finite or all zero.
    """

    probs: Tensor  # float64, shape (V,) * N

    def __post_init__(self) -> None:
        weights = torch.as_tensor(self.probs, dtype=torch.float64)
        _check_axes(tuple(weights.shape))
        if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
            raise InputError(
                "A joint table needs finite weights of at least 0; a negative, infinite or NaN one was given."
            )
        total = weights.sum()
        if not 0 < float(total) < float("inf"):
            raise InputError(
                "The weights of a joint table must have a positive, finite sum; give at least one above 0."
            )
        object.__setattr__(self, "probs", weights / total)

    @property
    def length(self) -> int:
        """N, the number of positions."""
        return self.probs.ndim

    @property
    def size(self) -> int:
        """V, the number of symbols."""
        return int(self.probs.shape[0])

    def open_positions(self, tokens: Row) -> list[int]:
        """The positions that a context leaves open, ascending."""
        return [i for i, token in enumerate(tokens.tolist()) if token == self.size]

    def marginal(self, positions: Sequence[int]) -> Tensor:
        """P of some positions, shape (V,) * len(positions), axes in the order given."""
        return _marginal(self.probs, positions)

    def condition(self, tokens: Row) -> Tensor:
        """P(open positions | context), shape (V,) * number of open positions, ascending.

        A context of probability 0 answers with the uniform distribution: decoding in parallel reaches such states,
        and a model has to answer there too. Nothing depends on anything in a uniform table, so its MI is 0.
        """
        check_tokens(tokens, Vocab(tuple(map(str, range(self.size)))), self.length)
        index = tuple(slice(None) if token == self.size else token for token in tokens.tolist())
        part = self.probs[index]
        total = part.sum()
        return part / total if float(total) > 0 else torch.full_like(part, 1 / part.numel())

    def log_prob(self, tokens: Row) -> float:
        """ln P of the revealed positions, the open ones summed out; -inf where impossible."""
        revealed = [i for i in range(self.length) if i not in self.open_positions(tokens)]
        return float(self.marginal(revealed)[tuple(tokens[revealed].tolist())].log())

    def entropy(self, positions: Sequence[int] | None = None) -> float:
        """H of some positions together, or of all."""
        joint = self.probs if positions is None else self.marginal(positions)
        return float(entropy_of(joint.flatten()))

    def mutual_information(self, tokens: Row) -> PairMatrix:
        """I(X_i; X_j | context) of every pair; 0 on the diagonal and at revealed positions."""
        joint, places = self.condition(tokens), self.open_positions(tokens)
        out = torch.zeros(self.length, self.length, dtype=torch.float64)
        for a, i in enumerate(places):
            for b, j in enumerate(places[:a]):
                out[i, j] = out[j, i] = mutual_information_of(_marginal(joint, (a, b))).clamp(min=0)
        return out

    def total_correlation(self, tokens: Row, positions: Sequence[int] | None = None) -> float:
        """sum_i H(X_i | context) - H(X_positions | context): what is lost by drawing them independently.

        Positions default to all open ones; a revealed position adds nothing.
        """
        joint, places = self.condition(tokens), self.open_positions(tokens)
        axes = [a for a, i in enumerate(places) if positions is None or i in positions]
        singles = sum(float(entropy_of(_marginal(joint, (a,)))) for a in axes)
        return max(0.0, singles - float(entropy_of(_marginal(joint, axes).flatten())))


class ExactModel:
    """`Model` protocol around a joint table: its true conditionals, and the marginals as hidden states (D = V)."""

    def __init__(self, table: JointTable, *, name: str = "exact", symbols: Sequence[str] | None = None) -> None:
        """Symbols default to 0, 1, ...; their number must be the table's V."""
        self.table = table
        self.name = name
        self.vocab = Vocab(tuple(symbols) if symbols is not None else tuple(map(str, range(table.size))))
        if self.vocab.size != table.size:
            raise InputError(f"This table has {table.size} symbols, got {self.vocab.size} names for them.")
        self.length: int | None = table.length

    @property
    def device(self) -> torch.device:
        """Where the table is."""
        return self.table.probs.device

    def __call__(self, tokens: Tokens) -> ModelOutput:
        """p(x_i | revealed positions) of B contexts; impossible contexts as in `JointTable.condition`."""
        check_tokens(tokens, self.vocab, self.length)
        rows = max(1, MAX_CELLS // self.table.probs.numel())  # no copy of the tables larger than the largest table
        parts = [self._marginals(part) for part in torch.split(tokens, rows)]
        log_probs = clamp_revealed(torch.cat(parts).log(), tokens, self.vocab)
        return ModelOutput(log_probs, log_probs.exp().float())

    def _marginals(self, tokens: Tokens) -> Tensor:
        """p(x_i | revealed) of the open positions, (B, N, V)."""
        n, v = self.table.length, self.vocab.size
        symbols = torch.arange(v, device=self.device)
        allowed = ((tokens[..., None] == symbols) | (tokens[..., None] == v)).double()  # (B, N, V)
        joint = self.table.probs.expand(len(tokens), *self.table.probs.shape)
        for i in range(n):
            joint = joint * allowed[:, i].view(-1, *(v if axis == i else 1 for axis in range(n)))
        sums = [joint.sum([axis + 1 for axis in range(n) if axis != i]) if n > 1 else joint for i in range(n)]
        weights = torch.stack(sums, dim=1)
        total = weights.sum(-1, keepdim=True)
        return torch.where(total > 0, weights / total, 1 / v)


def independent(marginals: Sequence[Sequence[float]]) -> JointTable:
    """Positions that know nothing of each other: the product of (N, V) marginals."""
    probs = torch.ones((), dtype=torch.float64)
    _check_axes(tuple(len(marginal) for marginal in marginals))
    for marginal in marginals:
        probs = probs[..., None] * torch.tensor(marginal, dtype=torch.float64)
    return JointTable(probs)


def copied_bits(strength: float = 1.0) -> JointTable:
    """Four fair bits in two pairs: with probability `strength` the second of a pair copies the first."""
    pair = _copy(strength, 2) / 2
    return JointTable(torch.einsum("ab,cd->abcd", pair, pair))


def chain(strength: float = 1.0, n: int = 4, v: int = 2) -> JointTable:
    """A uniform first symbol; each next one copies its neighbour with probability `strength`, else is uniform."""
    _check_axes((v,) * n)
    probs = torch.full((v,), 1 / v, dtype=torch.float64)
    for _ in range(n - 1):
        probs = probs[..., None] * _copy(strength, v)
    return JointTable(probs)


def xor(strength: float = 1.0) -> JointTable:
    """Three fair bits; with probability `strength` the third is the parity of the others. All pairs independent."""
    bits = torch.cartesian_prod(*[torch.arange(2)] * 3)
    even = (bits.sum(-1) % 2 == 0).reshape(2, 2, 2).double()
    return JointTable(_checked(strength) * even / 4 + (1 - strength) / 8)


def golden_table() -> JointTable:
    """P[x] proportional to 1 + ((x0 + 2 x1 + 3 x2 + 5 x3) mod 7) over {0, 1, 2}^4: reproducible without a seed."""
    x = torch.cartesian_prod(*[torch.arange(3)] * 4)
    weights = 1 + (x @ torch.tensor([1, 2, 3, 5])) % 7
    return JointTable(weights.reshape(3, 3, 3, 3))


def from_seed(seed: int, n: int, v: int) -> JointTable:
    """A random table: normal logits of standard deviation 1, hence every outcome possible."""
    _check_axes((v,) * n)
    generator = torch.Generator().manual_seed(seed)
    return JointTable(torch.randn((v,) * n, generator=generator, dtype=torch.float64).exp())


def _copy(strength: float, v: int) -> Tensor:
    """p(next | this), shape (V, V)."""
    return _checked(strength) * torch.eye(v, dtype=torch.float64) + (1 - strength) / v


def _checked(strength: float) -> float:
    if not 0 <= strength <= 1:
        raise InputError(f"The strength of a coupling must lie in 0..1, got {strength}.")
    return strength


def _marginal(joint: Tensor, axes: Sequence[int]) -> Tensor:
    """Sum out every axis that is not named, then order the rest as named."""
    rest = [axis for axis in range(joint.ndim) if axis not in axes]
    kept = joint.sum(rest) if rest else joint
    order = sorted(axes)
    return kept.permute([order.index(axis) for axis in axes])


def _check_axes(shape: tuple[int, ...]) -> None:
    """Refuse before anything is allocated."""
    if not shape or len(set(shape)) > 1 or shape[0] < 2:
        raise InputError(f"A joint table needs one axis a position, all of the same length of at least 2, got {shape}.")
    if shape[0] ** len(shape) > MAX_CELLS:
        raise InputError(
            f"{shape[0]} symbols at {len(shape)} positions make more than {MAX_CELLS} outcomes; take fewer of either."
        )
