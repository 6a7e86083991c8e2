"""What an estimator is: what it is given, what it answers, how it is registered.

An estimator is a function `Task -> MIResult` for one sequence, registered by `@estimator`. As with strategies, its
keyword-only parameters carry bounds and a sentence each, and everything outside reads them from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mi_core.head import MIHead
from mi_core.models.protocol import Model
from mi_core.probing import Cancel, Progress
from mi_core.results import MIResult
from mi_core.selection import Parameter, checked, declared, registered, registering
from mi_core.shapes import Row

HeadOf = Callable[[str], MIHead]  # the head of a variant, for the model of the task


@dataclass(frozen=True, eq=False)
class Task:
    """One sequence and the model to ask."""

    model: Model
    tokens: Row  # (N,) ids, the mask where open
    head_of: HeadOf | None = None  # for the estimators that are heads
    progress: Progress | None = None  # called with the passes done and in all
    cancel: Cancel | None = None


Rule = Callable[..., MIResult]


@dataclass(frozen=True)
class Estimator:
    """A registered estimator with what the outside needs to know of it."""

    name: str
    title: str
    source: str
    summary: str  # first line of the docstring
    in_nats: bool = True  # False: a score that ranks pairs and has no unit
    parameters: tuple[Parameter, ...] = field(default=())
    rule: Rule | None = field(default=None, repr=False)

    def settings(self, given: Mapping[str, Any] | None = None) -> dict[str, int | float]:
        """Defaults overlaid with `given`, checked.

        Raises:
            SettingError: an unknown parameter or a value out of bounds.
        """
        return checked(self.parameters, given or {}, f"estimator {self.name}")

    def __call__(self, task: Task, **given: Any) -> MIResult:
        """The matrix of one sequence, nats (a score without unit where `in_nats` is False), with passes and seconds.

        Raises:
            SettingError: as `settings`.
            InputError: the model lacks what this estimator reads, or refuses the sequence.
            Cancelled: the task said so.
        """
        assert self.rule is not None
        settings = self.settings(given)
        result = self.rule(task, **settings)
        return replace(result, estimator=self.name, settings={**result.settings, **settings})


ESTIMATORS: dict[str, Estimator] = {}


def estimator(*, title: str, source: str, in_nats: bool = True) -> Callable[[Rule], Rule]:
    """Register a function under its own name, underscores as hyphens."""

    return registering(
        ESTIMATORS,
        "estimator",
        lambda name, summary, rule: Estimator(name, title, source, summary, in_nats, declared(rule), rule),
    )


def get_estimator(name: str) -> Estimator:
    """The registered estimator of that name.

    Raises:
        UnknownName: no such estimator.
    """
    return registered(ESTIMATORS, "estimator", name)
