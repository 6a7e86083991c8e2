"""The commands around two columns of samples: `samples`, `bench samples`, `train samples`."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mi_core.catalog import SET_ATTENTION_FILE, sample_estimates
from mi_core.cli.output import at_least_one, log
from mi_core.samples import read_samples
from mi_core.set_attention import load_set_attention

Answer = tuple[Any, str]
Command = Callable[[Any, str, Callable[[argparse.Namespace], Answer], str], argparse.ArgumentParser]


def add_commands(commands: Any, bench: Any, train: Any, command: Command) -> argparse.ArgumentParser:
    """Describe the three; the parser of `bench samples`."""
    samples = command(commands, "samples", _samples, "the MI of two columns of samples")
    samples.add_argument("file", type=Path, help="CSV of two columns, numbers or words")
    samples.add_argument("--seed", type=int, default=0, help="of the halves that the interval comes from")
    measured = command(bench, "samples", _bench, "estimators of two columns of symbols, on known tables")
    measured.add_argument("--weights", type=Path, default=SET_ATTENTION_FILE)
    measured.add_argument("--tables", type=at_least_one, default=200, help="of each kind and number of samples")
    measured.add_argument("--seed", type=int, default=0)
    trained = command(train, "samples", _train, "the estimator that reads samples, from nothing")
    trained.add_argument("--out", type=Path, default=SET_ATTENTION_FILE)
    trained.add_argument("--steps", type=at_least_one, default=6000)
    trained.add_argument("--minutes", type=float, help="end by working time instead")
    trained.add_argument("--seed", type=int, default=11)
    return measured


def _samples(arguments: argparse.Namespace) -> Answer:
    """`samples`: MI of the two columns of a CSV file."""
    samples = read_samples(arguments.file)
    found = sample_estimates(samples, seed=arguments.seed)
    kind = "discrete" if samples.discrete else "numbers"
    lines = [f"{len(samples.first)} rows, {kind}"]
    lines += [f"{e.name:14} {e.value:.4f} nats  90 % [{e.low:.4f}, {e.high:.4f}]  {e.note}" for e in found]
    values = {"rows": len(samples.first), "discrete": samples.discrete, "estimates": [asdict(e) for e in found]}
    return values, "\n".join(lines)


def _train(arguments: argparse.Namespace) -> Answer:
    """`train samples`: the set-attention estimator, on random tables made as it goes."""
    from mi_core.training.set_attention import SetTraining, train_set_attention

    settings = SetTraining(steps=arguments.steps, minutes=arguments.minutes, seed=arguments.seed)
    train_set_attention(arguments.out, settings, report=log)
    return {"out": str(arguments.out)}, f"Set-attention estimator written to {arguments.out}."


def _bench(arguments: argparse.Namespace) -> Answer:
    """`bench samples`: every estimator of two columns of symbols on random tables whose MI is known."""
    from mi_core.training.set_attention import score_samples

    rows = score_samples(load_set_attention(arguments.weights), tables=arguments.tables, seed=arguments.seed)
    names = list(rows[0]["rmse"])
    lines = ["root mean square error, nats".ljust(38) + "".join(name.rjust(15) for name in names) + "  interval holds"]
    for row in rows:
        errors = "".join(f"{row['rmse'][name]:15.4f}" for name in names)
        lines.append(f"{row['tables']:30} n={row['n']:<6}{errors}{row['coverage']:16.3f}")
    return rows, "\n".join(lines)
