"""`train samples`: the set-attention estimator on random tables whose MI is known, and how it fares beside the others.

Every step draws new tables, so that nothing is seen twice. Loss: the pinball loss of the three quantiles of sqrt(MI).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mi_core.samples import ESTIMATORS, Samples, contingency, table_samples
from mi_core.set_attention import KIND, LEVELS, NAME, SetAttention, SetConfig, config_of, read_tables
from mi_core.training.progress import Cancel, Clock, Report, cosine_with_warmup
from mi_core.training.quantiles import pinball
from mi_core.weights import WeightsHeader, save_weights

Joint = NDArray[np.float64]
SYMBOLS = (2, 16)
DRAWS = (20, 5000)
SIZES = (20, 50, 100, 200, 500, 1000, 2000)  # draws of each table
UNSEEN = "normal columns cut into parts"


@dataclass(frozen=True)
class SetTraining:
    """Settings of one run."""

    steps: int = 6000
    minutes: float | None = None
    batch: int = 48  # tables
    rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    seed: int = 11


def random_joint(rng: np.random.Generator) -> Joint:
    """A random table of 2 to 16 symbols each: independent, loosely coupled, sparse, or a permuted noisy copy."""
    a, b = rng.integers(SYMBOLS[0], SYMBOLS[1] + 1, size=2)
    rows, columns = (rng.dirichlet(np.full(k, 10 ** rng.uniform(-0.3, 1.3))) for k in (a, b))
    apart = np.outer(rows, columns)
    kind = rng.random()
    if kind < 0.15:
        return apart
    if kind < 0.6:
        joint = rng.dirichlet(np.full(a * b, 10 ** rng.uniform(-1.3, 1.0))).reshape(a, b)
    else:
        joint = np.zeros((a, b))
        partner = rng.integers(0, b, size=a)
        joint[np.arange(a), partner] = rows
    kept = rng.random() ** 1.5
    mixed: Joint = kept * joint + (1 - kept) * apart
    return mixed


def cut_normal(rng: np.random.Generator) -> Joint:
    """Two correlated normal variables cut into equally likely parts: a kind that training never draws."""
    a, b = (int(k) for k in rng.integers(SYMBOLS[0], SYMBOLS[1] + 1, size=2))
    r = float(rng.uniform(-0.98, 0.98))
    fine = (np.arange(800) + 0.5) / 800
    x = np.array([NormalDist().inv_cdf(float(q)) for q in fine])
    edges = [NormalDist().inv_cdf(k / b) for k in range(1, b)]
    cdf = np.array([[NormalDist().cdf((edge - r * v) / (1 - r * r) ** 0.5) for edge in edges] for v in x])
    inside = np.diff(np.concatenate([np.zeros((800, 1)), cdf, np.ones((800, 1))], axis=1), axis=1)
    part = np.minimum((fine * a).astype(int), a - 1)
    joint = np.zeros((a, b))
    np.add.at(joint, part, inside / 800)
    return joint


def drawn(rng: np.random.Generator, joint: Joint, n: int) -> tuple[Samples, float] | None:
    """n draws of a table and its MI; None where a column came out constant."""
    seed = int(rng.integers(2**31))
    counts = np.random.default_rng(seed).choice(joint.size, size=n, p=joint.ravel() / joint.sum())
    x, y = np.unravel_index(counts, joint.shape)
    if (x == x[0]).all() or (y == y[0]).all():
        return None
    return table_samples(joint, n, seed=seed)


def _draw(rng: np.random.Generator) -> tuple[Samples, float]:
    low, high = np.log(DRAWS)
    while (found := drawn(rng, random_joint(rng), round(float(np.exp(rng.uniform(low, high)))))) is None:
        continue
    return found


def train_set_attention(
    out: Path,
    settings: SetTraining,
    *,
    report: Report = print,
    cancel: Cancel = lambda: False,
    config: SetConfig | None = None,
) -> SetAttention:
    """Train the network and write it to `out`, in half precision."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = SetAttention(config or SetConfig())
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    levels, clock = torch.tensor(LEVELS), Clock(settings.steps, settings.minutes)
    step = 0
    seen: list[float] = []
    while clock.fraction(step) < 1 and not cancel():
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * cosine_with_warmup(clock.fraction(step), step, warmup=settings.warmup)
        pairs = [_draw(rng) for _ in range(settings.batch)]
        truth = torch.tensor([mi for _, mi in pairs]).sqrt()
        read = read_tables([contingency(samples.first, samples.second) for samples, _ in pairs])
        loss = pinball(network(read), truth, levels).sum(-1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        seen.append(float(loss.detach()))
        step += 1
        if step % 50 == 0:
            report(f"step {step}  loss {np.mean(seen[-50:]):.4f}  left {clock.eta(step)}")
    header = WeightsHeader(
        KIND,
        config_of(network),
        {**asdict(settings), "steps_done": step, "data": "random tables of 2 to 16 symbols, 20 to 5,000 draws"},
    )
    save_weights(out, {name: value.half() for name, value in network.state_dict().items()}, header)
    return network.eval()


def score_samples(
    network: SetAttention, *, tables: int, sizes: Sequence[int] = SIZES, seed: int = 0
) -> list[dict[str, Any]]:
    """Bias and root mean square error (nats) of every estimator of symbols by number of draws, on two kinds of tables.

    Also the share of intervals of the network that hold the truth, which should be .9.
    """
    rows = []
    rules = {name: rule for name, (rule, _) in ESTIMATORS.items() if name != "KSG"}
    for kind, make in (("random tables", random_joint), (UNSEEN, cut_normal)):
        for n in sizes:
            rng = np.random.default_rng([seed, n])
            off: dict[str, list[float]] = {name: [] for name in (*rules, NAME)}
            held = 0
            truths: list[float] = []
            while len(truths) < tables:
                found = drawn(rng, make(rng), n)
                if found is None:
                    continue
                samples, truth = found
                for name, rule in rules.items():
                    off[name].append(rule(samples.first, samples.second) - truth)
                answer = network.estimate(samples)
                off[NAME].append(answer.value - truth)
                held += answer.low - 1e-9 <= truth <= answer.high + 1e-9
                truths.append(truth)
            row = {"tables": kind, "n": n, "count": len(truths), "mean_truth": round(float(np.mean(truths)), 4)}
            row["rmse"] = {name: round(float(np.sqrt(np.mean(np.square(v)))), 4) for name, v in off.items()}
            row["bias"] = {name: round(float(np.mean(v)), 4) for name, v in off.items()}
            rows.append({**row, "coverage": round(held / len(truths), 4)})
    return rows
