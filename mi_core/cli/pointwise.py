"""The command `train pointwise`: the head that tells how two drawn tokens go together."""

import argparse
from pathlib import Path
from typing import Any

from mi_core import catalog
from mi_core.cli.output import log
from mi_core.errors import InputError


def train_pointwise_command(arguments: argparse.Namespace) -> tuple[Any, str]:
    """Sudoku states are made on the way; the MI head that ships is what it starts from.

    Raises:
        InputError: a model other than Sudoku.
    """
    from mi_core.training.labels import label_states
    from mi_core.training.pointwise import PointwiseTraining, train_pointwise

    if arguments.model != "sudoku":
        raise InputError("The pointwise head is trained on Sudoku; other models probe (`pointwise@loss-probing`).")
    model = catalog.load_model("sudoku", weights=arguments.weights, low_precision=True)
    states, _ = label_states(model, arguments.states, seed=arguments.seed)
    settings = PointwiseTraining(steps=arguments.steps, minutes=arguments.minutes, seed=arguments.seed)
    out = arguments.out or catalog.pointwise_file("sudoku")
    train_pointwise(
        model,
        catalog.load_head("sudoku"),
        states,
        out,
        settings,
        report=log,
        origin={"data": "half random, half decoding states of our generator; probes made on the way"},
    )
    return {"out": str(out), "states": len(states)}, f"Pointwise head written to {out}."


def describe_pointwise(parser: argparse.ArgumentParser) -> None:
    """The options of `train pointwise` beside those of the model."""
    parser.add_argument("--states", type=int, default=3072, help="to probe in")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="end by working time instead")
    parser.add_argument("--seed", type=int, default=91_000)
    parser.add_argument("--out", type=Path)
