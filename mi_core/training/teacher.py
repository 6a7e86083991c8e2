"""A linear model of a family as the teacher of a network that reads sequences.

The linear model (`mi_core.models.family`) knows the columns, so that a minute is enough to fit it; the network takes
hours to find out which columns speak to each other. It teaches twice: its probabilities are shown beside the residues
themselves, and its strongest partners of each column are where the heads of the upper half of the network are told to
look while the run is young.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.models.family import FamilyModel, linear_logits
from mi_core.proteins.contacts import apc
from mi_core.proteins.families import GAP
from mi_core.training.corpus import NOT_PREDICTED

NEAREST = 4  # columns; what lies nearer is no partner: the lower half of the network sees it anyway


def partners_of(teacher: FamilyModel, count: int) -> Int[Tensor, "N K"]:
    """The `count` columns that each column is coupled to most strongly, with average-product correction, best first."""
    places = torch.arange(len(teacher.fields))
    near = (places[:, None] - places[None, :]).abs() < NEAREST
    strengths = apc(teacher.strengths.double()).masked_fill(near, -torch.inf)
    return strengths.topk(min(count, len(places)), dim=1).indices


class Lesson:
    """What the teachers of several alignments say of a batch.

    Args:
        teachers: by the number of their first column among the columns of all alignments.
        heads: partners to name for each column.
    """

    def __init__(self, teachers: Mapping[int, FamilyModel], heads: int) -> None:
        self.teachers = dict(sorted(teachers.items()))
        self.partners = {first: partners_of(teacher, heads) for first, teacher in self.teachers.items()}
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
            answers = linear_logits(teacher.fields, teacher.couplings, whole, unknown).softmax(-1)
            for k, (row, at, own) in enumerate(members):
                told[row, at] = answers[k, own] * hidden[row, at, None]
                place = torch.full((size,), NOT_PREDICTED).index_copy(0, own, at)
                partners[row, at, : best.shape[1]] = place[best[own]]
        return told, partners


def save_teachers(path: Path, teachers: Mapping[int, FamilyModel]) -> None:
    """Beside a run, so that it need not fit them again when it is resumed."""
    torch.save({str(first): [t.fields, t.couplings] for first, t in teachers.items()}, path)


def load_teachers(path: Path) -> dict[int, FamilyModel]:
    """What `save_teachers` wrote."""
    state = torch.load(path, weights_only=True)
    return {int(first): FamilyModel(*tensors, name="teacher") for first, tensors in state.items()}
