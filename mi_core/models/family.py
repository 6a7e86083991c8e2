"""A linear masked language model of one protein family: what the visible columns say about a hidden one.

    log p(x_i = a | visible) = h_i(a) + sum over visible j of W_ji(x_j, a) + const

Its positions are the columns of the alignment, so that it need not find out where in the fold a residue lies. With all
but one column visible it is the model of pseudo-likelihood coupling analysis (Ekeberg et al. 2013,
doi:10.1103/PhysRevE.87.012707); here it is fitted to masks of every ratio (`mi_core.training.family`), and it is asked
like any other masked model.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mi_core.errors import FormatError, InputError
from mi_core.models.protocol import ModelOutput, check_tokens, clamp_revealed
from mi_core.proteins.families import GAP, STATES
from mi_core.proteins.sequence import VOCAB
from mi_core.shapes import Row, Tokens
from mi_core.weights import WeightsHeader, load_weights, save_weights

KIND = "family"


class FamilyModel:
    """`Model` protocol over the N columns of an alignment, or over some of them where the others hold gaps.

    The final states are the 20 logits of a column and which column it is; the one attention map says how strongly each
    column is coupled to each other, in shares of all.
    """

    vocab = VOCAB
    device = torch.device("cpu")

    def __init__(
        self,
        fields: Float[Tensor, "N 20"],
        couplings: Float[Tensor, "N21 N20"],
        *,
        name: str,
        columns: Int[Tensor, " L"] | None = None,
        strengths: Float[Tensor, "N N"] | None = None,
    ) -> None:
        self.name, self.fields, self.couplings = name, fields, couplings
        self.columns = torch.arange(len(fields)) if columns is None else columns
        self.strengths = coupling_strengths(couplings) if strengths is None else strengths

    @property
    def length(self) -> int:
        """Positions: the columns that hold residues."""
        return len(self.columns)

    def at(self, columns: Row) -> "FamilyModel":
        """The model of a sequence whose residues lie in these columns, ascending, with gaps in the others.

        Raises:
            InputError: there is no such column.
        """
        if len(columns) and int(columns.max()) >= len(self.fields):
            raise InputError(
                f"Model {self.name} knows {len(self.fields)} columns, and column {int(columns.max()) + 1} is asked for."
            )
        return FamilyModel(self.fields, self.couplings, name=self.name, columns=columns, strengths=self.strengths)

    def additions(self) -> Float[Tensor, "L V L V"]:
        """W of the columns that hold residues: what each residue adds to the logits of each other one."""
        count = len(self.fields)
        w = self.couplings.view(count, STATES, count, GAP)[self.columns][:, :GAP, self.columns].clone()
        at = torch.arange(self.length)
        w[at, :, at] = 0
        return w

    @torch.inference_mode()
    def __call__(self, tokens: Tokens) -> ModelOutput:
        """p(residue | revealed residues); a hidden column is never a gap.

        Raises:
            InputError: ids that are none, or another number of residues than there are columns.
        """
        check_tokens(tokens, VOCAB, self.length)
        count = len(self.fields)
        rows = torch.full((len(tokens), count), GAP)
        rows[:, self.columns] = tokens
        hidden = torch.zeros_like(rows, dtype=torch.bool)
        hidden[:, self.columns] = tokens == VOCAB.mask_id
        logits = linear_logits(self.fields, self.couplings, rows, hidden)[:, self.columns]
        places = F.one_hot(self.columns, count).float().expand(len(tokens), -1, -1)
        strengths = self.strengths[self.columns][:, self.columns]
        shares = strengths / strengths.sum(1, keepdim=True).clamp(min=1e-9)
        return ModelOutput(
            clamp_revealed(logits.double().log_softmax(-1), tokens, VOCAB),
            torch.cat([logits, places], dim=-1),
            attention=(shares.float().expand(len(tokens), 1, -1, -1),),
            outside=torch.zeros(tokens.shape, dtype=torch.float64),
        )


def linear_logits(
    fields: Float[Tensor, "N 20"], couplings: Float[Tensor, "N21 N20"], rows: Tensor, hidden: Tensor
) -> Float[Tensor, "B N 20"]:
    """Of rows (B, N) in 21 states, of which those that are hidden (B, N) say nothing."""
    count = len(fields)
    index = (rows + STATES * torch.arange(count)).flatten()
    each = torch.arange(0, len(index), count)
    said = F.embedding_bag(index, couplings, each, mode="sum", per_sample_weights=(~hidden).flatten().to(couplings))
    return fields + said.reshape(-1, count, GAP)


def coupling_strengths(couplings: Float[Tensor, "N21 N20"]) -> Float[Tensor, "N N"]:
    """Frobenius norms of the couplings of amino acids, both directions' mean, in the zero-sum gauge; diagonal 0."""
    count = couplings.shape[1] // GAP
    w = couplings.view(count, STATES, count, GAP)[:, :GAP].permute(0, 2, 1, 3)  # (N, N, 20, 20)
    w = w - w.mean(2, keepdim=True) - w.mean(3, keepdim=True) + w.mean((2, 3), keepdim=True)
    norms: Tensor = ((w + w.permute(1, 0, 3, 2)) / 2).pow(2).sum((2, 3)).sqrt()
    return norms.fill_diagonal_(0)


def save_family(path: Path, model: FamilyModel, *, training: dict[str, object], metrics: dict[str, object]) -> Path:
    """Write it, couplings as whole numbers of 1/127 of the largest of their row: a byte each."""
    scale = model.couplings.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
    tensors = {
        "fields": model.fields.half(),
        "couplings": (model.couplings / scale).round().to(torch.int8),
        "scale": scale.float(),
    }
    return save_weights(path, tensors, WeightsHeader(KIND, {"columns": len(model.fields)}, training, metrics))


def load_family(path: Path, *, name: str) -> FamilyModel:
    """What `save_family` wrote.

    Raises:
        InputError: no such file.
        FormatError: damaged, or of another kind.
    """
    header, tensors = load_weights(path, KIND)
    count = header.config.get("columns")
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    if not isinstance(count, int) or shapes != {
        "fields": (count, GAP),
        "couplings": (count * STATES, count * GAP),
        "scale": (count * STATES, 1),
    }:
        raise FormatError(f"{path.name} does not hold a family model: its tensors do not fit its header.")
    return FamilyModel(tensors["fields"].float(), tensors["couplings"].float() * tensors["scale"], name=name)
