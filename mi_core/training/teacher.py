"""A linear teacher: what the visible columns of an alignment say about a hidden one, each on its own account.

    log p(x_i = a | visible) = h_i(a) + sum over visible j of W_ji(x_j, a) + const

fitted by gradient descent to the hidden residues of alignment rows, of which a share drawn from U[0, 1] is hidden. It
is a masked language model of one layer and, where all but one column are visible, the model of pseudo-likelihood
coupling analysis (Ekeberg et al. 2013, doi:10.1103/PhysRevE.87.012707). It knows the columns, so that a minute is
enough; a network that reads sequences takes hours to find out which columns speak to each other.

It teaches twice: its probabilities are shown beside the residues themselves, and its strongest partners of each column
are where the heads of the upper half of the network are told to look while the run is young.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from mi_core.proteins.contacts import apc
from mi_core.proteins.families import GAP, STATES
from mi_core.training.progress import cosine_with_warmup

BATCH = 512  # rows
STEPS = 300
RATE = 0.01
DECAY = 0.01  # of the couplings, a step at full rate
NOT_PREDICTED = -100  # what cross_entropy leaves out
NEAREST = 4  # columns; what lies nearer is no partner: the lower half of the network sees it anyway


@dataclass(frozen=True, eq=False)
class Teacher:
    """Fitted to one alignment of N columns."""

    fields: Float[Tensor, "N 20"]
    couplings: Float[Tensor, "N21 N20"]  # rows j and x_j, columns i and a

    def __call__(self, rows: Int[Tensor, "B N"], hidden: Bool[Tensor, "B N"]) -> Float[Tensor, "B N 20"]:
        """Log-probabilities, nats, from rows in 21 states and what of them is hidden; never a gap."""
        return F.log_softmax(_logits(self.fields, self.couplings, rows, hidden), dim=-1)

    def partners(self, count: int) -> Int[Tensor, "N K"]:
        """The `count` columns that each column is coupled to most strongly, strongest first.

        By the Frobenius norm of the couplings in the zero-sum gauge, with average-product correction.
        """
        size = len(self.fields)
        w = self.couplings.view(size, STATES, size, GAP)[:, :GAP].permute(0, 2, 1, 3)  # (N, N, 20, 20)
        w = w - w.mean(2, keepdim=True) - w.mean(3, keepdim=True) + w.mean((2, 3), keepdim=True)
        norm = ((w + w.permute(1, 0, 3, 2)) / 2).pow(2).sum((2, 3)).sqrt()
        places = torch.arange(size)
        near = (places[:, None] - places[None, :]).abs() < NEAREST
        strengths = apc(norm.double().fill_diagonal_(0)).masked_fill(near, -torch.inf)
        return strengths.topk(min(count, size), dim=1).indices


def fit_teacher(
    rows: UInt8[Tensor, "M N"], weights: Float[Tensor, " M"], *, steps: int = STEPS, seed: int = 0
) -> Teacher:
    """The teacher of an alignment whose rows are drawn by weight."""
    generator = torch.Generator().manual_seed(seed)
    count = rows.shape[1]
    fields = torch.zeros(count, GAP, requires_grad=True)
    couplings = torch.zeros(count * STATES, count * GAP, requires_grad=True)
    optimiser = torch.optim.Adam([fields, couplings], betas=(0.9, 0.99))
    cumulative = weights.cumsum(0)
    for step in range(steps):
        factor = cosine_with_warmup(step / steps, step, warmup=10)
        optimiser.param_groups[0]["lr"] = RATE * factor
        drawn = torch.rand(BATCH, generator=generator, dtype=torch.float64) * cumulative[-1]
        chosen = rows[torch.searchsorted(cumulative, drawn).clamp(max=len(rows) - 1)].long()
        hidden = torch.rand(chosen.shape, generator=generator) < torch.rand(BATCH, 1, generator=generator)
        hidden &= chosen != GAP
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = _logits(fields, couplings, chosen, hidden)
        F.cross_entropy(logits.float()[hidden], chosen[hidden]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            couplings *= 1 - DECAY * factor
    return Teacher(fields.detach(), couplings.detach())


def _logits(fields: Tensor, couplings: Tensor, rows: Tensor, hidden: Tensor) -> Tensor:
    shown = F.one_hot(rows, STATES).to(couplings.dtype) * ~hidden[..., None]  # a hidden column says nothing
    return fields + (shown.flatten(1) @ couplings).reshape(-1, *fields.shape)


class Lesson:
    """What the teachers of several alignments say of a batch.

    Args:
        teachers: by the number of their first column among the columns of all alignments.
        heads: partners to name for each column.
    """

    def __init__(self, teachers: Mapping[int, Teacher], heads: int) -> None:
        self.teachers = dict(sorted(teachers.items()))
        self.partners = {first: teacher.partners(heads) for first, teacher in self.teachers.items()}
        self.heads = heads
        self._firsts = torch.tensor(list(self.teachers))

    def __call__(
        self, states: Int[Tensor, "R T"], hidden: Bool[Tensor, "R T"], numbers: Int[Tensor, "R T"], columns: Tensor
    ) -> tuple[Float[Tensor, "R T 20"], Int[Tensor, "R T K"]]:
        """Probabilities (zeros where no teacher speaks) and the places in the row of each token's partners.

        `NOT_PREDICTED` stands for a partner that is not there.

        Args:
            states: the residue or gap of each token, 0..20, hidden ones too; anything elsewhere.
            numbers: which sequence of its row a token belongs to.
            columns: (R, T) among those of all alignments, negative for none.
        """
        told = torch.zeros(*states.shape, GAP)
        partners = torch.full((*states.shape, self.heads), NOT_PREDICTED)
        found: dict[int, list[tuple[int, Tensor, Tensor]]] = {}
        for row in range(len(states)):
            for number in range(1, int(numbers[row].max()) + 1):
                at = ((numbers[row] == number) & (columns[row] >= 0)).nonzero()[:, 0]
                if len(at):
                    first = int(self._firsts[torch.searchsorted(self._firsts, columns[row, at[0]], right=True) - 1])
                    found.setdefault(first, []).append((row, at, columns[row, at] - first))
        for first, members in found.items():
            teacher, best = self.teachers[first], self.partners[first]
            size = len(teacher.fields)
            whole = torch.full((len(members), size), GAP)
            unknown = torch.zeros(len(members), size, dtype=torch.bool)
            for k, (row, at, own) in enumerate(members):
                whole[k, own], unknown[k, own] = states[row, at], hidden[row, at]
            answers = teacher(whole, unknown).exp()
            for k, (row, at, own) in enumerate(members):
                told[row, at] = answers[k, own] * hidden[row, at, None]
                place = torch.full((size,), NOT_PREDICTED).index_copy(0, own, at)
                partners[row, at, : best.shape[1]] = place[best[own]]
        return told, partners


def save_teachers(path: Path, teachers: Mapping[int, Teacher]) -> None:
    """Beside a run, so that it need not fit them again when it is resumed."""
    torch.save({str(first): [t.fields, t.couplings] for first, t in teachers.items()}, path)


def load_teachers(path: Path) -> dict[int, Teacher]:
    """What `save_teachers` wrote."""
    state = torch.load(path, weights_only=True)
    return {int(first): Teacher(*tensors) for first, tensors in state.items()}
