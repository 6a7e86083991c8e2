"""Decoding strategies: which open positions to commit now.

A strategy is a pure function `StepView -> Selection` for one sequence, registered by `@strategy`. Its keyword-only
parameters carry bounds and a sentence each (`Annotated[float, Bounds(...)]`); the command line, the pages and the
contract tests read them from there, so that a new strategy is one function and nothing else.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, get_args, get_type_hints

import torch
from torch import Tensor

from mi_core.errors import InputError, SettingError, UnknownName
from mi_core.information import entropy
from mi_core.shapes import LogProbRow, MaskRow, PairMatrix, VectorN


@dataclass(frozen=True, eq=False)
class StepView:
    """All that a strategy may look at: one sequence before one step. Tensors are on the CPU, float64."""

    log_probs: LogProbRow  # p(x_i | revealed), nats
    masked: MaskRow
    step: int  # 0 for the first
    mi: PairMatrix | None = None  # for strategies that need it
    previous: LogProbRow | None = None  # the marginals of the step before

    @cached_property
    def entropy(self) -> VectorN:
        """H(p_i), nats."""
        return entropy(self.log_probs)

    @cached_property
    def confidence(self) -> VectorN:
        """max_v p_i(v)."""
        return self.log_probs.max(-1).values.exp()

    @cached_property
    def margin(self) -> VectorN:
        """Probability of the likeliest token less that of the second."""
        top = self.log_probs.topk(2, dim=-1).values.exp()
        return top[:, 0] - top[:, 1]

    def ranked(self, score: Tensor) -> list[int]:
        """Open positions, highest score first; ties keep position order."""
        order = score.masked_fill(~self.masked, -math.inf).sort(descending=True, stable=True).indices
        return [int(i) for i in order[: int(self.masked.sum())]]

    @cached_property
    def by_entropy(self) -> list[int]:
        """Open positions, most certain first."""
        return self.ranked(-self.entropy)


@dataclass(frozen=True, eq=False)
class Selection:
    """What a strategy decided, and why."""

    chosen: MaskRow
    reason: str  # one sentence for a person
    spent: float | None = None  # what the rule's own budget was charged, nats
    budget: float | None = None  # what it had, nats


@dataclass(frozen=True)
class Bounds:
    """Allowed values of a parameter, both ends included, and what it means."""

    low: int | float
    high: int | float
    text: str


@dataclass(frozen=True)
class Parameter:
    """A declared parameter of a strategy."""

    name: str
    kind: type  # int or float
    default: int | float
    bounds: Bounds

    def check(self, value: object, strategy_name: str) -> int | float:
        """The value as the declared type.

        Raises:
            SettingError: not a number, not whole where it has to be, or out of bounds.
        """
        allowed = f"from {self.bounds.low:g} to {self.bounds.high:g}"
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        whole = self.kind is not int or number.is_integer()
        if not (self.bounds.low <= number <= self.bounds.high and whole):
            what = "a whole number" if self.kind is int else "a number"
            raise SettingError(f"{self.name} of strategy {strategy_name} must be {what} {allowed}, got {value!r}.")
        return int(number) if self.kind is int else number


Rule = Callable[..., Selection]


@dataclass(frozen=True)
class Strategy:
    """A registered rule with what the outside needs to know of it."""

    name: str
    title: str
    source: str
    summary: str  # first line of the docstring
    needs_mi: bool
    parameters: tuple[Parameter, ...] = field(default=())
    rule: Rule = field(repr=False, default=lambda view: _nothing(view))

    def settings(self, given: Mapping[str, Any] | None = None) -> dict[str, int | float]:
        """Defaults overlaid with `given`, checked.

        Raises:
            SettingError: an unknown parameter or a value out of bounds.
        """
        known = {p.name: p for p in self.parameters}
        for name in given or {}:
            if name not in known:
                names = ", ".join(known) or "none"
                raise SettingError(f"Strategy {self.name} has no parameter {name!r}. Its parameters: {names}.")
        return {name: p.check((given or {}).get(name, p.default), self.name) for name, p in known.items()}

    def select(self, view: StepView, settings: Mapping[str, int | float]) -> Selection:
        """Apply the rule to one step.

        Raises:
            InputError: the rule needs an MI matrix and the view has none.
        """
        if self.needs_mi and view.mi is None:
            raise InputError(f"Strategy {self.name} needs a pairwise MI matrix; choose an MI source (head or probing).")
        return self.rule(view, **settings)


STRATEGIES: dict[str, Strategy] = {}


def strategy(*, title: str, source: str, needs_mi: bool = False) -> Callable[[Rule], Rule]:
    """Register a rule under its own name, underscores as hyphens."""

    def register(rule: Rule) -> Rule:
        name = rule.__name__.replace("_", "-")
        if name in STRATEGIES:
            raise ValueError(f"strategy {name!r} is already registered")
        summary = (inspect.getdoc(rule) or "").split("\n")[0]
        STRATEGIES[name] = Strategy(name, title, source, summary, needs_mi, _declared(rule), rule)
        return rule

    return register


def get_strategy(name: str) -> Strategy:
    """The registered strategy of that name.

    Raises:
        UnknownName: no such strategy.
    """
    if name not in STRATEGIES:
        raise UnknownName("strategy", name, STRATEGIES)
    return STRATEGIES[name]


def _declared(rule: Rule) -> tuple[Parameter, ...]:
    hints = get_type_hints(rule, include_extras=True)
    found = []
    for p in inspect.signature(rule).parameters.values():
        if p.kind is p.KEYWORD_ONLY:
            kind, bounds = get_args(hints[p.name])
            found.append(Parameter(p.name, kind, p.default, bounds))
    return tuple(found)


def _pick(view: StepView, positions: list[int]) -> Tensor:
    chosen = torch.zeros_like(view.masked)
    chosen[positions] = True
    return chosen


def _nothing(view: StepView) -> Selection:
    return Selection(_pick(view, []), "Nothing was chosen.")


def _cells(count: int) -> str:
    return "1 position" if count == 1 else f"{count} positions"


@strategy(title="Sequential", source="baseline")
def sequential(view: StepView) -> Selection:
    """The one position with the lowest entropy."""
    best = view.by_entropy[0]
    reason = f"The most certain open position, entropy {view.entropy[best]:.3f} nats; one at a time."
    return Selection(_pick(view, [best]), reason)


K = Annotated[int, Bounds(1, 64, "positions committed in each step")]


@strategy(title="Top-k confidence", source="Mask-Predict, arXiv 1904.09324; MaskGIT order, arXiv 2202.04200")
def top_k(view: StepView, *, k: K = 4) -> Selection:
    """The k positions whose likeliest token has the highest probability."""
    picked = view.ranked(view.confidence)[:k]
    least = min(float(view.confidence[i]) for i in picked)
    return Selection(_pick(view, picked), f"The {len(picked)} most confident, the least of them at {least:.3f}.")


@strategy(title="Top-k margin", source="Kim et al. 2025, arXiv 2502.06768")
def margin(view: StepView, *, k: K = 4) -> Selection:
    """The k positions with the largest lead of the likeliest token over the second."""
    picked = view.ranked(view.margin)[:k]
    least = min(float(view.margin[i]) for i in picked)
    return Selection(_pick(view, picked), f"The {len(picked)} largest margins p1 - p2, the least of them {least:.3f}.")


@strategy(title="Confidence threshold", source="Fast-dLLM, arXiv 2505.22618")
def threshold(
    view: StepView,
    *,
    tau: Annotated[float, Bounds(0.0, 1.0, "commit every position at least this confident")] = 0.99,
) -> Selection:
    """Every position with confidence at least tau, and the most confident in any case."""
    ranked = view.ranked(view.confidence)
    picked = ranked[:1] + [i for i in ranked[1:] if view.confidence[i] >= tau]
    if view.confidence[ranked[0]] < tau:
        reason = f"No position reaches {tau:g}; the most confident ({view.confidence[ranked[0]]:.3f}) goes alone."
    else:
        verb = "has" if len(picked) == 1 else "have"
        reason = f"{_cells(len(picked))} {verb} confidence of at least {tau:g}."
    return Selection(_pick(view, picked), reason)


@strategy(title="EB-Sampler", source="Ben-Hamu et al. 2025, arXiv 2505.24857")
def eb_sampler(
    view: StepView,
    *,
    gamma: Annotated[float, Bounds(0.0, 50.0, "bound on the total correlation that may be lost in a step, nats")] = 0.1,
) -> Selection:
    """The longest run of positions, by ascending entropy, with sum H - max H <= gamma.

    That sum bounds the total correlation of the set, which is what drawing its tokens independently loses. At gamma 0
    every position of zero entropy goes, and one more.
    """
    order = view.by_entropy
    h = view.entropy[order]  # ascending, so the largest so far is the last
    lost = h.cumsum(0) - h
    count = max(1, int((lost <= gamma + 1e-12).sum()))
    spent = float(lost[count - 1])
    reason = f"{_cells(count)}: their entropies less the largest add up to {spent:.3f} of {gamma:g} nats."
    return Selection(_pick(view, order[:count]), reason, spent, gamma)


@strategy(title="MI-guided", source="arXiv 2605.20187", needs_mi=True)
def mi_guided(
    view: StepView,
    *,
    gamma: Annotated[float, Bounds(0.0, 50.0, "budget of a step, nats")] = 0.3,
    lam: Annotated[float, Bounds(0.0, 100.0, "price of a nat of MI with the positions already chosen")] = 1.0,
) -> Selection:
    """By ascending entropy: take a position whose h_i + lam * (its MI to those taken) fits what is left of gamma."""
    assert view.mi is not None
    taken: list[int] = []
    left = gamma
    coupling = torch.zeros_like(view.entropy)
    too_dependent = 0
    for i in view.by_entropy:
        own = float(view.entropy[i])
        if own > left + 1e-12 and taken:
            break  # entropies only grow from here
        cost = own + lam * float(coupling[i])
        if not taken or cost <= left + 1e-12:
            taken.append(i)
            left -= cost
            coupling = coupling + view.mi[i]
        else:
            too_dependent += 1
    spent = gamma - left
    reason = f"{_cells(len(taken))} for {spent:.3f} of {gamma:g} nats (entropy plus {lam:g} times MI among them)"
    reason += f"; {too_dependent} certain enough but too dependent on them." if too_dependent else "."
    return Selection(_pick(view, taken), reason, spent, gamma)
