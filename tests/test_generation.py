"""Designing from nothing: the divergences of known sets of sequences, and passes of a model whose answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_core.benchmarks.evaluation import Contestant
from mi_core.benchmarks.generation import DISTANCES, Statistics, bench_generation, likelihoods
from mi_core.benchmarks.report import contacts_table, designs_table, read_record, write_record
from mi_core.cli.main import main
from mi_core.errors import InputError
from mi_core.models.protocol import ModelOutput, clamp_revealed
from mi_core.proteins.sequence import AMINO_ACIDS, VOCAB
from mi_core.strategies import get_strategy
from tests.protein_models import save_tiny_esmc


class Composition:
    """Every residue is drawn from the same two letters, whatever the others are."""

    name, vocab, length, device = "composition", VOCAB, None, torch.device("cpu")

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        probs = torch.zeros(*tokens.shape, VOCAB.size, dtype=torch.float64)
        probs[..., 0], probs[..., 1] = 0.75, 0.25
        return ModelOutput(
            clamp_revealed(probs.log(), tokens, VOCAB), torch.zeros(*tokens.shape, 1), outside=torch.zeros(tokens.shape)
        )


def _drawn(count: int, share: float, length: int = 60, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(AMINO_ACIDS[:2]), length, p=[share, 1 - share])) for _ in range(count)]


def _contestant(name: str, **settings: int | float) -> Contestant:
    return Contestant(name, get_strategy(name).settings(settings))


def test_likelihood_of_a_known_model() -> None:
    texts = ["AAAA", "CCCC", "AC" * 30]
    found = likelihoods(Composition(), [VOCAB.encode(text) for text in texts])
    wanted = [np.log(0.75), np.log(0.25), (np.log(0.75) + np.log(0.25)) / 2]
    assert found.tolist() == pytest.approx(wanted)


def test_divergences_of_known_sets() -> None:
    def of(texts: list[str]) -> Statistics:
        return Statistics(Composition(), [VOCAB.encode(text) for text in texts])

    same, other = of(_drawn(50, 0.5)), of(["W" * 60] * 50)
    zero = same.divergence(same)
    assert zero["jsd_letters"] == zero["jsd_pairs"] == zero["jsd_likelihood"] == 0
    apart = same.divergence(other)
    assert apart["jsd_letters"] == pytest.approx(np.log(2), abs=1e-4), "no letter in common"
    assert apart["jsd_pairs"] == pytest.approx(np.log(2), abs=1e-4) and len(apart["jsd_pairs_at"]) == len(DISTANCES)
    alternating = of(["AC" * 30] * 50).divergence(of(_drawn(50, 0.5)))
    assert alternating["jsd_letters"] < 1e-3 and alternating["jsd_pairs_at"]["1"] > 0.15, "pairs see what letters miss"


def test_samples_have_the_lengths_of_the_reference_and_its_statistics() -> None:
    reference = _drawn(200, 0.75) + _drawn(200, 0.75, length=40, seed=1) + ["W" * 10] * 50
    rows = bench_generation(
        Composition(),
        reference,
        [_contestant("sequential"), _contestant("top-k", k=8)],
        samples=60,
        lengths=(20, 90),
        source_of=lambda contestant: None,
    )
    natural, sequential, parallel = rows
    assert natural["strategy"] is None and natural["reference"] == 200, "sequences of ten residues are left out"
    assert 40 < sequential["nfe"] < 60 and 5 <= parallel["nfe"] <= 8
    for row in rows:
        assert row["n"] == (60 if row["strategy"] else 200) and row["jsd_letters"] < 0.002 and row["likelihood"] < -0.5
    with pytest.raises(InputError, match="At least 40 natural sequences of 61 to 90"):
        bench_generation(Composition(), reference, [], samples=9, lengths=(61, 90), source_of=lambda contestant: None)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = save_tiny_esmc(tmp_path / "tiny.safetensors")
    natural = tmp_path / "natural.fasta"
    rng = np.random.default_rng(0)
    natural.write_text("".join(f">s{k}\n{''.join(rng.choice(list(AMINO_ACIDS), 24))}\n" for k in range(40)))
    record = tmp_path / "record.json"
    common = ["bench", "protein-generation", "--weights", str(weights), "--samples", "4", "--lengths", "20-30"]
    options = ["--strategy", "top-k:k=8", "--reference", str(natural), "--record", str(record)]
    assert main([*common, *options]) == 0
    out = capsys.readouterr().out
    assert "natural sequences" in out and "top-k k=8" in out
    assert json.loads(record.read_text())["result"][1]["nfe"] == 3.0
    assert main([*common, "--strategy", "sequential"]) == 1
    assert "Name what is natural" in capsys.readouterr().err


def test_the_report_shows_contacts_and_generation(tmp_path: Path) -> None:
    contacts = [
        {"family": "PF1", "l": 50, "route": route, "apc": apc, "p_l5": 0.9, "p_l2": value, "p_l": 0.4, "chance": 0.1}
        | {"model": "m", "masks": 24, "rows": 1, "ratio": 0.9}
        for route, apc, value in (("probing", True, 0.71), ("probing", False, 0.11), ("mean-field-dca", True, 0.62))
    ]
    scores = {"jsd_letters": 0.01, "jsd_pairs": 0.02, "jsd_likelihood": 0.03}
    shared = {**scores, "likelihood": -1.5, "n": 4, "reference": 9, "lengths": [20, 30]}
    made = {"strategy": "top-k", "params": {"k": 8}, "mi_source": None, "nfe": 3.0, "distinct": 4}
    write_record(tmp_path / "protein_contacts.json", ["bench", "protein"], contacts)
    write_record(tmp_path / "protein_generation.json", ["bench"], [{"strategy": None, **shared}, {**made, **shared}])
    names = ("protein_contacts", "protein_generation")
    contacts_record, designs_record = (read_record(tmp_path / f"{name}.json") for name in names)
    text = contacts_table([contacts_record]) + designs_table(designs_record)
    assert (
        "| m | 24 of 1 sequences, 0.9 hidden | PF1 | 50 | 0.90 0.71 0.40 | 0.90 0.62 0.40 | 0.10 |" in text
        and "0.11" not in text
    )
    assert "| natural sequences |  | 0.0100 | 0.0200 | 0.0300 | -1.50 |  |" in text
    assert " k=8 | 3.0 | 0.0100 | 0.0200 | 0.0300 | -1.50 | 4 |" in text and "9 natural sequences" in text
