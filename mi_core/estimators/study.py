"""Every estimator on many states of one model, beside the ground truth; one state is the smallest study.

What comes out is plain values: `bench estimators --record` stores them, and the Estimators page shows a stored study
and one of the reader's own state alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from mi_core.errors import Cancelled, InputError
from mi_core.estimators.registry import Task, get_estimator
from mi_core.estimators.scorecard import DEFAULT, Contender, diagnostics, ground_truth
from mi_core.estimators.summary import calibration, summary
from mi_core.probing import in_form
from mi_core.results import MIResult

Values = dict[str, Any]
Progress = Callable[[int, int], None]
_READ_AGAIN = {"probing-mixture": "mixture", "probing-paper": "entropy-difference"}  # forms of the same probes


def study(
    task: Task,
    states: Sequence[Tensor],
    contenders: Sequence[Contender] = DEFAULT,
) -> Values:
    """All contenders on all states, pooled over their open pairs.

    Args:
        task: the model and its heads; `progress` counts estimates, the truth among them, and `cancel` is asked often.
        states: rows (N,) of ids, the mask where open; lengths may differ.

    Raises:
        InputError: no states.
        UnknownName, SettingError: a contender that does not exist.
        Cancelled: the task said so.
    """
    if not len(states):
        raise InputError("A study needs at least one state.")
    quiet, total = replace(task, progress=None), len(states) * (1 + len(contenders))
    truths: list[MIResult] = []
    found: list[list[MIResult]] = [[] for _ in contenders]
    refused = [""] * len(contenders)
    for s, tokens in enumerate(states):
        here = replace(quiet, tokens=tokens)
        truths.append(ground_truth(here))
        for c, contender in enumerate(contenders):
            _tell(task, s * (1 + len(contenders)) + c + 1, total)
            if not refused[c]:
                try:
                    found[c].append(_asked(contender, here, truths[-1]))
                except InputError as error:
                    refused[c] = str(error)
    _tell(task, total, total)
    rows = []
    for contender, results, why in zip(contenders, found, refused, strict=True):
        kind = get_estimator(contender.name)
        row: Values = {"label": contender.label, "name": contender.name, "title": kind.title, "refused": why}
        rows.append(row if why else row | summary(results, truths, in_nats=kind.in_nats))
    with_quantiles = [results for results in found if results and results[0].quantiles is not None]
    return {
        "model": task.model.name,
        "symbols": task.model.vocab.size,
        "states": [task.model.vocab.decode(truth.tokens) for truth in truths],
        "truth": {
            "estimator": truths[0].estimator,
            "passes": fmean(truth.passes for truth in truths),
            "seconds": fmean(truth.seconds for truth in truths),
        },
        "estimators": rows,
        "calibration": calibration(with_quantiles[0], truths) if with_quantiles else None,
        "diagnostics": _mean_diagnostics(truths),
    }


def _tell(task: Task, done: int, total: int) -> None:
    if task.cancel is not None and task.cancel():
        raise Cancelled(f"The study was cancelled after {done} of {total} estimates.")
    if task.progress is not None:
        task.progress(done, total)


def _asked(contender: Contender, task: Task, truth: MIResult) -> MIResult:
    """The contender's answer; another form of the very probes of the truth is read off them."""
    form = _READ_AGAIN.get(contender.name)
    if form is None or truth.probes is None:
        return get_estimator(contender.name)(task, **dict(contender.settings))
    return replace(in_form(truth, form), estimator=contender.name)


def _mean_diagnostics(truths: Sequence[MIResult]) -> list[Values]:
    """Each figure of the truth, its mean over the states."""
    every: dict[str, list[Values]] = {}
    for truth in truths:
        for d in diagnostics(truth):
            every.setdefault(d.name, []).append(vars(d))
    return [{**rows[0], "value": fmean(row["value"] for row in rows)} for rows in every.values()]


def worst_pair(result: MIResult, truth: MIResult) -> tuple[int, int]:
    """The open pair whose estimate is farthest from the truth."""
    off = ((result.mi - truth.mi).abs() * truth.pairs).flatten().argmax()
    return divmod(int(off), len(truth.tokens))


def contender_of(label: str) -> Contender:
    """The contender that `Contender.label` was made of.

    Raises:
        UnknownName, SettingError: there is none.
    """
    name, *words = label.split()
    given = dict(word.partition("=")[::2] for word in words)
    settings = get_estimator(name).settings(given)
    return Contender(name, tuple((key, settings[key]) for key in given))


def same_scale(result: MIResult, truth: MIResult) -> Tensor:
    """The matrix (N, N) for a picture beside the truth: a score without unit is stretched to the truth's largest."""
    if result.form != "score":
        return result.mi
    top = float(result.mi.max())
    return result.mi * (float(truth.mi.max()) / top) if top > 0 else torch.zeros_like(result.mi)
