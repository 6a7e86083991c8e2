"""What every language model of proteins has in common: other ids, tokens around the sequence, more symbols than 20.

A family of models is one subclass with one method, the forward pass of its own network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mi_core.errors import InputError
from mi_core.models.protocol import ModelOutput, check_tokens, clamp_revealed, each
from mi_core.proteins.sequence import VOCAB
from mi_core.shapes import Tokens


@dataclass(frozen=True)
class Alphabet:
    """How a network writes a protein."""

    amino_acids: tuple[int, ...]  # its ids of the 20 amino acids, in the order of `VOCAB`
    mask: int
    before: tuple[int, ...]  # what it expects before the sequence, such as BOS
    after: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class NetworkPass:
    """What a network says of its own ids, the tokens around the sequence included."""

    logits: Tensor  # (B, L, K) over the network's own K symbols
    states: tuple[Tensor, ...]  # all hidden states (B, L, D), the final one last
    attention: Sequence[Tensor] = ()  # (B, heads, L, L) of each block, where it is known


class AminoModel:
    """`Model` protocol around a network that reads proteins; the tokens around the sequence are never probed.

    The answer is renormalised over the 20 amino acids. The mass that the network gives to anything else (unknown
    residues, gaps, special tokens) stands in `ModelOutput.outside`.
    """

    vocab = VOCAB
    length: int | None = None

    def __init__(self, name: str, network: torch.nn.Module, alphabet: Alphabet, *, longest: int) -> None:
        self.name = name
        self.longest = longest
        self.network = network.eval().requires_grad_(False)
        self.alphabet = alphabet
        self._ids = torch.tensor([*alphabet.amino_acids, alphabet.mask])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def run(self, ids: Tensor) -> NetworkPass:
        """One pass of the network.

        Args:
            ids: (B, L) in the network's own numbers, the tokens around the sequence included.
        """
        raise NotImplementedError

    @torch.inference_mode()
    def __call__(self, tokens: Tokens) -> ModelOutput:
        """p(residue | revealed residues) for B proteins of one length, and the hidden states.

        Raises:
            InputError: ids that are none, no residue at all, or more than the model takes.
        """
        check_tokens(tokens, self.vocab, self.length)
        if not 1 <= tokens.shape[1] <= self.longest:
            raise InputError(f"Model {self.name} takes 1 to {self.longest} residues, got {tokens.shape[1]}.")
        tokens = tokens.to(self.device)
        ids, here = self._around(tokens)
        found = self.run(ids)
        among_ours, inside = self._renormalised(found.logits[:, here].float())
        states = tuple(state[:, here].float() for state in found.states)
        return ModelOutput(
            clamp_revealed(among_ours, tokens, self.vocab),
            states[-1],
            states[:-1],
            each(found.attention, lambda weights: weights[:, :, here, here].float()),
            outside=-torch.expm1(inside),
        )

    def _renormalised(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities over the 20 (B, N, 20) and the log of the mass that they have together (B, N)."""
        ours = F.log_softmax(logits.double(), dim=-1)[..., list(self.alphabet.amino_acids)]
        inside = ours.logsumexp(-1)
        return ours - inside[..., None], inside

    def _around(self, tokens: Tensor) -> tuple[Tensor, slice]:
        """The network's own ids with what stands around the sequence, and where the sequence lies in them."""
        around = self.alphabet
        ids = self._ids.to(tokens.device)[tokens]
        first, last = (ids.new_tensor(part).expand(len(ids), -1) for part in (around.before, around.after))
        here = slice(len(around.before), len(around.before) + tokens.shape[1])
        return torch.cat([first, ids, last], dim=1), here
