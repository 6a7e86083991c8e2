"""A family's model on sequences of any length: it says of their residues what it says of its columns."""

import json
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from mi_core import catalog
from mi_core.cli.main import main
from mi_core.decoding import decode
from mi_core.errors import InputError
from mi_core.models.family import FamilyModel
from mi_core.models.placed import OnSequence, place
from mi_core.models.protocol import Additive, Model
from mi_core.probing import probe
from mi_core.proteins.presets import PRESETS, load_preset
from mi_core.proteins.sequence import VOCAB
from mi_core.sources import CouplingSource

ROOT = Path(__file__).resolve().parents[1]

BPTI = load_preset("bpti").sequence
MASK = VOCAB.mask_id
MEMBERS = {
    "bpti": "family-kunitz", "pdz": "family-pdz", "sh3": "family-sh3", "chey": "family-response-regulator"
}  # fmt: skip


@pytest.fixture(scope="module")
def kunitz() -> FamilyModel:
    model = catalog.load_model("family-kunitz")
    assert isinstance(model, FamilyModel)
    return model


def test_it_says_of_a_residue_what_the_family_says_of_its_column(kunitz: FamilyModel) -> None:
    sequence = VOCAB.encode(BPTI)
    model = place(kunitz, sequence)
    assert isinstance(model, Model) and model.length == 58
    assert model.residues.tolist() == list(range(3, 56)), "the alignment of PF00014 starts at Phe 4 of BPTI"
    tokens = sequence.repeat(2, 1)
    tokens[0, ::2], tokens[1, 10:40] = MASK, MASK
    inner, outer = kunitz(tokens[:, 3:56]), model(tokens)
    torch.testing.assert_close(outer.log_probs[:, 3:56], inner.log_probs)
    torch.testing.assert_close(outer.hidden[:, 3:56], inner.hidden)
    torch.testing.assert_close(outer.attention[0][:, :, 3:56, 3:56], inner.attention[0])
    assert torch.allclose(outer.log_probs.exp().sum(-1), torch.ones(2, 58, dtype=torch.float64))
    assert (outer.hidden[:, :3] == 0).all()


def test_residues_outside_its_columns_share_no_information(kunitz: FamilyModel) -> None:
    sequence = VOCAB.encode("GSHM" + BPTI)
    model = place(kunitz, sequence)
    tokens = sequence.clone()
    tokens[[0, 2, 20, 30, 40, 61]] = MASK
    result = probe(model, tokens, mass=1.0)
    outside = [0, 2, 61]
    assert result.mi[outside].abs().max() < 1e-9 and result.mi[20, 30] > 1e-4


def test_an_insertion_lies_in_no_column(kunitz: FamilyModel) -> None:
    model = place(kunitz, VOCAB.encode(BPTI[:26] + "GGGG" + BPTI[26:]))
    assert not set(range(26, 30)) & set(model.residues.tolist())
    assert len(model.residues) == 53 and model.columns.tolist() == list(range(53))


@pytest.mark.parametrize("family", sorted(catalog.FAMILIES))
def test_members_are_placed_and_other_proteins_refused_in_one_sentence(family: str) -> None:
    model = catalog.load_model(family)
    assert isinstance(model, FamilyModel)
    for name in PRESETS:
        if MEMBERS.get(name) == family:
            assert len(place(model, load_preset(name).tokens).residues) > 40
        else:
            with pytest.raises(InputError, match=f"does not look like the family of model {family}"):
                place(model, VOCAB.encode(load_preset(name).sequence.replace("X", VOCAB.mask)))


def test_the_command_places_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mi", "--model", "family-kunitz", "--input", BPTI, "--mask", "all", "--top", "3"]) == 0
    assert "58 open positions" in capsys.readouterr().out
    assert main(["mi", "--model", "family-sh3", "--input", BPTI, "--mask", "all"]) == 1
    assert "does not look like" in capsys.readouterr().err
    assert isinstance(catalog.load_model("family-kunitz", sequence=VOCAB.encode(BPTI)), OnSequence)


@pytest.mark.parametrize("letters", [BPTI, BPTI[3:56]], ids=["placed", "a row"])
def test_couplings_give_the_probed_mi_in_the_pass_itself(letters: str) -> None:
    sequence = VOCAB.encode(letters)
    model = catalog.load_model("family-kunitz", sequence=sequence)
    assert isinstance(model, Additive)
    tokens = sequence.repeat(2, 1)
    tokens[0, 5:30], tokens[1] = MASK, MASK
    mi, extra = CouplingSource()(model, tokens, model(tokens))
    assert extra == [0, 0]
    for row, found in zip(tokens, mi, strict=True):
        assert (found - probe(model, row, mass=1.0).mi).abs().max() < 1e-6
    trace = decode(model, tokens[:1], "mi-guided", {"gamma": 2.0}, temperature=1.0, mi_source=CouplingSource())[0]
    assert trace.nfe == len(trace.steps) < 25 and trace.mi_source == "couplings"


def test_a_model_without_couplings_says_so() -> None:
    model = catalog.load_model("copied-bits")
    tokens = torch.full((1, 4), 2)
    with pytest.raises(InputError, match="Model copied-bits is no sum of couplings; take its MI from probing"):
        CouplingSource()(model, tokens, model(tokens))


def test_each_example_is_spoken_of_by_the_model_that_knows_it() -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["pr_preset"] = "pdz"
    app.switch_page("pages/5_Proteins.py").run()
    assert app.selectbox(key="pr_model").value == "family-pdz" and not app.exception
    app.selectbox(key="pr_example").select("chey").run()
    assert app.selectbox(key="pr_model").value == "family-response-regulator" and not app.warning
    app.selectbox(key="pr_example").select("protein-g").run()
    assert app.selectbox(key="pr_model").value == "esmc-mini" and not app.warning
    app.selectbox(key="pr_model").select("esmc-kunitz").run()
    app.selectbox(key="pr_example").select("sh3").run()
    assert app.selectbox(key="pr_model").value == "esmc-kunitz", "what the user picked stays"


def test_contacts_of_a_structure_without_an_alignment(capsys: pytest.CaptureFixture[str]) -> None:
    """Members of two families whose structures the models never saw: most of the strongest pairs touch."""
    for family, name in (("family-sh3", "sh3"), ("family-pdz", "pdz")):
        path = str(PRESETS[name].path)
        command = ["bench", "protein", "--model", family, "--structure", path, "--masks", "1", "--ratio", "1"]
        assert main([*command, "--json"]) == 0
        best, *_ = json.loads(capsys.readouterr().out)
        assert best["route"] == "probing" and best["apc"] and best["p_l5"] > 0.6 > 4 * best["chance"]
