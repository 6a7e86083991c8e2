"""The linear model of a family: its conditionals, its file, its training, and that it finds what is coupled."""

from pathlib import Path

import pytest
import torch

from mi_core import catalog
from mi_core.benchmarks.coupling import Case, MapRecipe, bench_contacts
from mi_core.cli.main import main
from mi_core.errors import FormatError, InputError
from mi_core.models.family import FamilyModel, coupling_strengths, load_family, save_family
from mi_core.models.protocol import Model, Placed
from mi_core.probing import probe
from mi_core.proteins.contacts import ContactMap
from mi_core.proteins.families import GAP, Family
from mi_core.proteins.sequence import VOCAB
from mi_core.training.family import FamilyTraining, fit_family, held_out_loss

COLUMNS = 16
PARTNERS = [(0, 8), (1, 9), (2, 10), (3, 11)]


def _random(seed: int = 0) -> FamilyModel:
    generator = torch.Generator().manual_seed(seed)
    fields = torch.randn(COLUMNS, GAP, generator=generator)
    couplings = torch.randn(COLUMNS * 21, COLUMNS * 20, generator=generator) / 4
    return FamilyModel(fields, couplings, name="random")


def _rows(count: int, seed: int = 0) -> torch.Tensor:
    """Fair bits, four pairs of which are copies."""
    rows = torch.randint(0, 2, (count, COLUMNS), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    for i, j in PARTNERS:
        rows[:, j] = rows[:, i]
    return rows


def test_its_conditionals_are_the_sum_of_what_visible_columns_say() -> None:
    model = _random()
    tokens = torch.randint(0, 20, (COLUMNS,), generator=torch.Generator().manual_seed(1))
    tokens[[2, 5]] = VOCAB.mask_id
    wanted = model.fields[5].clone()
    for column in range(COLUMNS):
        if column not in (2, 5):
            wanted += model.couplings.view(COLUMNS, 21, COLUMNS, 20)[column, tokens[column], 5]
    output = model(tokens[None])
    torch.testing.assert_close(output.log_probs[0, 5], wanted.double().log_softmax(-1), atol=1e-5, rtol=0)
    assert isinstance(model, Model) and isinstance(model, Placed) and output.hidden.shape == (1, 16, 20 + COLUMNS)
    assert torch.allclose(output.attention[0].sum(-1), torch.ones(1, 1, COLUMNS))


def test_a_shorter_sequence_has_gaps_where_it_has_no_residue() -> None:
    model = _random()
    columns = torch.tensor([0, 1, 2, 5, 9])
    tokens = torch.tensor([[3, VOCAB.mask_id, 7, 1, VOCAB.mask_id]])
    wanted = model.fields[9].clone()
    for column in range(COLUMNS):
        if column not in (1, 9):
            found = (columns == column).nonzero()
            state = int(tokens[0, found[0, 0]]) if len(found) else GAP
            wanted += model.couplings.view(COLUMNS, 21, COLUMNS, 20)[column, state, 9]
    shorter = model.at(columns)
    assert shorter.length == 5 and isinstance(shorter, FamilyModel)
    torch.testing.assert_close(shorter(tokens).log_probs[0, 4], wanted.double().log_softmax(-1), atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="takes 16 positions, got 5"):
        model(tokens)
    with pytest.raises(InputError, match="knows 16 columns, and column 17"):
        model.at(torch.tensor([3, 16]))


def test_it_finds_the_copies_of_a_family_by_probing() -> None:
    rows = _rows(400)
    model = fit_family(rows, torch.ones(400, dtype=torch.float64), FamilyTraining(batch=256))
    strengths = coupling_strengths(model.couplings)
    assert {(int(i), int(strengths[i].argmax())) for i in range(4)} == set(PARTNERS)
    mi = probe(model, torch.full((COLUMNS,), VOCAB.mask_id)).mi
    coupled = torch.zeros(COLUMNS, COLUMNS, dtype=torch.bool)
    for i, j in PARTNERS:
        coupled[i, j] = coupled[j, i] = True
    apart = ~coupled & ~torch.eye(COLUMNS, dtype=torch.bool)
    assert float(mi[coupled].min()) > 0.04 > 0.01 > float(mi[apart].max())
    held = held_out_loss(model, _rows(200, seed=1))
    assert 0.3 < held < 1, "little more than a fair bit, of twenty letters"
    truth = ContactMap(
        coupled, torch.ones(COLUMNS, dtype=torch.bool), torch.where(coupled, 5.0, 20.0).double(), "beta", 8.0
    )
    family = Family(tuple(str(k) for k in range(400)), rows)
    case = Case("known", torch.zeros(COLUMNS - 1, dtype=torch.int64), torch.arange(COLUMNS - 1), truth, family)
    row = bench_contacts(model, case, MapRecipe(masks=4, ratio=1.0))[0]
    assert (row["p_l5"], row["p_l2"], row["model"], row["masks"]) == (1.0, pytest.approx(4 / 7, abs=1e-4), "family", 4)


def test_a_byte_each_is_enough_and_damaged_files_are_refused(tmp_path: Path) -> None:
    model = _random()
    path = save_family(tmp_path / "m.safetensors", model, training={"seed": 1}, metrics={"held_out_loss": 1.0})
    again = load_family(path, name="again")
    assert path.stat().st_size < 1.2 * COLUMNS**2 * 420
    tokens = torch.full((1, COLUMNS), VOCAB.mask_id)
    tokens[0, ::2] = 3
    torch.testing.assert_close(again(tokens).log_probs, model(tokens).log_probs, atol=0.05, rtol=0)
    damaged = FamilyModel(model.fields[:5], model.couplings, name="damaged")
    with pytest.raises(FormatError, match="do not fit its header"):
        load_family(save_family(tmp_path / "d.safetensors", damaged, training={}, metrics={}), name="damaged")


def test_train_family_writes_what_model_family_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["".join("AC"[state] for state in row) + "DDDD" for row in _rows(200).tolist()]
    alignment = tmp_path / "PF1.fasta"
    alignment.write_text("".join(f">s{k}\n{row}\n" for k, row in enumerate(rows)))
    out = tmp_path / "own.safetensors"
    assert main(["train", "family", "--alignment", str(alignment), "--out", str(out), "--steps", "60"]) == 0
    assert "held-out loss" in capsys.readouterr().err
    own = ["--model", "family", "--weights", str(out)]
    assert main(["mi", *own, "--input", rows[0], "--mask", "1,9", "--json"]) == 0
    assert capsys.readouterr().out
    assert main(["mi", "--model", "family", "--input", rows[0], "--mask", "all"]) == 1
    assert "name its weight file" in capsys.readouterr().err
    labels = ["labels", *own, "--alignment", str(alignment), "--shards", "1", "--out", str(tmp_path / "labels")]
    assert main(labels) == 0
    head = ["train", "head", *own, "--labels", str(tmp_path / "labels"), "--epochs", "1"]
    assert main([*head, "--out", str(tmp_path / "head.safetensors")]) == 0
    bench = ["bench", "estimator", *own, "--head-weights", str(tmp_path / "head.safetensors"), "--states", "3"]
    assert main([*bench, "--alignment", str(alignment), "--json"]) == 0
    assert '"r2"' in capsys.readouterr().out
    assert main(bench) == 1
    assert "name --alignment or --fasta" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(catalog.FAMILIES))
def test_the_models_that_ship(name: str) -> None:
    model = catalog.load_model(name)
    assert isinstance(model, FamilyModel) and model.length is not None
    output = model(torch.full((1, model.length), VOCAB.mask_id))
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(1, model.length, dtype=torch.float64))
    assert next(entry for entry in catalog.entries() if entry.name == name).available
