"""The settings that the shipped benchmarks compare, each strategy over its own knob, as `--strategy` takes them."""

from collections.abc import Sequence


def over(strategy: str, knob: str, values: Sequence[int | float], rest: str = "") -> tuple[str, ...]:
    """One contestant for each value of a knob."""
    return tuple(f"{strategy}:{knob}={value:g}{rest}" for value in values)


FEATURED = (
    "sequential",
    *over("mi-guided", "gamma", (0.03, 0.1, 0.2, 0.3, 0.6, 1), ",lambda=1"),
    *over("eb-sampler", "gamma", (0.005, 0.02, 0.05, 0.1, 0.2, 0.5)),
    *over("threshold", "tau", (0.999, 0.995, 0.99, 0.95, 0.9, 0.8)),
)
"""Puzzles with one solution: what the paper compares, and the plain threshold."""

UNIQUE = (
    *FEATURED,
    *over("faithful", "gamma", (0.01, 0.03, 0.1, 0.2, 0.4, 0.8)),
    *over("pointwise", "beta", (0.005, 0.015, 0.03, 0.1, 0.2, 0.4)),
    *over("mi-budget", "beta", (0.003, 0.01, 0.03, 0.1, 0.3, 1)),
    *over("eb-confidence", "gamma", (0.005, 0.02, 0.05, 0.1, 0.2, 0.5)),
    *over("eb-margin", "gamma", (0.005, 0.02, 0.05, 0.1, 0.2, 0.5)),
    *over("factor", "f", (0.01, 0.03, 0.1, 0.3, 0.7, 1)),
    *over("klass", "tau", (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)),
    *over("top-k", "k", (2, 3, 4, 6, 8, 12)),
    *over("margin", "k", (2, 3, 4, 6, 8, 12)),
    *over("random-k", "k", (1, 2, 4, 8, 16, 32)),
    *over("maskgit", "steps", (4, 6, 8, 12, 20, 30)),
    *over("dilated", "base", (2, 3, 4, 6, 9, 81)),
    *over("dapd", "tau", (0.002, 0.005, 0.01, 0.02, 0.04, 0.08)),
    *over("dapd@head", "tau", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)),
    *over("peer-colouring", "tau", (0, 0.5, 0.8, 0.9, 0.95, 0.99)),
    *over("punt", "eps", (0.01, 0.04, 0.16)),
    *over("demask", "tau", (0.003, 0.01, 0.03, 0.1, 0.3, 1)),
)
"""The strategies that keep what they commit, on puzzles with one solution."""

REVISING = (
    *over("revoking-top-k", "steps", (4, 6, 8, 12, 20, 30)),
    *over("remdm-cap", "steps", (8, 12, 20, 30, 40, 60)),
    *over("remdm-conf", "steps", (8, 12, 20, 30, 40, 60)),
)
"""Strategies that take back what they committed."""

EMPTY = (
    "sequential",
    *over("mi-guided", "gamma", (2, 4, 8), ",lambda=1"),
    *over("mi-guided", "gamma", (4, 8, 16), ",lambda=10"),
    *over("eb-sampler", "gamma", (0.5, 1, 2, 3, 4, 6)),
    *over("threshold", "tau", (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)),
    *over("mi-budget", "beta", (0.03, 0.1, 0.2, 0.3, 0.5, 1)),
    *over("pointwise", "beta", (0.005, 0.015, 0.03, 0.06, 0.12, 0.25)),
)
"""From the empty board, tokens sampled. The faithful budget is the MI budget there."""

OTHERS = (
    *over("eb-confidence", "gamma", (0.5, 1, 2, 3, 4, 6)),
    *over("eb-margin", "gamma", (0.5, 1, 2, 3, 4, 6)),
    *over("factor", "f", (0.1, 0.3, 0.7, 1, 2, 4)),
    *over("klass", "tau", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)),
    *over("top-k", "k", (2, 3, 4, 6, 8, 12)),
    *over("margin", "k", (2, 3, 4, 6, 8, 12)),
    *over("random-k", "k", (1, 2, 4, 8, 16, 32)),
    *over("maskgit", "steps", (6, 12, 20, 30, 45, 60)),
    *over("dilated", "base", (2, 3, 4, 6, 9, 81)),
    *over("dapd", "tau", (0.002, 0.005, 0.01, 0.02, 0.04, 0.08)),
    *over("peer-colouring", "tau", (0, 0.2, 0.4, 0.6, 0.8, 0.95)),
    *over("demask", "tau", (0.01, 0.03, 0.1, 0.3, 1, 3)),
)
"""The other strategies on the empty board."""

SWEEPS = {
    "featured": FEATURED,
    "unique": UNIQUE,
    "empty": EMPTY,
    "others": OTHERS,
    "revising": REVISING,
}
