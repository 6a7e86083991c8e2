"""Maps of proteins: means over states, on a model whose MI is known; and the precision of what they find."""

from pathlib import Path

import pytest
import torch

from mi_core.benchmarks.coupling import Case, MapRecipe, Member, bench_contacts, chain_case, family_case, mean_map
from mi_core.errors import Cancelled, InputError
from mi_core.models.protocol import ModelOutput, clamp_revealed
from mi_core.proteins.contacts import ContactMap
from mi_core.proteins.families import Family
from mi_core.proteins.sequence import VOCAB

LENGTH = 16
PARTNERS = [(0, 8), (1, 9), (2, 10), (3, 11)]


class Coupled:
    """Four pairs of positions that are copies of each other, uniform over two letters; the others are certain."""

    name, vocab, length, device = "coupled", VOCAB, LENGTH, torch.device("cpu")

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        probs = torch.full((*tokens.shape, VOCAB.size), 0.0, dtype=torch.float64)
        probs[..., 0] = 1.0
        for pair in PARTNERS:
            for i, j in (pair, pair[::-1]):
                probs[:, i, :2] = 0.5
                known = tokens[:, j] != VOCAB.mask_id
                probs[known, i] = torch.nn.functional.one_hot(tokens[known, j], VOCAB.size).double()
        return ModelOutput(
            clamp_revealed(probs.log(), tokens, VOCAB), torch.zeros(*tokens.shape, 1), outside=torch.zeros(tokens.shape)
        )


def _truth() -> ContactMap:
    contacts = torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    for i, j in PARTNERS:
        contacts[i, j] = contacts[j, i] = True
    distances = torch.where(contacts, 5.0, 20.0).double()
    return ContactMap(contacts, torch.ones(LENGTH, dtype=torch.bool), distances, "beta", 8.0)


def test_a_map_is_the_mean_over_the_states_that_hide_both() -> None:
    """Copies of a fair bit: ln 2 whenever both are hidden, whatever else is; 0 elsewhere."""
    tokens = torch.zeros(LENGTH, dtype=torch.int64)
    whole = [Member(tokens, torch.arange(LENGTH))]
    matrix, passes = mean_map(Coupled(), whole, LENGTH, MapRecipe(masks=30, ratio=0.6, seed=1))
    wanted = torch.zeros(LENGTH, LENGTH, dtype=torch.float64)
    for i, j in PARTNERS:
        wanted[i, j] = wanted[j, i] = torch.log(torch.tensor(2.0))
    torch.testing.assert_close(matrix, wanted, atol=1e-6, rtol=0)
    assert passes > 30 and torch.equal(matrix, mean_map(Coupled(), whole, LENGTH, MapRecipe(30, 0.6, seed=1))[0])


def test_states_of_several_sequences_meet_in_the_columns_of_the_alignment() -> None:
    """The second sequence lies one column further right, and the first has no residue in column 16."""
    tokens = torch.zeros(LENGTH, dtype=torch.int64)
    members = [Member(tokens, torch.arange(LENGTH)), Member(tokens, torch.arange(LENGTH) + 1)]
    matrix, _ = mean_map(Coupled(), members, LENGTH + 1, MapRecipe(masks=2, ratio=1.0))
    assert matrix[0, 8] == pytest.approx(0.6931, abs=1e-3), "column 0 is in the first sequence alone"
    assert matrix[1, 9] == pytest.approx(0.6931, abs=1e-3), "1-9 of the first, 0-8 of the second"
    assert matrix[4, 12] == pytest.approx(0.3466, abs=1e-3), "coupled in the second alone: half of ln 2"
    assert bool(matrix[16].isnan().all()) and not bool(matrix[:16, :16].isnan().any())


def test_a_family_lends_other_sequences_by_weight() -> None:
    rows = torch.zeros(40, LENGTH, dtype=torch.uint8)
    rows[30:, :4] = 20  # gaps
    rows[30:, 4:] = torch.randint(0, 20, (10, LENGTH - 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    case = Case("known", torch.ones(LENGTH, dtype=torch.int64), torch.arange(LENGTH), _truth(), _family(rows))
    first, *others = case.members(9, seed=3)
    assert torch.equal(first.tokens, case.tokens) and len(others) == 8
    short = [member for member in others if len(member.tokens) == LENGTH - 4]
    assert len(short) >= 5, "thirty equal rows weigh as much as one other"
    assert all(member.columns.tolist() == list(range(4, LENGTH)) for member in short)
    with pytest.raises(InputError, match="no family of 41"):
        case.members(41)


def test_too_few_states_and_cancelling() -> None:
    whole = [Member(torch.zeros(LENGTH, dtype=torch.int64), torch.arange(LENGTH))]
    done: list[int] = []
    with pytest.raises(InputError, match="never hidden together"):
        mean_map(Coupled(), whole, LENGTH, MapRecipe(masks=1, ratio=0.3), progress=lambda k, n: done.append(k))
    assert not done, "told before the work, not after it"
    with pytest.raises(Cancelled, match="after 2 of 5"):
        mean_map(
            Coupled(),
            whole,
            LENGTH,
            MapRecipe(masks=5),
            progress=lambda k, n: done.append(k),
            cancel=lambda: len(done) == 2,
        )


def test_precision_and_couplings_of_a_family_that_is_known() -> None:
    """Four true pairs of 16 positions: L/5 is all right, L/2 half, by probing and by mean-field DCA alike."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 2, (400, LENGTH), generator=generator).to(torch.uint8)
    for i, j in PARTNERS:
        rows[:, j] = rows[:, i]
    case = Case("known", torch.zeros(LENGTH, dtype=torch.int64), torch.arange(LENGTH), _truth(), _family(rows))
    found = {row["route"]: row for row in bench_contacts(Coupled(), case, MapRecipe(8)) if row["apc"]}
    for route in ("probing", "covariance-mi", "mean-field-dca"):
        assert found[route]["p_l5"] == 1.0 and found[route]["p_l2"] == 0.5, route
    assert found["probing"]["dca_p_l2"] == 0.5
    assert found["probing"]["chance"] == pytest.approx(4 / 55, abs=1e-4)  # 55 pairs at least 6 apart
    assert set(found["probing"]["by_range"]) == {"short", "medium", "long"}


def _family(rows: torch.Tensor) -> Family:
    return Family(tuple(str(k) for k in range(len(rows))), rows)


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the alignments lie outside the project")
def test_a_real_family_lies_on_its_structure() -> None:
    case = family_case(
        SHARED / "pfam40" / "alignments" / "PF00018.align.80",
        SHARED / "pfam40" / "structures" / "2O9S_A.pdb",
        mapping=SHARED / "pfam40" / "indices" / "2O9S_A.indices",
    )
    assert 45 <= len(case.tokens) <= 49 and case.family is not None and len(case.family) == 919
    chain = chain_case("alone", _chain(SHARED / "structures" / "1PGA.pdb"))
    assert len(chain.tokens) == 56 and chain.family is None and bool(chain.truth.contacts.any())


def _chain(path: Path):
    from mi_core.proteins.structure import read_structure

    return read_structure(path).chain()
