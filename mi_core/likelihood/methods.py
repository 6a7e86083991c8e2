"""Ways to draw what is hidden, so that the mean of the weighted surprises is -log p(x_T | x_C).

With M the hidden ones of the L targets, I the shown ones, m = |M|, S_M the summed surprise at M:

    chain          sum over a random order of -log p(next | those before), L passes a term
    stratified     sum_m S_M / m with one M of every size, L passes a term
    uniform-k      (L/m) S_M, m uniform
    time-free      H_L S_M, P(m) = 1/(m H_L)                  InfoDis, arXiv 2510.24088, Eq. 15 and 17
    time-integral  (1-eps)/lambda S_M, M ~ Bernoulli(lambda)  Eq. 13

A method is a function that registers itself with `@method`; its options carry their bounds in the signature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from mi_core.errors import SettingError
from mi_core.selection import Bounds, Parameter, checked, declared, registered, registering

MAX_PASSES = 1_000_000


@dataclass(frozen=True, eq=False)
class Draws:
    """States to ask the model about: S passes over the T targets that make up `terms` independent terms.

    A term is the sum over its passes of weight times the surprises at the scored positions.
    """

    hidden: Bool[Tensor, "S T"]
    scored: Bool[Tensor, "S T"]  # some or all of the hidden ones
    weight: Float[Tensor, " S"]
    term: Int[Tensor, " S"]  # which term a pass belongs to
    terms: int

    def total(self, surprise: Float[Tensor, "S T"]) -> Float[Tensor, "R T"]:
        """Each term, position by position; its sum over the positions is the term."""
        values = torch.where(self.scored, surprise, 0.0) * self.weight[:, None]
        out = torch.zeros(self.terms, surprise.shape[1], dtype=torch.float64)
        return out.index_add_(0, self.term, values)


Draw = Callable[..., Draws]  # (targets, terms, generator, **options)


@dataclass(frozen=True)
class Method:
    """A registered way to draw, with what the outside needs to know of it."""

    name: str
    title: str
    source: str
    summary: str
    whole: bool  # a term takes a pass for every target, not one
    parameters: tuple[Parameter, ...]
    draw: Draw = field(repr=False)

    def settings(self, given: Mapping[str, Any] | None = None) -> dict[str, int | float]:
        """Defaults overlaid with `given`, checked.

        Raises:
            SettingError: an unknown option or a value out of bounds.
        """
        return checked(self.parameters, given or {}, f"method {self.name}")

    def cost(self, targets: int) -> int:
        """Passes that one term takes."""
        return targets if self.whole else 1

    def samples_for(self, targets: int, passes: int) -> int:
        """Terms that a budget of passes pays for.

        Raises:
            SettingError: not one, or a budget beyond a million.
        """
        if not 1 <= passes <= MAX_PASSES:
            raise SettingError(f"The number of passes must lie from 1 to {MAX_PASSES}, got {passes}.")
        if passes < self.cost(targets):
            raise SettingError(f"Method {self.name} takes {targets} passes for {targets} targets, got {passes}.")
        return passes // self.cost(targets)


METHODS: dict[str, Method] = {}


def method(*, title: str, source: str, whole: bool = False) -> Callable[[Draw], Draw]:
    """Register a way to draw under its own name, underscores as hyphens."""

    return registering(
        METHODS, "method", lambda name, summary, draw: Method(name, title, source, summary, whole, declared(draw), draw)
    )


def get_method(name: str) -> Method:
    """The registered method of that name.

    Raises:
        UnknownName: no such method.
    """
    return registered(METHODS, "likelihood method", name)


def default_method(targets: int, passes: int) -> str:
    """The chain where a whole order is affordable: its terms differ only by the model's inconsistency."""
    return "chain" if passes >= targets else "uniform-k"


def harmonic(count: int) -> float:
    """H_L = 1 + 1/2 + ... + 1/L, the sum of Eq. 15's weights B(L-|I|, |I|+1)."""
    return sum(1 / m for m in range(1, count + 1))


@method(title="Any-order chain", source="chain rule", whole=True)
def chain(targets: int, terms: int, generator: Generator) -> Draws:
    """One random order a term, each token scored once, given those before it."""
    rank = _ranks(terms, targets, generator)
    step = torch.arange(targets)[None, :, None]
    hidden = (rank[:, None] >= step).flatten(0, 1)
    scored = (rank[:, None] == step).flatten(0, 1)
    term = torch.arange(terms).repeat_interleave(targets)
    return Draws(hidden, scored, torch.ones(len(hidden), dtype=torch.float64), term, terms)


@method(title="Stratified", source="Eq. 15 by size", whole=True)
def stratified(targets: int, terms: int, generator: Generator) -> Draws:
    """A random set of every size in each term."""
    size = torch.arange(1, targets + 1).repeat(terms)
    hidden = _subsets(size, targets, generator)
    return Draws(hidden, hidden, 1 / size.double(), torch.arange(terms).repeat_interleave(targets), terms)


@method(title="Uniform k", source="RADD's k-DCE; LLaDA")
def uniform_k(targets: int, terms: int, generator: Generator) -> Draws:
    """A random set of a uniform size."""
    size = torch.randint(1, targets + 1, (terms,), generator=generator)
    hidden = _subsets(size, targets, generator)
    return Draws(hidden, hidden, targets / size.double(), torch.arange(terms), terms)


@method(title="Time-free", source="arXiv 2510.24088, Eq. 15")
def time_free(targets: int, terms: int, generator: Generator) -> Draws:
    """A random set of size m with chance 1/(m H_L); the set of all targets is one of them."""
    chances = 1 / torch.arange(1, targets + 1, dtype=torch.float64)
    size = 1 + torch.multinomial(chances, terms, replacement=True, generator=generator)
    hidden = _subsets(size, targets, generator)
    weight = torch.full((terms,), harmonic(targets), dtype=torch.float64)
    return Draws(hidden, hidden, weight, torch.arange(terms), terms)


@method(title="Time integral", source="arXiv 2510.24088, Eq. 13")
def time_integral(
    targets: int,
    terms: int,
    generator: Generator,
    *,
    eps: Annotated[float, Bounds(1e-6, 0.1, "least noise level: less biases less and varies more")] = 1e-3,
) -> Draws:
    """Each target hidden with chance lambda, lambda uniform on eps..1; a term that hides nothing is 0 and no pass."""
    level = eps + (1 - eps) * torch.rand(terms, generator=generator, dtype=torch.float64)
    hidden = torch.rand(terms, targets, generator=generator, dtype=torch.float64) < level[:, None]
    return Draws(hidden, hidden, (1 - eps) / level, torch.arange(terms), terms)


def _ranks(rows: int, targets: int, generator: Generator) -> Tensor:
    """The place of each target in a random order, (rows, targets)."""
    return torch.rand(rows, targets, generator=generator, dtype=torch.float64).argsort(-1).argsort(-1)


def _subsets(size: Int[Tensor, " S"], targets: int, generator: Generator) -> Bool[Tensor, "S T"]:
    """A uniform subset of the given size in each row."""
    return _ranks(len(size), targets, generator) < size[:, None]
