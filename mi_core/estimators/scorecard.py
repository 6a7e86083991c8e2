"""What a comparison of estimators starts from: who is compared, the truth, and what a result tells of itself."""

import time
from dataclasses import dataclass

import torch

from mi_core.agreement import certified_width
from mi_core.estimators.registry import ESTIMATORS, Task, get_estimator
from mi_core.information import entropy
from mi_core.models.exact import ExactModel
from mi_core.results import MIResult, mean_of_directions

TRUTH = "probing"


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
