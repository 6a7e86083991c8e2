"""On exact tables, what a strategy loses is what it ignores: KL(table || runs) = mean of TC over the steps of its runs.

Draw x from the table and follow the steps that lead to it: each commits its set S from the product of its marginals
instead of their joint and loses TC(S | what is known). Rules that choose by what they see alone have one way to each x.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import pytest
import torch
from torch import Tensor

from mi_core.decoding import DecodeTrace, MISource, decode
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable
from mi_core.models.protocol import Model, ModelOutput
from mi_core.sources import ProbingSource, TVSource
from mi_core.stepcost import total_correlation
from mi_core.strategies import STRATEGIES

RUNS = 400
TABLES = {
    "copied bits": exact.copied_bits(0.6),
    "chain": exact.chain(0.6, n=3),
    "XOR": exact.xor(0.8),
}
SEEN = {  # rules whose choice follows from what they see, at settings that commit several positions together
    "sequential": {},
    "top-k": {"k": 2},
    "margin": {"k": 3},
    "maskgit": {"steps": 2},
    "threshold": {"tau": 0.5},
    "factor": {"f": 1.5},
    "klass": {"tau": 0.5, "eps": 1.0},
    "dilated": {"base": 2},
    "eb-sampler": {"gamma": 1.0},
    "eb-confidence": {"gamma": 1.0},
    "eb-margin": {"gamma": 1.0},
    "mi-guided": {"gamma": 1.5, "lam": 1.0},
    "mi-budget": {"beta": 0.05},
    "faithful": {"gamma": 0.1},
    "demask": {"tau": 0.3},
    "dapd": {"tau": 0.05},
}
BY_LUCK = {"pointwise", "random-k", "punt", "revoking-top-k", "remdm-cap", "remdm-conf"}  # many ways to one sequence
NO_TABLE = {"peer-colouring"}  # its graph is that of Sudoku


def test_every_strategy_is_measured_or_named():
    assert set(SEEN) | BY_LUCK | NO_TABLE == set(STRATEGIES)


@dataclass
class Remembered:
    """A source that works out each state once: runs of a small table meet the same few over and over."""

    source: MISource
    seen: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def kind(self) -> str:
        return self.source.kind

    def __call__(self, model: Model, tokens: Tensor, output: ModelOutput, drawn: Tensor) -> tuple[Tensor, list[int]]:
        for row in {tuple(row) for row in tokens.tolist()} - self.seen.keys():
            one = torch.tensor(row)[None]
            self.seen[row] = self.source(model, one, model(one), drawn[:1])[0][0]
        return torch.stack([self.seen[tuple(row)] for row in tokens.tolist()]), [0] * len(tokens)


def ignored(table: JointTable, model: ExactModel, traces: list[DecodeTrace]) -> float:
    """Mean over the table of the total correlation that the steps towards each sequence ignore, nats."""
    ways = {trace.tokens: trace for trace in traces}
    lost = 0.0
    for tokens, trace in ways.items():
        share = math.exp(table.log_prob(torch.tensor(tokens)))
        for state, step in zip(trace.states, trace.steps, strict=False):
            row = torch.tensor(state)
            log_probs = model(row[None]).log_probs[0]
            value, _ = total_correlation(model, row, list(step.positions), log_probs=log_probs, mass=1.0)
            lost += share * value
    return lost


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", SEEN)
def test_measured_loss_is_the_total_correlation_ignored(name: str, kind: str) -> None:
    table = TABLES[kind]
    model, v = ExactModel(table), table.size
    pairs = STRATEGIES[name].pairs
    probing = TVSource(mass=1.0) if "tv" in pairs else ProbingSource(mass=1.0)
    source = Remembered(probing) if pairs else None
    start = torch.full((RUNS, table.length), v)
    traces = decode(model, start, name, SEEN[name], seed=2, temperature=1.0, mi_source=source, batch_size=RUNS)
    counts = Counter(trace.tokens for trace in traces)
    truth = {x: math.exp(table.log_prob(torch.tensor(x))) for x in product(range(v), repeat=table.length)}
    measured = sum(p * math.log(p * RUNS / counts[x]) for x, p in truth.items())
    spread = sum(p * p * RUNS / counts[x] for x, p in truth.items()) - 1
    error = math.sqrt(max(spread, 0.0) / RUNS)
    bias = sum(p / 2 * (1 / counts[x] - 1 / RUNS) for x, p in truth.items())
    assert measured - bias == pytest.approx(ignored(table, model, traces), abs=4.5 * error + 1e-3)
