"""Log-likelihood ratios with the same masks on both sides (arXiv 2510.24088, Eq. 18).

The expectation is linear, so any sum of log-likelihoods with signs is the mean of the same sum of terms. Shared masks
make the terms of both sides rise and fall together, and the difference varies less. The estimate is unbiased; its
exponential is not.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.likelihood.estimates import PASSES, error_of, plan
from mi_core.likelihood.methods import Draws, Method
from mi_core.likelihood.question import (
    Cancel,
    Meter,
    Progress,
    Question,
    check_same_vocabulary,
    of_other,
    surprises,
)
from mi_core.models.protocol import Model, check_tokens
from mi_core.shapes import Row


@dataclass(frozen=True, eq=False)
class Part:
    """One log-likelihood of the sum, with its sign."""

    sign: int
    model: Model
    question: Question


@dataclass(frozen=True, eq=False)
class Ratio:
    """A log-ratio, nats, as the mean of `samples` independent terms."""

    log_ratio: float
    standard_error: float | None  # 0 where one pass a model gives it, None for a single term
    passes: int
    samples: int
    method: str  # "one pass" where there is a single target
    coupled: bool
    terms: Float[Tensor, " R"]
    contributions: Float[Tensor, " T"]  # of each target; their sum is `log_ratio`
    target: tuple[int, ...]
    context: tuple[int, ...]
    models: tuple[str, ...]
    seed: int
    seconds: float
    settings: dict[str, int | float] = field(default_factory=dict)

    @property
    def variance_per_pass(self) -> float | None:
        """Variance of the estimate times its passes, nats squared."""
        return None if self.standard_error is None else self.standard_error**2 * self.passes

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys."""
        return {
            "models": list(self.models),
            "method": self.method,
            "coupled": self.coupled,
            "log_ratio": self.log_ratio,
            "standard_error": self.standard_error,
            "variance_per_pass": self.variance_per_pass,
            "passes": self.passes,
            "samples": self.samples,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "settings": self.settings,
            "target": [i + 1 for i in self.target],
            "context": [i + 1 for i in self.context],
            "contributions": self.contributions.tolist(),
        }


def log_ratio(model: Model, question: Question, other: Row, *, shortcut: bool = True, **options: Any) -> Ratio:
    """log p(y_T | x_C) - log p(x_T | x_C), x the tokens of `question`, y `other`.

    Args:
        other: (N,), equal to x at the context.
        shortcut: score only where the two differ, given what they share; a single mutant then takes one pass.
        options: as `combine`.

    Raises:
        InputError: sequences of different lengths or contexts, or a token of probability 0.
        UnknownName, SettingError, Cancelled: as `estimate`.
    """
    second = of_other(model, question, other)
    if shortcut:
        differing = [i for i in question.target if int(other[i]) != int(question.tokens[i])]
        chosen = differing or question.target[:1]  # equal sequences: any one target says 0
        question, second = question.narrowed(chosen), second.narrowed(chosen)
    return combine([Part(1, model, second), Part(-1, model, question)], **options)


def model_log_ratio(model: Model, reference: Model, question: Question, **options: Any) -> Ratio:
    """log p(x_T | x_C) under `model` less the same under `reference`: the reward of arXiv 2505.23761, beta = 1.

    The contributions are its attribution: what each position gains on average over the orders drawn.

    Raises:
        InputError: different vocabularies, a length that one of them does not take, a token of probability 0.
        UnknownName, SettingError, Cancelled: as `estimate`.
    """
    check_same_vocabulary(model, reference)
    check_tokens(question.tokens, reference.vocab, reference.length)
    return combine([Part(1, model, question), Part(-1, reference, question)], **options)


def combine(
    parts: Sequence[Part],
    *,
    method: str | None = None,
    samples: int | None = None,
    passes: int = PASSES,
    seed: int = 0,
    coupled: bool = True,
    settings: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Ratio:
    """The signed sum of the parts' log-likelihoods; all have the same target and context positions.

    Args:
        coupled: the same masks for all parts; else each draws its own, for comparison.
        passes: the budget of each part, where `samples` is None.
        method, samples, seed, settings, batch_size, progress, cancel: as `estimate`.

    Raises:
        InputError: a token of probability 0.
        UnknownName, SettingError, Cancelled: as `estimate`.
    """
    start, first = time.perf_counter(), parts[0].question
    chosen, count = plan(len(first.target), method, samples, passes)
    options = chosen.settings(settings)
    if len(first.target) == 1:
        by_position, ran = _one_target(parts)
        name = "one pass"
    else:
        draws = _draws(chosen, len(first.target), count, seed, 1 if coupled else len(parts), options)
        draws = draws * len(parts) if coupled else draws
        by_position, ran = _sum(parts, draws, batch_size, progress, cancel)
        name = chosen.name
    if not bool(by_position.isfinite().all()):
        raise InputError("A model gives a token of these sequences probability 0, so the log-ratio is not finite.")
    terms = by_position.sum(-1)
    return Ratio(
        log_ratio=float(terms.mean()),
        standard_error=0.0 if name == "one pass" else error_of(terms),
        passes=ran,
        samples=len(terms),
        method=name,
        coupled=coupled,
        terms=terms,
        contributions=by_position.mean(0),
        target=first.target,
        context=first.context,
        models=tuple(dict.fromkeys(part.model.name for part in parts)),
        seed=seed,
        seconds=time.perf_counter() - start,
        settings=options,
    )


def _draws(
    method: Method, targets: int, count: int, seed: int, sets: int, options: Mapping[str, int | float]
) -> list[Draws]:
    generator = torch.Generator().manual_seed(seed)  # one stream: later sets are independent of the first
    return [method.draw(targets, count, generator, **options) for _ in range(sets)]


def _sum(
    parts: Sequence[Part],
    draws: Sequence[Draws],
    batch_size: int | None,
    progress: Progress | None,
    cancel: Cancel | None,
) -> tuple[Tensor, int]:
    """The signed terms (R, T) and the passes that were run."""
    ran = sum(int(drawn.hidden.any(-1).sum()) for drawn in draws)
    meter = Meter(ran, progress, cancel)
    out = torch.zeros(draws[0].terms, len(parts[0].question.target), dtype=torch.float64)
    for part, drawn in zip(parts, draws, strict=True):
        read = surprises(part.model, part.question, drawn.hidden, batch_size=batch_size, meter=meter)
        out = out - part.sign * drawn.total(read)
    return out, ran


def _one_target(parts: Sequence[Part]) -> tuple[Tensor, int]:
    """The signed sum (1, 1): one pass a model reads the tokens of all its sequences, with no variance at all."""
    models = {id(part.model): part.model for part in parts}
    at = parts[0].question.target[0]
    read = {}
    for key, model in models.items():
        question = parts[0].question
        state = torch.full_like(question.tokens, model.vocab.mask_id)
        state[list(question.context)] = question.tokens[list(question.context)]
        read[key] = model(state[None].to(model.device)).log_probs[0, at].cpu().double()
    value = sum(part.sign * read[id(part.model)][int(part.question.tokens[at])] for part in parts)
    return torch.as_tensor(value, dtype=torch.float64).reshape(1, 1), len(models)
