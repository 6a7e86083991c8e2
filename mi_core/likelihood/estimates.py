"""The negative log-likelihood of a question by any method, with its standard error and what each position adds."""

import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import SettingError
from mi_core.likelihood.methods import METHODS, Method, default_method, get_method
from mi_core.likelihood.question import Cancel, Meter, Progress, Question, exact_nll, surprises
from mi_core.models.protocol import Model

PASSES = 512  # the budget where the caller names none


@dataclass(frozen=True, eq=False)
class Estimate:
    """-log p(x_T | x_C), nats, as the mean of `samples` independent terms.

    Of a model that was learned this is the mean over all orders of the chain's -log p, an upper bound of the -log p of
    the mixture of these orders; it is a likelihood only as far as the model's conditionals agree with each other.
    """

    nll: float
    standard_error: float | None  # None for one term, or where a token has probability 0
    passes: int  # forward passes that were run
    samples: int  # terms: orders of a chain, rounds of the strata, masks of the others
    method: str
    terms: Float[Tensor, " R"]
    contributions: Float[Tensor, " T"]  # of each target; their sum is `nll`
    target: tuple[int, ...]
    context: tuple[int, ...]
    model: str
    seed: int
    seconds: float
    settings: dict[str, int | float] = field(default_factory=dict)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, by the normal approximation; None without a standard error."""
        if self.standard_error is None:
            return None
        return self.nll - 1.96 * self.standard_error, self.nll + 1.96 * self.standard_error

    @property
    def spread(self) -> float | None:
        """Standard deviation of a term. Over a chain's orders it is 0 for a consistent model."""
        return None if self.standard_error is None else self.standard_error * math.sqrt(self.samples)

    @property
    def variance_per_pass(self) -> float | None:
        """Variance of the estimate times its passes: what a budget of one pass would leave, nats squared."""
        return None if self.standard_error is None else self.standard_error**2 * self.passes

    @property
    def perplexity(self) -> float:
        """exp of the nats a target: as many equally likely symbols would be as surprising."""
        return math.exp(min(self.nll / len(self.target), 700.0))

    def running(self, points: int = 24) -> list[tuple[float, float, float]]:
        """Passes, estimate and standard error after the first 2, ..., R terms, evenly spaced in the logarithm."""
        if self.samples < 2 or not bool(self.terms.isfinite().all()):
            return []
        steps = {round(2 * (self.samples / 2) ** (k / (points - 1))) for k in range(points)}
        each = self.passes / self.samples
        return [(each * n, float(self.terms[:n].mean()), error_of(self.terms[:n]) or 0.0) for n in sorted(steps)]

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys; an infinite value is None."""
        return {
            "model": self.model,
            "method": self.method,
            "nll": finite(self.nll),
            "standard_error": self.standard_error,
            "interval": None if self.interval is None else list(self.interval),
            "spread": self.spread,
            "variance_per_pass": self.variance_per_pass,
            "passes": self.passes,
            "samples": self.samples,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "settings": self.settings,
            "target": [i + 1 for i in self.target],
            "context": [i + 1 for i in self.context],
            "contributions": [finite(value) for value in self.contributions.tolist()],
        }


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def error_of(terms: Float[Tensor, " R"]) -> float | None:
    """Standard error of the mean; None for one term or infinite ones."""
    if len(terms) < 2 or not bool(terms.isfinite().all()):
        return None
    return float(terms.std() / math.sqrt(len(terms)))


def plan(targets: int, method: str | None, samples: int | None, passes: int) -> tuple[Method, int]:
    """The method and how many terms of it.

    Raises:
        UnknownName: no such method.
        SettingError: less than one term, or a budget that pays for none or is beyond a million passes.
    """
    chosen = get_method(method or default_method(targets, passes))
    if samples is None:
        return chosen, chosen.samples_for(targets, passes)
    if samples < 1:
        raise SettingError(f"The number of samples must be at least 1, got {samples}.")
    return chosen, chosen.samples_for(targets, samples * chosen.cost(targets))


def estimate(
    model: Model,
    question: Question,
    *,
    method: str | None = None,
    samples: int | None = None,
    passes: int = PASSES,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Estimate:
    """-log p(x_T | x_C) in nats (arXiv 2510.24088, Eq. 13, 15 and 17).

    Args:
        method: a name of `METHODS`; the chain where `passes` pays for an order of the targets, else uniform-k.
        samples: independent terms; as many as `passes` pays for, if None.
        passes: the budget of forward passes, where `samples` is None.
        seed: of what is hidden; the same seed gives the same terms.
        settings: options of the method.
        batch_size: states a forward call; the result does not depend on it.
        progress: called after every batch with passes done and in all.
        cancel: asked before every batch.

    Raises:
        UnknownName: no such method.
        SettingError: an option, a number of samples or of passes that the method does not take.
        Cancelled: `cancel` said so.
    """
    chosen, count = plan(len(question.target), method, samples, passes)
    options = chosen.settings(settings)
    start = time.perf_counter()
    draws = chosen.draw(len(question.target), count, torch.Generator().manual_seed(seed), **options)
    ran = int(draws.hidden.any(-1).sum())
    meter = Meter(ran, progress, cancel)
    by_position = draws.total(surprises(model, question, draws.hidden, batch_size=batch_size, meter=meter))
    terms = by_position.sum(-1)
    return Estimate(
        nll=float(terms.mean()),
        standard_error=error_of(terms),
        passes=ran,
        samples=count,
        method=chosen.name,
        terms=terms,
        contributions=by_position.mean(0),
        target=question.target,
        context=question.context,
        model=model.name,
        seed=seed,
        seconds=time.perf_counter() - start,
        settings=options,
    )


@dataclass(frozen=True, eq=False)
class Race:
    """Every method on one question with the same budget of passes."""

    entries: tuple[Estimate, ...]
    exact: float | None  # nats; None unless the model is a table

    @property
    def best(self) -> Estimate:
        """The entry that varies least for its passes."""
        return min(self.entries, key=lambda e: math.inf if e.variance_per_pass is None else e.variance_per_pass)

    @property
    def window(self) -> tuple[float, float]:
        """Values that hold every entry's interval and the exact value, with a tenth of room on either side."""
        ends = [e.interval or (e.nll, e.nll) for e in self.entries]
        values = [*(value for pair in ends for value in pair), *([] if self.exact is None else [self.exact])]
        room = max((max(values) - min(values)) / 10, 1e-3)
        return min(values) - room, max(values) + room

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys."""
        exact = None if self.exact is None else finite(self.exact)
        return {"exact": exact, "methods": [entry.to_json() for entry in self.entries]}

    def to_csv(self) -> str:
        """A line a method."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["method", "nll_nats", "standard_error", "passes", "samples", "variance_times_passes"])
        for e in self.entries:
            writer.writerow([e.method, e.nll, e.standard_error, e.passes, e.samples, e.variance_per_pass])
        return out.getvalue()


def race(
    model: Model,
    question: Question,
    *,
    passes: int = PASSES,
    seed: int = 0,
    methods: Sequence[str] = (),
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Race:
    """Each method, all if none is named, with the same budget. A method that it does not pay for is left out.

    Raises:
        UnknownName, SettingError, Cancelled: as `estimate`.
    """
    rules = [get_method(name) for name in methods or METHODS]
    affordable = [rule for rule in rules if passes >= rule.cost(len(question.target))]
    meter = Meter(passes * len(affordable), progress, cancel)
    entries = []
    for k, rule in enumerate(affordable):

        def told(done: int, total: int, before: int = k * passes) -> None:
            meter.done = before
            meter.add(done)

        entries.append(
            estimate(model, question, method=rule.name, passes=passes, seed=seed, progress=told, cancel=cancel)
        )
    if not entries:
        raise SettingError(f"{passes} passes pay for none of these methods on {len(question.target)} targets.")
    return Race(tuple(entries), exact_nll(model, question))
