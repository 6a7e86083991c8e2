"""Which sequences a family's profile finds, and that labels and benchmarks leave them out when asked to."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mi_core import catalog
from mi_core.cli.labels import describe_held_out, masked_sequences
from mi_core.cli.main import main
from mi_core.errors import InputError
from mi_core.proteins.families import read_family
from mi_core.proteins.presets import PRESETS, load_preset
from mi_core.proteins.relatives import relatives
from mi_core.proteins.sequence import AMINO_ACIDS
from mi_core.training import label_farm
from mi_core.training.labels import LabelRecipe

ALIGNMENTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "pfam40" / "alignments"
CONSENSUS = np.random.default_rng(1).integers(20, size=60)


def spelt(ids: Any) -> str:
    return "".join(AMINO_ACIDS[k] for k in ids)


def strangers(count: int, *, seed: int, length: int = 60) -> list[str]:
    return [spelt(row) for row in np.random.default_rng(seed).integers(20, size=(count, length))]


def members(count: int, *, seed: int) -> list[str]:
    """Sequences that share about two fifths of their residues with the consensus, and a fifth with each other."""
    rng = np.random.default_rng(seed)
    return [spelt(np.where(rng.random(60) < 0.38, CONSENSUS, rng.integers(20, size=60))) for _ in range(count)]


ROWS, STRANGERS = members(80, seed=2), strangers(200, seed=100)


@pytest.fixture
def alignment(tmp_path: Path) -> Path:
    path = tmp_path / "family.fasta"
    path.write_text("".join(f">s{k}\n{row}\n" for k, row in enumerate(ROWS)))
    return path


def test_a_profile_finds_members_that_it_was_not_made_of(alignment: Path) -> None:
    """New members, alone and within longer sequences, wherever they stand; strangers are not among them."""
    fresh = members(20, seed=4)
    ends = [strangers(20, seed=seed, length=50) for seed in (5, 6)]
    within = [before + text + behind for before, text, behind in zip(ends[0], fresh, ends[1], strict=True)]
    everything = [*STRANGERS, *fresh, *within]
    order = np.random.default_rng(7).permutation(len(everything))
    family = read_family(alignment)
    found = {int(order[k]) for k in relatives([everything[k] for k in order], [family], evalue=1e-3)}
    assert len(found) >= 36 and min(found) >= len(STRANGERS)


def test_the_limit_decides_on_pieces_of_a_member_and_is_loose_by_itself(alignment: Path) -> None:
    pieces, family = [spelt(CONSENSUS[k : k + 8]) for k in range(52)], read_family(alignment)
    everything = [*STRANGERS, *pieces]
    strict, usual = relatives(everything, [family], evalue=1e-3), relatives(everything, [family])
    assert strict < usual and len(usual) >= len(strict) + 4
    assert sum(k < len(STRANGERS) for k in usual) <= 10, "as many are to be expected by chance"


def test_several_families_are_looked_for_and_rows_of_gaps_do_not_matter(alignment: Path) -> None:
    first, other = read_family(alignment), read_family(f">a\n{STRANGERS[0]}\n>b\n{'-' * 60}\n".encode())
    sequences = [ROWS[0], STRANGERS[0], STRANGERS[1]]
    assert relatives(sequences, [first]) == {0} and relatives(sequences, [other]) == {1}
    assert relatives(sequences, [first, other]) == {0, 1}
    assert relatives(sequences, []) == relatives([], [first]) == frozenset()


def test_what_hmmer_cannot_take_is_one_sentence(alignment: Path) -> None:
    with pytest.raises(InputError, match="100,001 residues; profiles search those of at most 100,000"):
        relatives(["A" * 100_001], [read_family(alignment)])
    with pytest.raises(InputError, match="no residues to make a profile of"):
        relatives(["ACD"], [read_family(b">a\n---\n>b\n-X-\n")])


@pytest.mark.skipif(not ALIGNMENTS.is_dir(), reason="The shared family alignments are not here.")
@pytest.mark.parametrize(("family", "known"), [("PF00018", "sh3"), ("PF00240", "ubiquitin"), ("PF00595", "pdz")])
def test_real_proteins_are_found_by_their_own_family_alone(family: str, known: str) -> None:
    names = list(PRESETS)
    sequences = [load_preset(name).sequence for name in names]
    found = {names[k] for k in relatives(sequences, [read_family(ALIGNMENTS / f"{family}.align.80")])}
    assert found == {known}


def test_the_commands_leave_relatives_out(
    alignment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fasta = tmp_path / "s.fasta"
    fasta.write_text("".join(f">s{k}\n{text}\n" for k, text in enumerate([ROWS[0], STRANGERS[0], ROWS[1]])))
    options = ["--fasta", str(fasta), "--unlike", str(alignment)]
    recipes: list[LabelRecipe] = []
    monkeypatch.setattr(label_farm, "make_shards", lambda recipe, *_, **__: recipes.append(recipe) or 0)
    assert main(["labels", "--model", "esmc-mini", "--out", str(tmp_path / "l"), *options]) == 0
    assert recipes[0].sequences == (STRANGERS[0],) and recipes[0].unlike == "family.fasta"
    assert "2 of 3 sequences are left out" in capsys.readouterr().err
    parser = argparse.ArgumentParser()
    describe_held_out(parser)
    model = catalog.load_model("esmc-mini")
    stranger = model.vocab.encode(STRANGERS[0])
    for state in masked_sequences(parser.parse_args([*options, "--states", "3"]), model):
        shown = state != model.vocab.mask_id
        assert (state[shown] == stranger[shown]).all()
    fasta.write_text(f">a\n{ROWS[0]}\n")
    assert main(["labels", "--model", "esmc-mini", "--out", str(tmp_path / "l"), *options]) == 1
    assert "find every sequence" in capsys.readouterr().err
    assert main(["labels", "--model", "esmc-mini", "--out", "l", "--fasta", str(fasta), "--unlike", "none"]) == 1
    assert "no alignment at none" in capsys.readouterr().err
