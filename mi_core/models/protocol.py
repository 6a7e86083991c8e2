"""What a masked diffusion model has to answer, whoever trained it.

Everything above this line of the package (probing, heads, decoding) sees a model through `Model` alone. A new
model family is one adapter; nothing else changes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.shapes import Attention, Hidden, LogProbs, Masked, Outside, Row, Tokens
from mi_core.vocab import Vocab


class Lazily(Sequence[Tensor]):
    """Tensors that are made when they are first looked at, and kept: few who ask for a pass look at its attention."""

    def __init__(self, makers: Sequence[Callable[[], Tensor]]) -> None:
        self._makers = tuple(makers)
        self._made: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._makers)

    @overload
    def __getitem__(self, at: int) -> Tensor: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Tensor, ...]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return tuple(self[k] for k in range(len(self))[at])
        at = range(len(self))[at]  # IndexError ends an iteration
        if at not in self._made:
            self._made[at] = self._makers[at]()
        return self._made[at]

    def then(self, change: Callable[[Tensor], Tensor]) -> "Lazily":
        """`change` of every one of them, put off likewise."""
        return Lazily([lambda k=k: change(self[k]) for k in range(len(self))])  # type: ignore[misc]


def each(tensors: Sequence[Tensor], change: Callable[[Tensor], Tensor]) -> Sequence[Tensor]:
    """`change` of every one of them, put off where they are `Lazily` made."""
    return tensors.then(change) if isinstance(tensors, Lazily) else tuple(change(x) for x in tensors)


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """One forward pass."""

    log_probs: LogProbs  # float64 nats; a revealed position holds 0 at its symbol, -inf elsewhere
    hidden: Hidden  # float32 final hidden states, the input of the paper's MI head
    layers: tuple[Hidden, ...] = ()  # states after the embedding and after each block, where the model exposes them
    attention: Sequence[Attention] = ()  # weights of each block, query first, where the model exposes them
    outside: Outside | None = None  # mass that the network gave to other symbols before renormalisation


@runtime_checkable
class Model(Protocol):
    """The conditionals p(x_i | revealed) for every position at once.

    Contract, checked for every registered model by tests/test_models.py:
      * each row of `log_probs` is normalised over the V real symbols (no mask, BOS, EOS column);
      * a revealed position puts all its mass on the symbol that is there;
      * deterministic: same tokens, same answer, whatever else is in the batch (to 1e-4).
    """

    @property
    def name(self) -> str: ...

    @property
    def vocab(self) -> Vocab: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def length(self) -> int | None:
        """The one number of positions that the model accepts, or None for any."""
        ...

    def __call__(self, tokens: Tokens) -> ModelOutput: ...


@runtime_checkable
class Differentiable(Protocol):
    """Optional: a model that can be asked what it would say of inputs between its symbols.

    Whatever differentiates the marginals with respect to the input needs this; tables, which read symbols only, do not
    have it. `log_probs_of` at the embeddings of `tokens` is the model's own answer, and can be differentiated.
    """

    def embeddings(self) -> Float[Tensor, "V1 D"]:
        """Input embeddings of the V symbols and, last, of the mask."""
        ...

    def log_probs_of(self, tokens: Tokens, embedded: Hidden) -> Float[Tensor, "B N V"]:
        """Log-probabilities over the V symbols, nats, when the network reads `embedded` in place of `tokens`.

        Revealed positions are not clamped to their symbol.
        """
        ...


@runtime_checkable
class Placed(Protocol):
    """Optional: a model of the columns of an alignment, which must be told where a shorter sequence lies."""

    def at(self, columns: Row) -> Model:
        """The model of a sequence in these columns (L,), ascending, with gaps in the others."""
        ...


@runtime_checkable
class Additive(Protocol):
    """Optional: a model whose logits are sums over what is visible, so that every probe follows from one pass.

    p(x_j = v | x_i = u, visible) ~ p(x_j = v | visible) exp(additions[i, u, j, v]) for open i != j.
    """

    def additions(self) -> Float[Tensor, "N V N V"]:
        """What symbol u at position i adds to the logits of position j, nats; 0 for i = j."""
        ...


def masked_positions(model: Model, tokens: Tokens) -> Masked:
    """True where `tokens` (B, N) is still open."""
    return tokens == model.vocab.mask_id


def clamp_revealed(log_probs: Tensor, tokens: Tensor, vocab: Vocab) -> LogProbs:
    """Put all mass of a revealed position on its symbol; open positions pass unchanged.

    Args:
        log_probs: (B, N, V), normalised.
        tokens: (B, N).
    """
    symbols = torch.arange(vocab.size, device=tokens.device)
    hit = tokens[..., None] == symbols  # (B, N, V)
    fixed = torch.zeros_like(log_probs).masked_fill(~hit, -torch.inf)
    return torch.where((tokens == vocab.mask_id)[..., None], log_probs, fixed)


def check_tokens(tokens: Tensor, vocab: Vocab, length: int | None) -> None:
    """Refuse ids outside 0..V and sequences of a length the model cannot take.

    Raises:
        InputError: with the number given and the number expected.
    """
    if length is not None and tokens.shape[-1] != length:
        raise InputError(f"This model takes {length} positions, got {tokens.shape[-1]}.")
    if tokens.numel() and (int(tokens.min()) < 0 or int(tokens.max()) > vocab.mask_id):
        raise InputError(f"Token ids must lie in 0..{vocab.mask_id} (the last is the mask).")
