"""Training of protein models, small: what is fed, that it learns, that it resumes, that nothing held out is seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mi_core.errors import FormatError, InputError, SettingError
from mi_core.models.esmc import KIND, build_esmc, load_esmc_file
from mi_core.models.tuned import ESMC_KIND, load_tuned_esmc
from mi_core.proteins.sequence import AMINO_ACIDS
from mi_core.training.corpus import NOT_PREDICTED, Corpus
from mi_core.training.protein_data import alignments_in, corpus_of, family_name, reference_of, sample_of
from mi_core.training.proteins import Packer, ProteinTraining, held_out_loss, train_protein_model
from mi_core.weights import load_weights, read_header

PERIODIC = tuple("ACDEFGHIKL" * 3 for _ in range(4))


def _corpus(sequences: tuple[str, ...] = PERIODIC, weights: list[float] | None = None) -> Corpus:
    columns = np.zeros(len(sequences), dtype=np.int64)
    return Corpus(sequences, np.array(weights or [1.0] * len(sequences)), {"what": "a test"}, columns)


def _settings(steps: int, **others: Any) -> ProteinTraining:
    small = {"rows": 4, "row": 64, "d_model": 32, "n_heads": 2, "n_layers": 1, "warmup": 5, "checkpoint_every": 4}
    small["teaching"] = 0.0
    return ProteinTraining(steps=steps, average=0.9, **{**small, **others})


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_esmc(d_model=16, n_heads=1, n_layers=1).tokenizer


def test_rows_hold_whole_sequences_each_with_its_number(tokenizer: Any) -> None:
    packer = Packer(tokenizer, rows=6, row=70)
    tokens, target, numbers, columns = packer.batch(_corpus((AMINO_ACIDS, "ACD" * 7)), np.random.default_rng(0))
    assert tokens.shape == target.shape == numbers.shape == columns.shape == (6, 70)
    masked = target >= 0
    assert torch.equal(masked, tokens == tokenizer.mask_token_id)
    for row in range(6):
        for number in range(1, int(numbers[row].max()) + 1):
            at = (numbers[row] == number).nonzero()[:, 0]
            assert at[-1] - at[0] + 1 == len(at), "a sequence is not cut in two"
            ids = torch.where(masked[row], target[row], tokens[row])[at]
            text = tokenizer.decode(ids).replace(" ", "")
            assert text in (f"<cls>{AMINO_ACIDS}<eos>", "<cls>" + "ACD" * 7 + "<eos>")
            assert masked[row, at].any(), "something is to be predicted"
        assert (tokens[row][numbers[row] == 0] == tokenizer.pad_token_id).all()
    ratios = masked.sum(1).double() / (numbers > 0).sum(1)
    assert ratios.max() - ratios.min() > 0.1


def test_long_sequences_are_cut_at_random_places(tokenizer: Any) -> None:
    packer = Packer(tokenizer, rows=8, row=12)
    tokens, target, _, columns = packer.batch(_corpus((AMINO_ACIDS,)), np.random.default_rng(1))
    whole = torch.where(target >= 0, target, tokens)
    assert (whole[:, 0] == tokenizer.cls_token_id).all() and (whole[:, 11] == tokenizer.eos_token_id).all()
    assert len(set(whole[:, 1].tolist())) > 2
    ids = torch.tensor(tokenizer.convert_tokens_to_ids(list(AMINO_ACIDS)))
    assert torch.equal(ids[columns[:, 1:11]], whole[:, 1:11]), "each letter keeps its column when a window is cut"


def test_sequences_are_drawn_by_weight() -> None:
    rng = np.random.default_rng(0)
    corpus = _corpus(("AAA", "CCC", "DDD"), [1.0, 0.0, 3.0])
    drawn = [corpus.draw(rng)[0] for _ in range(2000)]
    assert drawn.count("CCC") == 0 and 0.2 < drawn.count("AAA") / 2000 < 0.3
    with pytest.raises(InputError, match="0 sequences"):
        Corpus((), np.array([]), {}, np.array([], dtype=np.int64))


def test_a_row_of_an_alignment_is_drawn_with_and_without_its_gaps(tokenizer: Any) -> None:
    """Its letters know their columns either way; a gap is shown, never hidden, and never asked for."""
    rng = np.random.default_rng(0)
    corpus = Corpus(("A-CD--E",), np.ones(1), {}, np.array([10]), aligned=0.5)
    drawn = {(letters, *columns.tolist()) for letters, columns in (corpus.draw(rng) for _ in range(50))}
    assert drawn == {("A-CD--E", 10, 11, 12, 13, 14, 15, 16), ("ACDE", 10, 12, 13, 16)}
    whole = Corpus(("A-CD--E",), np.ones(1), {}, np.array([-1]), aligned=1.0)
    tokens, target, _, columns = Packer(tokenizer, rows=20, row=9).batch(whole, rng)
    gaps = tokens == tokenizer.convert_tokens_to_ids("-")
    assert bool((gaps.sum(1) == 3).all()) and bool((target[gaps] == NOT_PREDICTED).all())
    assert bool((columns == NOT_PREDICTED).all()) and corpus.column_count == 17 and whole.column_count == 1


def test_other_residues_may_stand_around_a_sequence_and_have_no_column() -> None:
    rng = np.random.default_rng(0)
    corpus = Corpus(("ACD",), np.ones(1), {}, np.array([5]), flank=2)
    drawn = [corpus.draw(rng) for _ in range(200)]
    assert 80 < sum(letters == "ACD" for letters, _ in drawn) < 140, "half, and a ninth of the others"
    lengths = {(letters.index("ACD"), len(letters) - letters.index("ACD") - 3) for letters, _ in drawn}
    assert lengths == {(i, j) for i in range(3) for j in range(3)}
    for letters, columns in drawn:
        at = letters.index("ACD")
        wanted = [NOT_PREDICTED] * at + [5, 6, 7] + [NOT_PREDICTED] * (len(letters) - at - 3)
        assert columns.tolist() == wanted


def test_packing_keeps_sequences_apart(tokenizer: Any) -> None:
    """The same sequence gets the same answer alone and beside another one in its row."""
    torch.manual_seed(0)
    network = build_esmc(d_model=32, n_heads=2, n_layers=2).eval()
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(["<cls>", *"ACDEF", "<eos>"])])
    other = torch.tensor([tokenizer.convert_tokens_to_ids(["<cls>", *"WWYWW", "<eos>"])])
    numbers = torch.tensor([[1] * 7 + [2] * 7])
    with torch.no_grad():
        alone = network(sequence_tokens=ids).sequence_logits
        both = network(sequence_tokens=torch.cat([other, ids], dim=1), sequence_id=numbers).sequence_logits
    torch.testing.assert_close(alone, both[:, 7:], atol=1e-5, rtol=0)


def test_it_learns_and_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    train_protein_model(whole, _corpus(), PERIODIC[:1], _settings(24), report=lambda line: None)
    steps = iter(range(100))
    train_protein_model(
        halves, _corpus(), PERIODIC[:1], _settings(24), report=lambda line: None, cancel=lambda: next(steps) >= 9
    )
    assert read_header(halves, KIND).training["steps_done"] == 9
    train_protein_model(halves, _corpus(), PERIODIC[:1], _settings(24), report=lambda line: None)
    one, two = load_weights(whole, KIND)[1], load_weights(halves, KIND)[1]
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-3, rtol=1e-3)
    header = read_header(whole, KIND)
    assert header.training["data"] == {"what": "a test"}
    assert header.metrics["held_out_loss"] < np.log(20) - 0.3, "ten letters of twenty are soon known not to occur"
    model = load_esmc_file(whole, name="x")
    assert not [name for name in one if name.startswith("columns")], "what tells the columns is thrown away"
    assert held_out_loss(model, PERIODIC[:1]) == pytest.approx(header.metrics["held_out_loss"], abs=0.02)


def test_a_run_can_start_from_other_weights(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_protein_model(first, _corpus(), PERIODIC[:1], _settings(4), report=lambda line: None)
    train_protein_model(
        second, _corpus(), PERIODIC[:1], _settings(1, start=str(first), seed=9), report=lambda line: None
    )
    assert read_header(second, KIND).training["before"]["steps_done"] == 4


def _alignment(path: Path, rows: list[str]) -> Path:
    path.write_text("".join(f">s{k}\n{row}\n" for k, row in enumerate(rows)))
    return path


def test_families_are_balanced_and_what_is_held_out_is_nowhere(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def rows(count: int) -> list[str]:
        return ["".join(rng.choice(list(AMINO_ACIDS), 30)) for _ in range(count)]

    large, small = rows(400), rows(25)
    files = [
        _alignment(tmp_path / "PF1.fasta", large),
        _alignment(tmp_path / "PF2_x.fasta", [*small, *large[:50], "-" * 25 + "ACDEF"]),
        _alignment(tmp_path / "PF3.fasta", rows(30)),
    ]
    corpus, held = corpus_of(alignments_in([tmp_path]), left_out=["PF3"], seed=1)
    assert alignments_in(files) == files and family_name(files[1]) == "PF2"
    assert len(held["PF3"]) == 30 and 5 <= len(held["PF1"]) <= 40
    unseen = {letters for group in held.values() for letters in group}
    assert not unseen & {row.replace("-", "") for row in corpus.sequences} and "ACDEF" not in corpus.sequences
    share = sum(w for s, w in zip(corpus.sequences, corpus.weights, strict=True) if s in set(small))
    assert share / corpus.weights.sum() > 25 / 475 * 1.3, "a small family is drawn more often than its size says"
    assert corpus.origin["families"] == ["PF1", "PF2"] and corpus.origin["left_out"] == ["PF3"]
    first = dict(zip(corpus.sequences, corpus.columns.tolist(), strict=True))
    assert {first[row] for row in first if row in set(large[50:])} == {0}
    assert {first[row] for row in first if row in set(small)} == {30}
    natural = reference_of([files[0], files[1]], 1000, (30, 30), seed=1)
    assert len(natural) == len(set(natural)) and set(natural) == unseen - set(held["PF3"])
    assert len(reference_of([files[0]], 3, (30, 30), seed=1)) == 3 and not reference_of([files[0]], 3, (5, 9), seed=1)
    taken = sample_of(held, 9)
    assert len(set(taken)) == 9 and {name for name, group in held.items() if set(group) & set(taken)} == set(held)
    with pytest.raises(InputError, match="no alignment at"):
        alignments_in([tmp_path / "none"])
    with pytest.raises(InputError, match="at least one alignment"):
        corpus_of([])


def test_general_sequences_have_their_share(tmp_path: Path) -> None:
    family = _alignment(tmp_path / "PF1.fasta", [AMINO_ACIDS + "ACDEFGHIKL"[k:] + "-" * k for k in range(9)])
    general = tmp_path / "general.fasta"
    general.write_text(">a x\n" + "M" * 30 + "\n" + "K" * 10 + "\n>b\nXX" + "A" * 30 + "\n>c\nMK\n")
    corpus, _ = corpus_of([family], general=general, general_share=0.25, seed=0)
    assert "M" * 30 + "K" * 10 in corpus.sequences
    drawn = sum(w for s, w in zip(corpus.sequences, corpus.weights, strict=True) if s.startswith("MMM"))
    assert drawn / corpus.weights.sum() == pytest.approx(0.25)


def test_it_learns_where_in_the_alignment_a_residue_lies(tmp_path: Path) -> None:
    """All sequences are alike but for what stands in front, so that columns can be told from the residues alone."""
    rows = tuple("-" * k + AMINO_ACIDS + "-" * (5 - k) for k in range(5))
    lines: list[str] = []
    corpus = Corpus(rows, np.ones(5), {}, np.zeros(5, dtype=np.int64))
    train_protein_model(tmp_path / "w.safetensors", corpus, [AMINO_ACIDS], _settings(100), report=lines.append)
    told = [float(line.split()[5]) for line in lines if line.startswith("step")]
    assert told[-1] < np.log(25) - 0.5 and told[-1] < told[0]


def test_it_learns_from_a_teacher_and_looks_where_it_points(tmp_path: Path) -> None:
    """Columns 0 and 10 are copies of one of twenty letters, the rest is always the same."""
    rows = tuple(letter + "A" * 9 + letter + "C" * 9 for letter in AMINO_ACIDS)
    lines: list[str] = []
    corpus = Corpus(rows, np.ones(20), {}, np.zeros(20, dtype=np.int64))
    settings = _settings(200, n_layers=2, teaching=0.5)
    out = train_protein_model(tmp_path / "w.safetensors", corpus, rows[:3], settings, report=lines.append)
    assert lines[1] == "teacher of 20 columns fitted to 20 rows"
    first, *_, last = (line.split() for line in lines if line.startswith("step"))
    assert first[2::2][:4] == ["loss", "columns", "taught", "looks"]
    assert float(last[7]) < float(first[7]), "closer to the teacher"
    assert first[9] != "nan" and last[9] == "nan", "guided while young, free at the end"
    again: list[str] = []
    train_protein_model(out, corpus, rows[:3], settings, report=again.append)
    assert not any("fitted" in line for line in again), "teachers are kept beside the run"


def test_a_fine_tune_is_kept_as_a_small_update_of_its_base(tmp_path: Path) -> None:
    """It learns the family; base and update together are the tuned network; over any other base it is refused."""
    base, other, out = (tmp_path / f"{name}.safetensors" for name in ("base", "other", "update"))
    mixed = ("MNPQRSTVWY" * 3, *PERIODIC[:1])
    train_protein_model(base, _corpus(mixed), PERIODIC[:1], _settings(12), report=lambda line: None)
    train_protein_model(other, _corpus(mixed), PERIODIC[:1], _settings(12, seed=2), report=lambda line: None)
    tuned = _settings(20, start=str(base), rank=2)
    train_protein_model(out, _corpus(), PERIODIC[:1], tuned, report=lambda line: None)
    header, tensors = load_weights(out, ESMC_KIND)
    metrics = header.metrics
    assert metrics["held_out_loss"] < metrics["held_out_loss_of_base"] - 0.1
    assert header.training["before"]["steps_done"] == 12 and header.config["base"] == "base.safetensors"
    matrices = [name for name in tensors if name.endswith(".left")]
    assert len(matrices) == 4 and all(2 in tensors[name].shape for name in matrices)
    assert not [name for name in tensors if name.startswith("columns")]
    model = load_tuned_esmc(out, base, name="tuned")
    assert model.name == "tuned"
    assert held_out_loss(model, PERIODIC[:1]) == pytest.approx(metrics["held_out_loss"], abs=0.02)
    with pytest.raises(FormatError, match=r"update of other weights than other\.safetensors"):
        load_tuned_esmc(out, other, name="tuned")
    with pytest.raises(InputError, match=r"adds to none\.safetensors, which is not there"):
        load_tuned_esmc(out, tmp_path / "none.safetensors", name="tuned")
    with pytest.raises(SettingError, match="name them as the start"):
        _settings(1, rank=2)
