"""Couplings of a family on the residues of a chain, and the record of those that ship."""

import json

import pytest
import torch

from mi_core.benchmarks import coevolution
from mi_core.cli.main import main
from mi_core.errors import FormatError, InputError
from mi_core.proteins.contacts import contact_map, precisions
from mi_core.proteins.families import read_family
from mi_core.proteins.presets import load_preset

CHAIN = load_preset("crambin")
LEFT_OUT = 3  # residues without a column at the beginning


def planted(copies: int = 60) -> bytes:
    """Crambin's own sequence less its first residues and with a column of gaps, two columns bound to each other."""
    generator = torch.Generator().manual_seed(0)
    own = list(CHAIN.sequence[LEFT_OUT:])
    rows = []
    for k in range(copies):
        row = [letter if torch.rand((), generator=generator) < 0.7 else "A" for letter in own]
        coin = bool(torch.randint(2, (), generator=generator))
        row[5], row[30] = ("K", "E") if coin else ("E", "K")
        rows.append(f">copy{k}\n{''.join(row[:10])}-{''.join(row[10:])}")
    whole = "".join(own)
    return "\n".join([*rows, f">native\n{whole[:10]}-{whole[10:]}"]).encode()


@pytest.fixture(scope="module")
def found() -> coevolution.FamilyScores:
    return coevolution.family_scores(read_family(planted()), CHAIN, name="planted")


def test_the_columns_find_their_residues_and_bound_columns_score_highest(found):
    assert found.residues.tolist() == list(range(LEFT_OUT, len(CHAIN))) and found.identity == 1
    assert found.sequences == 61 and 1 < found.effective <= 61
    over = found.over_positions(torch.arange(len(CHAIN)))
    assert over[:LEFT_OUT].isnan().all() and torch.allclose(over, over.T, equal_nan=True)
    best = int(over.nan_to_num(nan=-9.0).argmax())
    assert sorted(divmod(best, len(CHAIN))) == [5 + LEFT_OUT, 30 + LEFT_OUT]


def test_positions_without_a_residue_have_no_score(found):
    over = found.over_positions(torch.tensor([-1, 10, 11, -1, 0]))
    k = found.residues.tolist().index(10)
    assert over[1, 2] == found.scores[k, k + 1]
    assert over[[0, 3, 4]].isnan().all() and over[:, [0, 3, 4]].isnan().all()


def test_a_family_of_another_protein_is_refused():
    with pytest.raises(InputError, match="No sequence of other resembles chain A"):
        coevolution.family_scores(read_family(b">a\nWWWWWWWWWW\n>b\nWWWWHWWWWW"), CHAIN, name="other")


def test_scores_come_back_from_json(found):
    back = coevolution.FamilyScores.from_json(json.loads(json.dumps(found.to_json())))
    assert (back.family, back.sequences, back.identity) == ("planted", 61, 1.0)
    assert torch.equal(back.residues, found.residues)
    off = ~torch.eye(len(back.residues), dtype=torch.bool)
    assert torch.allclose(back.scores[off], found.scores[off], atol=1e-4)


@pytest.mark.parametrize("field", ["residues", "scores", "sequences"])
def test_a_damaged_record_is_refused(found, field):
    with pytest.raises(FormatError, match="couplings of a family cannot be read"):
        coevolution.FamilyScores.from_json({**found.to_json(), field: None})


def test_the_command_writes_a_record_that_can_be_read(tmp_path, capsys):
    alignment, record = tmp_path / "planted.fasta", tmp_path / "dca.json"
    alignment.write_bytes(planted())
    assert main(["bench", "dca", "--family", f"crambin={alignment}", "--record", str(record)]) == 0
    assert "crambin: planted, 61 sequences" in capsys.readouterr().out
    assert coevolution.shipped(record)["crambin"].sequences == 61
    assert coevolution.shipped(tmp_path / "absent.json") == {}


@pytest.mark.parametrize("name", ["bpti", "ubiquitin", "nanobody", "tcr-v-beta"])
def test_the_shipped_couplings_find_contacts(name):
    chain = load_preset(name)
    over = coevolution.shipped()[name].over_positions(torch.arange(len(chain)))
    measured = precisions(over, contact_map(chain, definition="beta"), length=len(chain))
    best = next(p for p in measured if (p.range, p.label) == ("all", "L/5"))
    assert best.precision > 5 * best.chance
