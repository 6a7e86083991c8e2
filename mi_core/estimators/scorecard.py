"""How good each estimator is for what it costs, on one state whose true MI is known; and what to make of a result."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mi_core.agreement import agreement, auroc, certified_width, precision_at_top
from mi_core.errors import InputError
from mi_core.estimators.registry import ESTIMATORS, Task, get_estimator
from mi_core.information import entropy
from mi_core.models.exact import ExactModel
from mi_core.results import MIResult, mean_of_directions

TRUTH = "probing"
NOTHING = 1e-9  # nats: MI that rounding alone may feign


@dataclass(frozen=True)
class Contender:
    """An estimator and its settings."""

    name: str
    settings: tuple[tuple[str, int | float], ...] = ()

    @property
    def label(self) -> str:
        """`cut-probing mass=0.99`."""
        return self.name + "".join(f" {key}={value:g}" for key, value in self.settings)


DEFAULT = (
    *(Contender("cut-probing", (("mass", mass), ("min_entropy", 0.05))) for mass in (0.9, 0.99, 0.999)),
    *(Contender("one-direction", (("share", share),)) for share in (0.25, 0.5)),
    *(Contender("sampled", (("draws", draws),)) for draws in (2, 4)),
    *(Contender(name) for name in ESTIMATORS if name not in {"probing", "cut-probing", "one-direction", "sampled"}),
)
"""What a comparison tries where nobody says otherwise."""


@dataclass(frozen=True)
class Score:
    """One estimator against the truth over the open pairs of one state; NaN where a score is not defined."""

    label: str
    passes: int
    seconds: float
    spearman: float
    pearson: float
    r2: float  # NaN for a score without unit
    rmse: float  # nats; NaN for a score without unit
    top: float  # share of the K strongest true pairs among its own K strongest, K = open positions
    auroc: float  # of finding the pairs whose MI is above the truth's noise floor
    width: float  # widest certified interval, nats; 0 where nothing was cut, NaN where nothing is certified
    refused: str = ""  # the sentence, where the model cannot be asked in this way


def ground_truth(task: Task) -> MIResult:
    """The table's own MI where there is a table; else full probing in the averaged form."""
    model = task.model
    if not isinstance(model, ExactModel):
        return get_estimator(TRUTH)(task)
    start = time.perf_counter()
    log_probs = model(task.tokens[None]).log_probs[0]
    return MIResult(
        mi=model.table.mutual_information(task.tokens),
        masked=task.tokens == model.vocab.mask_id,
        entropy=entropy(log_probs),
        log_probs=log_probs,
        tokens=task.tokens,
        model=model.name,
        estimator="table",
        form="averaged",
        passes=0,
        seconds=time.perf_counter() - start,
    )


def score(label: str, result: MIResult, truth: MIResult) -> Score:
    """The scores of one result.

    Raises:
        InputError: results of different states.
    """
    if not torch.equal(result.tokens, truth.tokens):
        raise InputError("The two results belong to different states, so they cannot be compared.")
    pairs = truth.pairs
    guess, true = result.mi[pairs], truth.mi[pairs]
    found = agreement(guess, true)
    in_nats = result.form != "score"
    floor = torch.zeros_like(truth.mi) if truth.noise_floor is None else truth.noise_floor.nan_to_num(nan=0.0)
    return Score(
        label,
        result.passes,
        result.seconds,
        found.spearman,
        found.pearson,
        found.r2 if in_nats else float("nan"),
        found.rmse if in_nats else float("nan"),
        precision_at_top(guess, true, int(truth.masked.sum())),
        auroc(guess, true > floor[pairs] + NOTHING),
        certified_width(result) if result.lower is not None else float("nan"),
    )


def scorecard(task: Task, truth: MIResult, contenders: Sequence[Contender] = DEFAULT) -> list[Score]:
    """Every contender on the state of `task`; one that the model refuses says why and has no scores.

    Raises:
        UnknownName, SettingError: a contender that does not exist.
        Cancelled: the task said so.
    """
    rows = []
    quiet = replace(task, progress=None)
    for contender in contenders:
        try:
            rows.append(score(contender.label, get_estimator(contender.name)(quiet, **dict(contender.settings)), truth))
        except InputError as error:
            nan = float("nan")
            rows.append(Score(contender.label, 0, nan, nan, nan, nan, nan, nan, nan, nan, str(error)))
    return rows


@dataclass(frozen=True)
class Diagnostic:
    """One figure on a result, and what it means."""

    name: str
    value: float
    unit: str  # "nats", "share" or "passes"
    meaning: str


def diagnostics(result: MIResult) -> list[Diagnostic]:
    """What a result tells of itself; the figures of probing only where it was probed."""
    pairs = result.pairs
    found = [Diagnostic("passes", float(result.passes), "passes", "Forward passes of the model that it took.")]
    if result.error is not None and bool(pairs.any()):
        found.append(
            Diagnostic(
                "standard error",
                float(result.error[pairs].mean()),
                "nats",
                "Mean over the pairs of the standard error that the random draws leave.",
            )
        )
    if result.lower is not None:
        found.append(
            Diagnostic(
                "certified width",
                certified_width(result),
                "nats",
                "The widest interval that certainly holds the value of full probing; 0 where nothing was cut.",
            )
        )
    if result.probes is not None and bool(pairs.any()):
        found += _of_probes(result)
    return found


def _of_probes(result: MIResult) -> list[Diagnostic]:
    assert result.probes is not None and result.asymmetry is not None and result.noise_floor is not None
    pairs = result.pairs
    floor = result.noise_floor.nan_to_num(nan=0.0)[pairs]
    dropped = result.probes.dropped[result.masked]

    def mean(matrix: torch.Tensor) -> float:
        return float(mean_of_directions(matrix)[pairs].nanmean().nan_to_num(nan=0.0))

    return [
        Diagnostic(
            "consistency gap",
            result.mean_gap,
            "nats",
            "Mean KL between what the probes average to and what the model said before; 0 for a consistent model.",
        ),
        Diagnostic(
            "asymmetry",
            mean(result.asymmetry),
            "nats",
            "Mean difference between probing the one end of a pair and the other; 0 for a consistent model.",
        ),
        Diagnostic(
            "order divergence",
            mean(result.probes.order_divergence),
            "nats",
            "Jensen-Shannon divergence of the joints built in either order; at most ln 2.",
        ),
        Diagnostic(
            "below the noise floor",
            float((result.mi[pairs] <= floor).double().mean()),
            "share",
            "Pairs whose MI is no larger than what the model's own inconsistency would feign between independent ones.",
        ),
        Diagnostic(
            "negative in the paper's form",
            result.negative_share,
            "share",
            "Entries where the difference of entropies is below 0, which no mutual information can be.",
        ),
        Diagnostic(
            "mass not tried",
            float(dropped.max()) if dropped.numel() else 0.0,
            "share",
            "The most probability that was left untried at any position.",
        ),
    ]
