"""A family's model on a sequence of any length: which residues lie in which columns, and what that leaves out."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.family import FamilyModel
from mi_core.models.protocol import ModelOutput, check_tokens, clamp_revealed
from mi_core.proteins.alignment import pair_up
from mi_core.proteins.sequence import VOCAB
from mi_core.shapes import Row, Tokens

LEAST_SCORE = 40.0
"""BLOSUM62 half-bits against the family's likeliest row. 99 in 100 members of the five families that ship score 47 or
more, and no example protein scores above 35 with a family that is not its own."""


class OnSequence:
    """`Model` protocol over the L residues of a sequence, some of which lie in a family's columns.

    The others get the family's mean composition whatever is revealed, and share no information with any residue. Their
    final states are 0.
    """

    vocab = VOCAB
    device = torch.device("cpu")

    def __init__(
        self, family: FamilyModel, residues: Int[Tensor, " M"], columns: Int[Tensor, " M"], *, length: int
    ) -> None:
        self.name, self.length = family.name, length
        self.residues, self.columns = residues, columns
        self._family = family.at(columns)
        self._background = family.fields.double().softmax(-1).mean(0).log()
        self._count = len(family.fields)

    @property
    def note(self) -> str:
        """What of the sequence the model speaks of, one sentence."""
        outside = self.length - len(self.residues)
        rest = f"; it knows nothing of the other {outside}" if outside else ""
        return f"{len(self.residues)} of the {self.length} residues lie in its {self._count} columns{rest}."

    def additions(self) -> Float[Tensor, "L V L V"]:
        """The family's couplings between residues in its columns; nothing else adds anything."""
        w = torch.zeros(self.length, VOCAB.size, self.length, VOCAB.size)
        w[self.residues[:, None], :, self.residues] = self._family.additions().permute(0, 2, 1, 3)
        return w

    @torch.inference_mode()
    def __call__(self, tokens: Tokens) -> ModelOutput:
        """p(residue | revealed residues).

        Raises:
            InputError: ids that are none, or another number of residues.
        """
        check_tokens(tokens, VOCAB, self.length)
        inner = self._family(tokens[:, self.residues])
        shape = tokens.shape
        log_probs = self._background.expand(*shape, -1).clone()
        log_probs[:, self.residues] = inner.log_probs
        hidden = inner.hidden.new_zeros(*shape, inner.hidden.shape[-1])
        hidden[:, self.residues] = inner.hidden
        attention = inner.attention[0].new_zeros(shape[0], 1, self.length, self.length)
        attention[:, :, self.residues[:, None], self.residues] = inner.attention[0]
        return ModelOutput(
            clamp_revealed(log_probs, tokens, VOCAB),
            hidden,
            attention=(attention,),
            outside=torch.zeros(shape, dtype=torch.float64),
        )


def place(family: FamilyModel, sequence: Row) -> OnSequence:
    """The family's model of a sequence (L,), aligned with the family's likeliest row. Align before masking.

    Raises:
        InputError: the sequence does not look like the family.
    """
    likeliest = "".join(VOCAB.symbols[symbol] for symbol in family.fields.argmax(-1).tolist())
    pairs, score = pair_up(likeliest, VOCAB.decode(sequence))
    if score < LEAST_SCORE:
        raise InputError(
            f"This sequence does not look like the family of model {family.name} (alignment score {score:.0f}, "
            f"and its members reach {LEAST_SCORE:.0f}); choose another model or a protein of the family."
        )
    columns, residues = torch.tensor(pairs).T
    return OnSequence(family, residues, columns, length=len(sequence))
