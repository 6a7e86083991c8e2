"""The commands around estimators: `mi` with any of them, `bench estimators` on one state or many."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from mi_core.cli.labels import add_sequences, masked_sequences
from mi_core.errors import SettingError
from mi_core.estimators import ESTIMATORS, Task, get_estimator
from mi_core.estimators.registry import HeadOf
from mi_core.estimators.study import study
from mi_core.models.exact import ExactModel
from mi_core.models.protocol import Model
from mi_core.results import MIResult
from mi_core.sudoku.board import VOCAB

Answer = tuple[Any, str]
UNSEEN_SEED = 90_001  # the shipped heads' labels began at 7,000
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


def describe_states(parser: argparse.ArgumentParser) -> None:
    """The options that say on which states the estimators are compared, where `--input` names none."""
    parser.add_argument("--states", type=int, default=48, help="unseen states, where --input names none")
    parser.add_argument("--seed", type=int, default=UNSEEN_SEED, help="of these states, or of a mask that is drawn")
    add_sequences(parser, "of its sequences those that `train` holds out")


def unseen_states(arguments: argparse.Namespace, model: Model) -> list[Tensor]:
    """States that no shipped model or head was trained on: Sudoku half random and half met while decoding; proteins of
    the FASTA file or held out of the alignment, each residue hidden with probability t ~ U[0, 1].

    Raises:
        SettingError: fewer than one state.
        InputError: a protein model without sequences.
    """
    from mi_core.training.labels import label_states, table_states

    count: int = arguments.states
    if count < 1:
        raise SettingError(f"--states must be at least 1, got {count}.")
    if model.vocab is VOCAB:
        return list(label_states(model, count, seed=arguments.seed)[0])
    if isinstance(model, ExactModel):
        return table_states(model, count, seed=arguments.seed)
    return masked_sequences(arguments, model)


def bench_estimators_command(
    model: Model, states: Sequence[Tensor], head_of: HeadOf, tick: Callable[[int, int, str], None]
) -> Answer:
    """`bench estimators`: every estimator against the ground truth of one state or of many."""
    task = Task(model, states[0], head_of, progress=lambda done, total: tick(done, total, "estimates"))
    values = study(task, states)
    lines = ["estimator                              passes  seconds  Spearman      R2   RMSE    top  AUROC"]
    for row in values["estimators"]:
        if row["refused"]:
            lines.append(f"{row['label']:38} {row['refused']}")
        else:
            figures = "".join(_cell(row[key]) for key in ("spearman", "r2", "rmse", "top", "auroc"))
            lines.append(f"{row['label']:38} {row['passes']:6.0f} {row['seconds']:8.2f}  {figures}")
    if found := values["calibration"]:
        lines.append(
            f"90 % intervals hold {found['inside']:.3f} of {found['pairs']} pairs of uncertain positions; "
            f"{found['crossings']} quantiles cross."
        )
    lines += [f"{d['name']}: {d['value']:.4g} {d['unit']}. {d['meaning']}" for d in values["diagnostics"]]
    return values, "\n".join(lines)


def _cell(value: float | None) -> str:
    return "      -" if value is None else f"{value:7.3f}"
