"""One MI map for a protein, and how many of its strongest pairs touch in the structure.

MI belongs to a state: which residues are hidden decides how strongly two of them depend on each other. A map of the
protein is the mean over many states, each with a random set of residues hidden; a pair counts where both are. The
states may be of one sequence, or of several of its family in turn, laid over each other by their alignment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mi_core.errors import Cancelled, InputError
from mi_core.head import MIHead, predict
from mi_core.models.protocol import Model, Placed
from mi_core.probing import probe
from mi_core.proteins.contacts import ContactMap, apc, contact_map, precisions
from mi_core.proteins.dca import covariance_mi, mean_field_dca
from mi_core.proteins.families import GAP, Family, place_row, read_family, read_mapping, weights
from mi_core.proteins.sequence import VOCAB
from mi_core.proteins.structure import Chain, read_structure
from mi_core.shapes import PairMatrix, Row

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class MapRecipe:
    """How a map is made."""

    masks: int = 24  # states
    ratio: float = 0.9  # share of the residues that is hidden in each
    mass: float = 0.99  # of the tokens tried, see `mi_core.probing.probe`
    seed: int = 0
    rows: int = 1  # sequences that take turns: the protein itself, then others of its family, drawn by weight


@dataclass(frozen=True, eq=False)
class Member:
    """A sequence and where it lies in an alignment."""

    tokens: Row  # (L,) the whole sequence, nothing hidden
    columns: Row  # (L,) ascending


def _drawn(members: Sequence[Member], recipe: MapRecipe) -> list[tuple[Member, Tensor]]:
    """The sequence of each state and the positions hidden in it."""
    generator = torch.Generator().manual_seed(recipe.seed)
    drawn = []
    for k in range(recipe.masks):
        member = members[k % len(members)]
        length = len(member.tokens)
        order = torch.randperm(length, generator=generator)
        drawn.append((member, order[: max(2, round(recipe.ratio * length))]))
    return drawn


def mean_map(
    model: Model,
    members: Sequence[Member],
    size: int,
    recipe: MapRecipe,
    *,
    head: MIHead | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> tuple[PairMatrix, int]:
    """Mean MI of every pair of columns over the states of `recipe`, nats, and the passes it took.

    Args:
        members: take turns, one state each; the first is the protein that the map is of.
        size: N, columns of the map.
        head: estimate with it, one pass a state, instead of probing.
        progress: called after every state with the states done and in all.

    Returns:
        (N, N), NaN where a column has no residue of the first member; the passes.

    Raises:
        InputError: a pair was hidden together in none of the states.
        Cancelled: `cancel` said so.
    """
    drawn = _drawn(members, recipe)
    times = torch.zeros(size, size, dtype=torch.float64)
    for member, hidden in drawn:
        where = member.columns[hidden]
        times[where[:, None], where[None, :]] += 1
    own = torch.zeros(size, dtype=torch.bool).index_fill(0, members[0].columns, True)
    wanted = own[:, None] & own[None, :]
    if not bool((times[wanted] > 0).all()):  # said before the work, not after it
        raise InputError(
            f"{recipe.masks} states of {min(len(members), recipe.masks)} sequences leave pairs that are never hidden "
            "together; take more masks, or fewer rows: others may have gaps there."
        )
    total, passes = torch.zeros_like(times), 0
    for k, (member, hidden) in enumerate(drawn):
        if cancel is not None and cancel():
            raise Cancelled(f"The map was cancelled after {k} of {recipe.masks} states.")
        state = member.tokens.index_fill(0, hidden, VOCAB.mask_id)
        asked = model.at(member.columns) if isinstance(model, Placed) else model
        if head is None:
            result = probe(asked, state, mass=recipe.mass, cancel=cancel)
            found, passes = result.mi, passes + result.passes
        else:
            found, passes = predict(head, asked, state[None], asked(state[None]))[0].double().cpu(), passes + 1
        total[member.columns[:, None], member.columns[None, :]] += found
        if progress is not None:
            progress(k + 1, recipe.masks)
    return (total / times).fill_diagonal_(0).masked_fill(~wanted, torch.nan), passes


@dataclass(frozen=True, eq=False)
class Case:
    """A protein whose contacts are known, and the family it belongs to, if there is one."""

    name: str
    tokens: Row  # (L,) the residues that count
    columns: Row  # (L,) the alignment column of each; 0..L-1 without an alignment
    truth: ContactMap  # over the columns
    family: Family | None = None

    def members(self, count: int, *, seed: int = 0) -> list[Member]:
        """The protein, then `count` - 1 sequences of its family, drawn by weight without replacement.

        Raises:
            InputError: there is no family, or it has fewer sequences.
        """
        first = Member(self.tokens, self.columns)
        if count == 1:
            return [first]
        if self.family is None or len(self.family) < count:
            raise InputError(f"{self.name} has no family of {count} sequences to average over.")
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.multinomial(self.weights, count - 1, generator=generator)
        rows = self.family.rows[drawn].long()
        places = [(row != GAP).nonzero()[:, 0] for row in rows]
        return [first, *(Member(row[columns], columns) for row, columns in zip(rows, places, strict=True))]

    @cached_property
    def weights(self) -> Tensor:
        """(M,) of the family's sequences, near-duplicates counted once."""
        return weights(self.family.rows) if self.family is not None else torch.zeros(0)


def chain_case(name: str, chain: Chain, *, definition: str = "beta") -> Case:
    """A chain on its own; residues that are none of the 20 are left out."""
    columns = (chain.tokens != VOCAB.mask_id).nonzero()[:, 0]
    return Case(name, chain.tokens[columns], columns, contact_map(chain, definition=definition))


def family_case(
    alignment: Path,
    structure: Path,
    *,
    chain_id: str | None = None,
    mapping: Path | None = None,
    row: str | None = None,
) -> Case:
    """A family with a structure of one of its members.

    Args:
        mapping: a table of columns and residues, `mi_core.proteins.families.read_mapping`.
        row: without a mapping, the aligned sequence that lies on the structure; the first of the alignment if None.

    Raises:
        InputError, FormatError: a file that cannot be read, or nothing in common.
    """
    family, chain = read_family(alignment), read_structure(structure).chain(chain_id)
    reference = family.row(row) if row else family.rows[0]
    placed = read_mapping(mapping, chain, family.columns) if mapping else place_row(reference, chain)
    known = placed.residues >= 0
    columns = known.nonzero()[:, 0]
    letters = chain.tokens[placed.residues[columns]]
    columns, letters = columns[letters != VOCAB.mask_id], letters[letters != VOCAB.mask_id]
    if len(columns) < 20:
        raise InputError(f"Only {len(columns)} columns of {alignment.name} lie on residues of {structure.name}.")
    name = alignment.name.split(".")[0]
    return Case(name, letters, columns, contact_map(chain, residues=placed.residues), family)


def bench_contacts(
    model: Model,
    case: Case,
    recipe: MapRecipe,
    *,
    head: MIHead | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Rows:
    """Precision of the strongest pairs at L/5, L/2 and L, by range, with and without average-product correction.

    Routes: probed MI of the model (and of the head); of the alignment, where there is one, covariance MI and mean-field
    direct coupling analysis.
    """
    rows = []
    members, size = case.members(recipe.rows, seed=recipe.seed), len(case.truth.resolved)
    for route, chosen in (("probing", None), *((("head", head),) if head is not None else ())):
        matrix, passes = mean_map(model, members, size, recipe, head=chosen, progress=progress, cancel=cancel)
        for corrected in (True, False):
            rows.append({**scored_map(case, matrix, route, corrected=corrected), "passes": passes})
    if case.family is not None:
        for route, matrix in (
            ("covariance-mi", covariance_mi(case.family.rows, case.weights)),
            ("mean-field-dca", mean_field_dca(case.family.rows, case.weights)),
        ):
            rows.append(scored_map(case, matrix, route, corrected=True))
    reference = next((row["p_l2"] for row in rows if row["route"] == "mean-field-dca"), None)
    recipe_used = {"masks": recipe.masks, "ratio": recipe.ratio, "rows": recipe.rows}
    return [{**row, "dca_p_l2": reference, "model": model.name, **recipe_used} for row in rows]


def _corrected(matrix: PairMatrix) -> PairMatrix:
    """`apc` over the columns that have a value (N, N)."""
    absent = matrix.isnan()
    return apc(matrix.nan_to_num(), among=~absent.all(1)).masked_fill(absent, torch.nan)


def scored_map(case: Case, matrix: PairMatrix, route: str, *, corrected: bool) -> dict[str, Any]:
    """Precision of the strongest pairs of one map (N, N) over the columns of a case, NaN where it has no value.

    Args:
        route: how the record calls the map.
        corrected: take the average product off first.
    """
    scores = _corrected(matrix) if corrected else matrix
    found = precisions(scores, case.truth, length=len(case.tokens))
    by_range = {
        name: {p.label: round(p.precision, 3) for p in found if p.range == name} for name in ("short", "medium", "long")
    }
    whole = {p.label: p for p in found if p.range == "all"}
    return {
        "family": case.name,
        "l": len(case.tokens),
        "route": route,
        "apc": corrected,
        **{f"p_{label.lower().replace('/', '')}": round(p.precision, 4) for label, p in whole.items()},
        "chance": round(whole["L"].chance, 4),
        "by_range": by_range,
    }
