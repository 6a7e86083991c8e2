"""The commands around estimators: `mi` with any of them, `bench estimators` on one state, `samples` on two columns."""

import argparse
import math
from dataclasses import asdict
from typing import Any

from torch import Tensor

from mi_core.errors import SettingError
from mi_core.estimators import ESTIMATORS, Task, get_estimator
from mi_core.estimators.registry import HeadOf
from mi_core.estimators.scorecard import diagnostics, ground_truth, scorecard
from mi_core.models.protocol import Model
from mi_core.results import MIResult
from mi_core.samples import estimate_samples, read_samples

Answer = tuple[Any, str]
NAMES = ["probing", "head", *(name for name in ESTIMATORS if name != "probing")]
"""What `mi --estimator` takes; "probing" there has cuts of its own, "head" is the head of --variant."""


def estimate_with(name: str, params: list[str], model: Model, tokens: Tensor, head_of: HeadOf) -> MIResult:
    """Any registered estimator with `key=value` settings.

    Raises:
        UnknownName, SettingError, InputError: as the estimator.
    """
    settings: dict[str, Any] = {}
    for item in params:
        key, equals, value = item.partition("=")
        if not equals:
            raise SettingError(f"A parameter is written key=value, got {item!r}.")
        settings[key] = value
    return get_estimator(name)(Task(model, tokens, head_of), **settings)


def bench_estimators_command(model: Model, tokens: Tensor, head_of: HeadOf) -> Answer:
    """`bench estimators`: every estimator against the ground truth of one state."""
    task = Task(model, tokens, head_of)
    truth = ground_truth(task)
    scores = scorecard(task, truth)
    found = diagnostics(truth)
    values = {
        "truth": {"estimator": truth.estimator, "passes": truth.passes, "seconds": round(truth.seconds, 3)},
        "scores": [_without_nan(asdict(score)) for score in scores],
        "diagnostics": [asdict(diagnostic) for diagnostic in found],
    }
    lines = ["estimator                              passes  seconds  Spearman      R2   RMSE    top  AUROC"]
    for s in scores:
        if s.refused:
            lines.append(f"{s.label:38} {s.refused}")
        else:
            figures = "".join(_cell(value) for value in (s.spearman, s.r2, s.rmse, s.top, s.auroc))
            lines.append(f"{s.label:38} {s.passes:6} {s.seconds:8.2f}  {figures}")
    lines += [f"{d.name}: {d.value:.4g} {d.unit}. {d.meaning}" for d in found]
    return values, "\n".join(lines)


def _cell(value: float) -> str:
    return "      -" if math.isnan(value) else f"{value:7.3f}"


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def samples_command(arguments: argparse.Namespace) -> Answer:
    """`samples`: MI of the two columns of a CSV file."""
    samples = read_samples(arguments.file)
    found = estimate_samples(samples, seed=arguments.seed)
    kind = "discrete" if samples.discrete else "numbers"
    lines = [f"{len(samples.first)} rows, {kind}"]
    lines += [f"{e.name:14} {e.value:.4f} nats  90 % [{e.low:.4f}, {e.high:.4f}]  {e.note}" for e in found]
    values = {"rows": len(samples.first), "discrete": samples.discrete, "estimates": [asdict(e) for e in found]}
    return values, "\n".join(lines)
