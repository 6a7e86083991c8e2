"""The study of head architectures: what each contestant is, that all are trained alike, and the command."""

import json
from pathlib import Path

import pytest
import torch

from mi_core.cli.main import main
from mi_core.errors import SettingError, UnknownName
from mi_core.head import config_for
from mi_core.models.exact import ExactModel, chain
from mi_core.training.cost import Job, hours_at, measure
from mi_core.training.head import features_of
from mi_core.training.head_study import CONTESTANTS, LowRankHead, study_heads
from mi_core.training.labels import LabelRecipe, LabelSet, read_labels, shard_bytes, shard_path, write_shard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Probed MI of states of a table."""
    out = tmp_path_factory.mktemp("labels")
    write_shard(shard_path(out, 0), shard_bytes(ExactModel(chain(), name="chain"), LabelRecipe("chain", mass=1.0), 0))
    return out


@pytest.fixture(scope="module")
def labels(folder: Path) -> LabelSet:
    return read_labels(folder, "chain")


@pytest.fixture(scope="module")
def model() -> ExactModel:
    return ExactModel(chain(), name="chain")


def test_contestants_learn_and_the_same_seed_gives_the_same_row(model: ExactModel, labels: LabelSet) -> None:
    lines: list[str] = []
    one = study_heads(model, labels, steps=4, report=lines.append)
    assert (
        [row["name"] for row in one["heads"]]
        == list(CONTESTANTS)
        == list(dict.fromkeys(line.split(":")[0] for line in lines))
    )
    score = {row["name"]: row["r2"] for row in one["heads"]}
    longer = study_heads(model, labels, steps=300, names=["marginals"], report=lines.append)["heads"][0]
    assert longer["r2"] > score["marginals"] + 0.5
    size = {row["name"]: row["parameters"] for row in one["heads"]}
    assert size["marginals"] < size["paths-1"] < size["paths-3"] < size["paths-6"] == size["log"]
    again = study_heads(model, labels, steps=4, names=["paths-1"], report=lines.append)["heads"][0]
    assert again["r2"] == score["paths-1"]


def test_a_low_rank_head_is_symmetric_and_blind_to_what_is_revealed(model: ExactModel, labels: LabelSet) -> None:
    tokens = labels.tokens[:8]
    output = features_of(model, tokens)
    head = LowRankHead(config_for("paper", output))
    masked = tokens == model.vocab.mask_id
    found = head(output, masked)
    assert torch.equal(found, found.transpose(1, 2)) and (found >= 0).all()
    assert (found[~(masked[:, :, None] & masked[:, None, :])] == 0).all()
    k = int(masked.sum(1).argmax())
    i, j = masked[k].nonzero()[:2, 0].tolist()
    x = head.project(output.hidden[k])
    wanted = torch.nn.functional.softplus(head.scale[0] * (x[i] @ x[j]) + head.scale[1])
    torch.testing.assert_close(found[k, i, j], wanted)


def test_a_contestant_that_is_none_is_named(model: ExactModel, labels: LabelSet) -> None:
    with pytest.raises(UnknownName, match="magic"):
        study_heads(model, labels, names=["magic"])


def test_the_command_prints_a_row_a_head(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    command = ["bench", "heads", "--model", "chain", "--labels", str(folder), "--steps", "2", "--head", "paper"]
    assert main([*command, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["heads"]
    assert row["name"] == "paper" and row["seconds"] > 0
    assert main([*command[:4], "--labels", "none-here"]) == 1
    assert "There are no labels in none-here" in capsys.readouterr().err


def test_the_cost_is_counted_and_scales_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass costs two operations a weight and token, and half the rate takes twice the time."""
    monkeypatch.setattr("mi_core.training.cost.time.perf_counter", iter(range(100)).__next__)
    job = Job(states=10, residues=50, positions=3, epochs=2)
    found = measure(64, 2, job, batch=4)
    assert found["passes_a_state"] == 61 and found["passes"] == 610 and found["seconds_a_pass"] == 0.25
    weights = found["parameters"] - 64 * 64  # the embedding is looked up, not multiplied
    assert 1 < found["flops_a_pass"] / (2 * weights * 52) < 1.3, "attention comes on top"
    assert found["hours"] == pytest.approx(10 * (61 + 2) * 0.25 / 3600)
    rate = found["flops_a_second"]
    assert hours_at(rate / 2, found["flops_a_pass"], job) == pytest.approx(2 * found["hours"])
    assert found["hours_all_positions"] == pytest.approx(10 * (1 + 50 * 20 + 2) * 0.25 / 3600)
    with pytest.raises(SettingError, match="at least 1"):
        Job(states=0)
