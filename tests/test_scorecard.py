"""Estimators against the truth: the scores by hand, the tables, the diagnostics, the commands."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.agreement import auroc, precision_at_top
from mi_core.cli import main
from mi_core.errors import InputError
from mi_core.estimators import ESTIMATORS, Task
from mi_core.estimators.scorecard import DEFAULT, Contender, diagnostics, ground_truth, score, scorecard
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable


def task_of(table: JointTable) -> Task:
    return Task(ExactModel(table), torch.full((table.length,), table.size))


def test_precision_of_the_strongest_by_hand() -> None:
    truth = torch.tensor([4.0, 3.0, 2.0, 1.0])
    assert precision_at_top(truth, truth, 2) == 1
    assert precision_at_top(-truth, truth, 2) == 0
    assert precision_at_top(torch.tensor([9.0, 0.0, 8.0, 0.0]), truth, 2) == 0.5
    assert precision_at_top(-truth, torch.ones(4), 2) == 1, "all tie"
    assert math.isnan(precision_at_top(truth[:0], truth[:0], 3))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_auroc_counts_the_pairs_in_the_right_order(entries: list[tuple[int, bool]]) -> None:
    scores = torch.tensor([float(s) for s, _ in entries])
    positive = torch.tensor([p for _, p in entries])
    hits, misses = scores[positive], scores[~positive]
    if not len(hits) or not len(misses):
        assert math.isnan(auroc(scores, positive))
        return
    difference = hits[:, None] - misses[None, :]
    expected = ((difference > 0).double() + 0.5 * (difference == 0).double()).mean()
    assert auroc(scores, positive) == pytest.approx(float(expected))


def test_the_truth_scores_full_marks_against_itself() -> None:
    task = task_of(exact.golden_table())
    truth = ground_truth(task)
    assert truth.estimator == "table" and truth.passes == 0
    torch.testing.assert_close(truth.mi, ESTIMATORS["probing"](task).mi, atol=1e-10, rtol=0)
    own = score("truth", truth, truth)
    assert own.r2 == own.top == 1 and own.spearman == pytest.approx(1) and own.rmse == 0
    assert math.isnan(own.width), "a table certifies nothing about probing"


def test_the_scorecard_of_a_table_names_who_refuses() -> None:
    task = task_of(exact.copied_bits(0.8))
    rows = {row.label: row for row in scorecard(task, ground_truth(task))}
    assert set(rows) == {contender.label for contender in DEFAULT}
    assert rows["probing-mixture"].r2 == pytest.approx(1) and rows["probing-mixture"].auroc == 1
    for name in ("first-order", "attention", "head-paper"):
        assert rows[name].refused.endswith(".") and math.isnan(rows[name].spearman)
    other = Task(task.model, torch.tensor([0, 2, 2, 2]))
    with pytest.raises(InputError, match="different states"):
        score("x", ground_truth(other), ground_truth(task))


def test_diagnostics_are_figures_with_a_sentence() -> None:
    task = task_of(exact.from_seed(3, 3, 4))
    cut = {d.name: d for d in diagnostics(ESTIMATORS["cut-probing"](task, mass=0.8))}
    assert cut["consistency gap"].value > 0, "renormalising over the tokens tried moves the mixture"
    assert cut["mass not tried"].value > 0 and cut["certified width"].value > 0
    full = {d.name: d.value for d in diagnostics(ESTIMATORS["probing"](task))}
    assert max(full[name] for name in ("consistency gap", "asymmetry", "order divergence", "mass not tried")) < 1e-9
    assert full["negative in the paper's form"] == 0 and full["passes"] == 13
    drawn = {d.name: d.value for d in diagnostics(ESTIMATORS["sampled"](task))}
    assert drawn["standard error"] > 0 and "asymmetry" not in drawn
    assert all(d.meaning.endswith(".") and d.unit in {"nats", "share", "passes"} for d in cut.values())


def test_contenders_are_labelled_with_their_settings() -> None:
    assert (
        Contender("cut-probing", (("mass", 0.9), ("min_entropy", 0.05))).label
        == "cut-probing mass=0.9 min_entropy=0.05"
    )


def test_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = ["--model", "copied-bits", "--input", "...."]
    assert main(["bench", "estimators", *state, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["truth"]["estimator"] == "table" and len(values["scores"]) == len(DEFAULT)
    assert main(["bench", "estimators", *state]) == 0
    text = capsys.readouterr().out
    assert "cannot be differentiated" in text and "sampled draws=4" in text
    assert main(["mi", *state, "--estimator", "sampled", "--param", "draws=8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimator"] == "sampled"
    assert main(["mi", *state, "--estimator", "sampled", "--param", "draws"]) == 1
    assert "key=value" in capsys.readouterr().err
    assert main(["mi", *state, "--estimator", "head-paper"]) == 1
    assert "no paper head for model copied-bits" in capsys.readouterr().err
    file = tmp_path / "s.csv"
    file.write_text("\n".join(f"{k % 2},{k % 4}" for k in range(40)))
    assert main(["samples", str(file), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["estimates"][0]
    assert first["name"] == "plug-in" and first["value"] == pytest.approx(math.log(2))
    assert main(["samples", str(tmp_path / "none")]) == 1
    assert "no sample file" in capsys.readouterr().err
