"""The commands `train finetune` and `bench finetune`: the Sudoku model tuned to one more rule; what that changed."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mi_core import catalog
from mi_core.cli_output import Bar, at_least_one, log
from mi_core.diagonal_bench import bench_tuning

Answer = tuple[Any, str]
AddCommand = Callable[..., argparse.ArgumentParser]  # (commands, name, handler, text)


def add_commands(train: Any, bench: Any, command: AddCommand) -> argparse.ArgumentParser:
    """Register both; gives the parser of `bench finetune`."""
    tune = command(train, "finetune", _train, "tune the Sudoku model to diagonal Sudoku; resumes")
    tune.add_argument("--out", type=Path, default=Path(f"runs/{catalog.TUNED}.safetensors"))
    tune.add_argument("--base", type=Path, default=catalog.SUDOKU_FILE, help="weights to tune; loading wants the same")
    tune.add_argument("--steps", type=at_least_one, default=1_500)
    tune.add_argument("--minutes", type=float, help="end by working time instead of steps")
    tune.add_argument("--grids", type=at_least_one, default=3_000, help="base grids to generate and train on")
    tune.add_argument("--rank", type=at_least_one, default=8, help="of the update of each matrix")
    tune.add_argument("--seed", type=int, default=1)

    measured = command(bench, "finetune", _bench, "what the diagonal fine-tune learned")
    measured.add_argument("--weights", type=Path, default=catalog.TUNED_FILE, help="the update")
    measured.add_argument("--grids", type=at_least_one, default=4, help="unseen grids, for masked states and rewards")
    measured.add_argument("--puzzles", type=at_least_one, default=100, help="unseen puzzles to solve")
    measured.add_argument("--seed", type=int, default=700_001)
    return measured


def _train(arguments: argparse.Namespace) -> Answer:
    from mi_core.training.finetune import FineTuning, train_diagonal

    settings = FineTuning(
        steps=arguments.steps,
        minutes=arguments.minutes,
        grids=arguments.grids,
        rank=arguments.rank,
        seed=arguments.seed,
    )
    out = train_diagonal(arguments.out, arguments.base, settings, report=log)
    return {"out": str(out)}, f"Update of the weights written to {out}."


def _bench(arguments: argparse.Namespace) -> Answer:
    result = bench_tuning(
        catalog.load_model(catalog.TUNED, weights=arguments.weights),
        catalog.load_model("sudoku"),
        grids=arguments.grids,
        puzzles=arguments.puzzles,
        seed=arguments.seed,
        tick=Bar(),
    )
    lines = ["hidden  states  new pairs  precision  chance  change of new pairs  of others (nats)"]
    for row in result["mi"]:
        lines.append(
            f"{row['hidden']:6.0%}  {row['states']:6}  {row['pairs']:9.1f}  {row['precision']:9.3f}  "
            f"{row['chance']:6.3f}  {row['change_new_pairs']:19.4f}  {row['change_other_pairs']:17.4f}"
        )
    lines.append(
        f"reward of {result['grids']} unseen diagonal grids {result['reward_diagonal']:+.2f}, of ordinary ones "
        f"{result['reward_ordinary']:+.2f} nats"
    )
    lines += [f"puzzles solved by {name}: {found['share']:.0%}" for name, found in result["solved"].items()]
    return result, "\n".join(lines)
