"""Estimators against the truth: the scores by hand, the tables, the diagnostics, the commands."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.agreement import auroc, precision_at_top
from mi_core.cli.main import main
from mi_core.errors import Cancelled, InputError, UnknownName
from mi_core.estimators import ESTIMATORS, Task
from mi_core.estimators.scorecard import DEFAULT, Contender, diagnostics, ground_truth
from mi_core.estimators.study import contender_of, same_scale, study, worst_pair
from mi_core.estimators.summary import calibration, cells_of, summary
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
    own = summary([truth, truth], [truth, truth], in_nats=True)
    assert own["r2"] == 1 and own["spearman"] == 1 and own["rmse"] == own["bias"] == 0 and own["pairs"] == 12
    assert "interval" not in own, "a table certifies nothing about probing"
    cells = cells_of(own["density"])
    assert all(column == row for column, row, _ in cells), "on the diagonal"
    assert sum(count for _, _, count in cells) == 12


def test_a_study_pools_states_and_names_who_refuses() -> None:
    task = task_of(exact.copied_bits(0.8))
    other = torch.tensor([0, 2, 2, 2])
    told: list[tuple[int, int]] = []
    values = study(replace(task, progress=lambda done, total: told.append((done, total))), [task.tokens, other])
    rows = {row["label"]: row for row in values["estimators"]}
    assert set(rows) == {contender.label for contender in DEFAULT}
    assert values["states"] == ["....", "0..."] and told[-1] == (2 * (len(DEFAULT) + 1),) * 2
    mixture = rows["probing-mixture"]
    assert mixture["r2"] == 1 and mixture["pairs"] == 6 + 3 and mixture["auroc"] == 1
    assert [band["states"] for band in mixture["by_ratio"]] == [1, 1]
    assert sum(band["pairs"] for band in mixture["by_size"]) == 9
    for name in ("first-order", "attention", "head-paper", "head-quantiles"):
        assert rows[name]["refused"].endswith(".") and "spearman" not in rows[name]
    assert rows["cut-probing mass=0.9 min_entropy=0.05"]["interval"]["held"] == 1
    assert values["calibration"] is None
    assert json.loads(json.dumps(values, allow_nan=False)) == values, "a record holds it as it is"
    with pytest.raises(InputError, match="at least one state"):
        study(task, [])
    with pytest.raises(Cancelled):
        study(replace(task, cancel=lambda: True), [other])


def test_the_scores_of_a_study_by_hand() -> None:
    task = task_of(exact.from_seed(5, 4, 3))
    truth = ground_truth(task)
    off = torch.zeros(4, 4, dtype=torch.float64)
    off[0, 1] = off[1, 0] = 0.3
    guess = replace(truth, mi=truth.mi + off, estimator="guess")
    values = summary([truth, guess], [truth, truth], in_nats=True)
    assert values["rmse"] == pytest.approx((0.3**2 / 12) ** 0.5, abs=1e-6)
    assert values["bias"] == pytest.approx(0.3 / 12, abs=1e-6)
    assert values["worst"][0]["state"] == 1 and worst_pair(guess, truth) == (0, 1)
    with pytest.raises(InputError, match="different states"):
        summary([truth], [ground_truth(Task(task.model, torch.tensor([0, 3, 3, 3])))], in_nats=True)


def test_calibration_counts_what_lies_below_each_quantile() -> None:
    truth = ground_truth(task_of(exact.from_seed(5, 4, 3)))
    steps = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)[:, None, None]
    levels = {"levels": [0.05, 0.5, 0.95]}
    good = replace(truth, quantiles=truth.mi + 0.01 * steps, settings=levels)
    low = replace(truth, quantiles=truth.mi - 0.05 + 0.01 * steps, settings=levels)
    found = calibration([good, low], [truth, truth])
    assert found["pairs"] == 12 and found["inside"] == 0.5 and found["crossings"] == 0
    assert found["below"] == [0, 0.5, 0.5]
    assert found["by_ratio"] == [{"low": 0.8, "high": 1.0, "pairs": 12, "inside": 0.5, "width": 0.03}]
    crossed = replace(truth, quantiles=(truth.mi + 0.01 * steps).flip(0), settings=levels)
    assert calibration([crossed], [truth])["crossings"] == 12


def test_a_contender_is_read_back_from_its_label() -> None:
    for contender in DEFAULT:
        assert contender_of(contender.label) == contender
    with pytest.raises(UnknownName):
        contender_of("magic")


def test_a_score_is_stretched_for_a_picture() -> None:
    truth = ground_truth(task_of(exact.golden_table()))
    scores = replace(truth, mi=truth.mi * 7, form="score")
    torch.testing.assert_close(same_scale(scores, truth), truth.mi)
    assert same_scale(truth, truth) is truth.mi


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
    assert values["truth"]["estimator"] == "table" and len(values["estimators"]) == len(DEFAULT)
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
