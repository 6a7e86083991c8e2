"""What a decoding strategy is: what it may look at, what it answers, how it is registered.

A strategy is a pure function `StepView -> Selection` for one sequence, registered by `@strategy`. Its keyword-only
parameters carry bounds and a sentence each (`Annotated[float, Bounds(...)]`); the command line, the pages and the
contract tests read them from there, so that a new strategy is one function in `mi_core.strategies` and nothing else.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, get_args, get_type_hints

import torch
from torch import Tensor

from mi_core.errors import InputError, SettingError, UnknownName
from mi_core.information import entropy
from mi_core.shapes import LogProbRow, LogProbs, MaskRow, PairMatrix, Row, Tokens, VectorN

History = tuple[()] | tuple[LogProbRow] | tuple[LogProbRow, LogProbRow]
Look = Callable[[Tokens], LogProbs]


@dataclass(frozen=True, eq=False)
class StepView:
    """All that a strategy may look at: one sequence before one step. Tensors are on the CPU, float64."""

    log_probs: LogProbRow  # p(x_i | revealed), nats
    masked: MaskRow
    step: int  # 0 for the first
    mi: PairMatrix | None = None  # dependence of each pair, for strategies that need it: MI in nats, or what they name
    earlier: History = ()  # the marginals of the steps before, the latest first
    opened: int = 0  # positions that were open before the first step
    tokens: Row | None = None  # the sequence, the mask where open
    candidates: Row | None = None  # the token that each position gets if it is committed now
    uniform: VectorN | None = None  # a number in [0, 1) for each position, for rules that draw
    temperature: float = 0.0  # of the tokens: 0 commits the likeliest, 1 draws from the marginals
    min_p: float = 0.0  # tokens below this share of the likeliest one's chance are never drawn
    look: Look | None = None  # a further forward pass; each is counted
    given: MaskRow | None = None  # revealed before the first step; None: everything that is not open
    surety: VectorN | None = None  # probability of each committed token when it was committed, 0 elsewhere

    @cached_property
    def committed(self) -> MaskRow:
        """Positions that earlier steps committed: what a rule may revoke."""
        return torch.zeros_like(self.masked) if self.given is None else ~self.masked & ~self.given

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
    spent: float | None = None  # what the rule's own budget was charged: nats, or variation for a "tv" matrix
    budget: float | None = None  # what it had
    revoked: MaskRow | None = None  # committed positions that are opened again


@dataclass(frozen=True)
class Bounds:
    """Allowed values of a parameter, both ends included, and what it means."""

    low: int | float
    high: int | float
    text: str


@dataclass(frozen=True)
class Parameter:
    """A declared parameter of a registered function."""

    name: str
    kind: type  # int or float
    default: int | float
    bounds: Bounds

    def check(self, value: object, owner: str) -> int | float:
        """The value as the declared type; `owner` names whose parameter it is, as in "strategy top-k".

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
            raise SettingError(f"{self.name} of {owner} must be {what} {allowed}, got {value!r}.")
        return int(number) if self.kind is int else number


def checked(parameters: tuple[Parameter, ...], given: Mapping[str, Any], owner: str) -> dict[str, int | float]:
    """Defaults overlaid with `given`.

    Raises:
        SettingError: an unknown parameter or a value out of bounds.
    """
    known = {p.name: p for p in parameters}
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise SettingError(f"{owner[0].upper()}{owner[1:]} has no parameter {name!r}. Its parameters: {names}.")
    return {name: p.check(given.get(name, p.default), owner) for name, p in known.items()}


Rule = Callable[..., Selection]
Entry = TypeVar("Entry")
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Strategy:
    """A registered rule with what the outside needs to know of it."""

    name: str
    title: str
    source: str
    summary: str  # first line of the docstring
    pairs: tuple[str, ...] = ()  # kinds of pair matrix that the rule can work on, empty where it needs none
    parameters: tuple[Parameter, ...] = field(default=())
    rule: Rule = field(repr=False, default=lambda view: commit(view, [], "Nothing was chosen."))

    @property
    def needs_mi(self) -> bool:
        """Whether the rule reads a pair matrix."""
        return bool(self.pairs)

    def settings(self, given: Mapping[str, Any] | None = None) -> dict[str, int | float]:
        """Defaults overlaid with `given`, checked.

        Raises:
            SettingError: an unknown parameter or a value out of bounds.
        """
        return checked(self.parameters, given or {}, f"strategy {self.name}")

    def select(self, view: StepView, settings: Mapping[str, int | float]) -> Selection:
        """Apply the rule to one step.

        Raises:
            InputError: the rule needs an MI matrix and the view has none.
        """
        if self.needs_mi and view.mi is None:
            raise InputError(
                f"Strategy {self.name} needs a matrix of {' or '.join(PAIRS[kind] for kind in self.pairs)}; "
                "choose a source of one."
            )
        return self.rule(view, **settings)


PAIRS = {
    "mi": "pairwise MI",
    "loss": "what pairs of drawn tokens lose",
    "tv": "expected total variation",
    "attention": "attention weights",
    "structure": "who is whose peer",
}
"""Kinds of pair matrix, and what they hold."""

RULED_OUT = 1.0  # nats; a pair of tokens whose PMI lies further below 0 is one that the joint all but rules out

STRATEGIES: dict[str, Strategy] = {}


def strategy(*, title: str, source: str, pairs: tuple[str, ...] = ()) -> Callable[[Rule], Rule]:
    """Register a rule under its own name, underscores as hyphens."""

    return registering(
        STRATEGIES,
        "strategy",
        lambda name, summary, rule: Strategy(name, title, source, summary, pairs, declared(rule), rule),
    )


def get_strategy(name: str) -> Strategy:
    """The registered strategy of that name.

    Raises:
        UnknownName: no such strategy.
    """
    return registered(STRATEGIES, "strategy", name)


def registering(
    entries: dict[str, Entry], what: str, make: Callable[[str, str, Function], Entry]
) -> Callable[[Function], Function]:
    """A decorator that files what `make` gives of (name, first line of the docstring, function) under that name.

    The name is the function's own, underscores as hyphens; `what` says in messages what the entries are.
    """

    def register(function: Function) -> Function:
        name = function.__name__.replace("_", "-")
        if name in entries:
            raise ValueError(f"{what} {name!r} is already registered")
        entries[name] = make(name, (inspect.getdoc(function) or "").split("\n")[0], function)
        return function

    return register


def registered(entries: Mapping[str, Entry], what: str, name: str) -> Entry:
    """The entry of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in entries:
        raise UnknownName(what, name, entries)
    return entries[name]


def declared(rule: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The keyword-only parameters of a function, each written `Annotated[kind, Bounds(...)] = default`."""
    hints = get_type_hints(rule, include_extras=True)
    found = []
    for p in inspect.signature(rule).parameters.values():
        if p.kind is p.KEYWORD_ONLY:
            kind, bounds = get_args(hints[p.name])
            found.append(Parameter(p.name, kind, p.default, bounds))
    return tuple(found)


def commit(
    view: StepView, positions: list[int], reason: str, spent: float | None = None, budget: float | None = None
) -> Selection:
    """The selection of these positions."""
    chosen = torch.zeros_like(view.masked)
    chosen[positions] = True
    return Selection(chosen, reason, spent, budget)


def revise(view: StepView, positions: list[int], revoked: list[int], reason: str) -> Selection:
    """The selection of `positions`, with the committed `revoked` opened again."""
    back = torch.zeros_like(view.masked)
    back[revoked] = True
    return replace(commit(view, positions, reason), revoked=back)


def count_of(number: int) -> str:
    """ "1 position", "3 positions"."""
    return "1 position" if number == 1 else f"{number} positions"
