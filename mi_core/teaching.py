"""The worked example of the home page: a few coupled bits, known exactly, decoded in three ways.

Nothing is sampled: the distribution that each way of decoding would draw from is computed outcome by outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import torch
from torch import Tensor

from mi_core.errors import UnknownName
from mi_core.information import entropy, kl_divergence
from mi_core.models.exact import ExactModel, JointTable, chain, copied_bits, xor
from mi_core.probing import probe
from mi_core.shapes import Row

TOLERANCE = 0.1  # nats; MI-guided decoding draws bits together while their MI stays below this

Rule = Callable[[ExactModel, Row], list[int]]  # the open positions to draw in this step


@dataclass(frozen=True)
class Example:
    """A coupling of bits whose strength in [0, 1] can be set."""

    title: str
    story: str
    build: Callable[[float], JointTable]


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "pairs": Example(
            "Two copied pairs", "B copies A and D copies C. The pairs know nothing of each other.", copied_bits
        ),
        "chain": Example("A chain", "Each bit copies the one before it: A → B → C → D.", chain),
        "xor": Example("XOR", "C is 1 exactly if A and B differ. Any two bits look independent.", xor),
    }
)


@dataclass(frozen=True)
class Decoding:
    """What one way of decoding would draw. `probs` runs parallel to the outcomes of its lesson."""

    name: str
    rule: str  # one clause for the reader
    passes: int  # forward passes until every bit is drawn (the longest case)
    probs: tuple[float, ...]
    lost: float  # KL(truth || drawn), nats; for one parallel step this is the total correlation
    misplaced: float  # total variation distance: the share of draws that fall on the wrong outcomes
    impossible: float  # share of draws that the truth never makes


@dataclass(frozen=True)
class Lesson:
    """Everything that the home page shows for one example at one strength. Matrices are N rows of N nats."""

    title: str
    story: str
    strength: float
    variables: tuple[str, ...]
    exact_mi: tuple[tuple[float, ...], ...]
    probed_mi: tuple[tuple[float, ...], ...]
    largest_error: float  # max |probed - exact|
    probing_passes: int
    outcomes: tuple[str, ...]
    decodings: tuple[Decoding, ...]  # one by one, all at once, MI-guided
    total_correlation: float
    pairwise_sum: float  # sum of the MI of all pairs

    @property
    def verdict(self) -> str:
        """One sentence on what these numbers show."""
        together, guided = self.decodings[1], self.decodings[2]
        if together.lost < 1e-9:
            return "Nothing is coupled: all bits can be drawn in one pass and nothing is lost."
        if guided.lost > 0.999 * together.lost:
            cause = "every pairwise MI is 0" if self.pairwise_sum < 1e-9 else f"every MI is below {TOLERANCE} nats"
            return f"MI-guided decoding sees no tie ({cause}) and loses as much as all at once."
        saved = 1 - guided.lost / together.lost
        share = "all" if saved > 0.9995 else f"{saved:.0%}"
        return (
            f"MI-guided decoding avoids {share} of the loss in {guided.passes} passes; "
            f"one by one takes {self.decodings[0].passes}."
        )

    def to_csv(self) -> str:
        """One line an outcome: its probability under each way of decoding."""
        lines = [",".join(["outcome", *(decoding.name for decoding in self.decodings)])]
        for k, outcome in enumerate(self.outcomes):
            lines.append(",".join([outcome, *(f"{decoding.probs[k]:.12g}" for decoding in self.decodings)]))
        return "\n".join(lines) + "\n"


def lesson(example: str, strength: float) -> Lesson:
    """Compute one example.

    Args:
        example: a key of `EXAMPLES`.
        strength: of the coupling, 0 independent to 1 certain.

    Raises:
        UnknownName: no such example.
        InputError: a strength outside 0..1.
    """
    if example not in EXAMPLES:
        raise UnknownName("example", example, EXAMPLES)
    chosen = EXAMPLES[example]
    table = chosen.build(strength)
    model, start = ExactModel(table), torch.full((table.length,), table.size)
    exact, probed = table.mutual_information(start), probe(model, start, mass=1.0)
    return Lesson(
        title=chosen.title,
        story=chosen.story,
        strength=strength,
        variables=tuple("ABCDEFGH"[: table.length]),
        exact_mi=_rows(exact),
        probed_mi=_rows(probed.mi),
        largest_error=float((probed.mi - exact).abs().max()),
        probing_passes=probed.passes,
        outcomes=tuple("".join(map(str, bits)) for bits in product(range(table.size), repeat=table.length)),
        decodings=tuple(_decoding(model, name, clause, rule) for name, (clause, rule) in _WAYS.items()),
        total_correlation=table.total_correlation(start),
        pairwise_sum=float(exact.triu(1).sum()),
    )


def outcome_distribution(model: ExactModel, rule: Rule) -> tuple[Tensor, int]:
    """Distribution over the (V,) * N outcomes of sampling with `rule`, and the longest run in forward passes.

    Within a step the bits are drawn independently from their marginals, as any masked diffusion model does.
    """
    out = torch.zeros_like(model.table.probs)
    longest = 0
    states = [(torch.full((model.table.length,), model.vocab.mask_id), 1.0, 0)]
    while states:
        tokens, weight, passes = states.pop()
        if not bool((tokens == model.vocab.mask_id).any()):
            out[tuple(tokens.tolist())] += weight
            longest = max(longest, passes)
            continue
        drawn = rule(model, tokens)
        marginals = model(tokens[None]).log_probs[0, drawn].exp()
        for symbols in product(range(model.vocab.size), repeat=len(drawn)):
            share = float(marginals[range(len(drawn)), symbols].prod())
            if share > 0:
                after = tokens.clone()
                after[drawn] = torch.tensor(symbols)
                states.append((after, weight * share, passes + 1))
    return out, longest


def one_by_one(model: ExactModel, tokens: Row) -> list[int]:
    """The first open position."""
    return model.table.open_positions(tokens)[:1]


def all_at_once(model: ExactModel, tokens: Row) -> list[int]:
    """Every open position."""
    return model.table.open_positions(tokens)


def mi_guided(model: ExactModel, tokens: Row) -> list[int]:
    """By rising entropy, every position whose MI with those already taken sums to at most `TOLERANCE`."""
    uncertainty, mi = entropy(model(tokens[None]).log_probs[0]), model.table.mutual_information(tokens)
    taken: list[int] = []
    for position in sorted(model.table.open_positions(tokens), key=lambda i: round(float(uncertainty[i]), 9)):
        if float(mi[position, taken].sum()) <= TOLERANCE:
            taken.append(position)
    return taken


_WAYS: dict[str, tuple[str, Rule]] = {
    "one by one": ("each bit sees all before it", one_by_one),
    "all at once": ("one parallel step, marginals only", all_at_once),
    "MI-guided": (f"together while MI ≤ {TOLERANCE}", mi_guided),
}


def _decoding(model: ExactModel, name: str, clause: str, rule: Rule) -> Decoding:
    drawn, passes = outcome_distribution(model, rule)
    truth, drawn = model.table.probs.flatten(), drawn.flatten()
    return Decoding(
        name=name,
        rule=clause,
        passes=passes,
        probs=tuple(drawn.tolist()),
        lost=max(0.0, float(kl_divergence(truth, drawn))),
        misplaced=float((truth - drawn).abs().sum() / 2),
        impossible=float(drawn[truth == 0].sum()),
    )


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
