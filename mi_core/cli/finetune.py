"""The commands `train finetune` and `bench finetune`: Sudoku tuned to one more rule, or ESM-C mini to one family."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mi_core import catalog
from mi_core.benchmarks.coupling import MapRecipe, chain_case
from mi_core.benchmarks.diagonal_tuning import bench_tuning
from mi_core.benchmarks.family_tuning import bench_family_tuning
from mi_core.cli.output import Bar, at_least_one, log
from mi_core.errors import InputError
from mi_core.proteins.presets import PRESETS, load_preset

Answer = tuple[Any, str]
AddCommand = Callable[..., argparse.ArgumentParser]  # (commands, name, handler, text)


def add_commands(train: Any, bench: Any, command: AddCommand) -> argparse.ArgumentParser:
    """Register both; gives the parser of `bench finetune`."""
    tune = command(train, "finetune", _train, "tune Sudoku to its diagonals, or esmc-mini to a family; resumes")
    tune.add_argument("--alignment", type=Path, help="of the family that esmc-mini is tuned to; without it, Sudoku")
    tune.add_argument("--out", type=Path, help="runs/NAME.safetensors")
    tune.add_argument("--base", type=Path, help="weights to tune; loading wants the same")
    tune.add_argument("--steps", type=at_least_one, default=1_500)
    tune.add_argument("--minutes", type=float, help="end by working time instead of steps")
    tune.add_argument("--grids", type=at_least_one, default=3_000, help="base grids to generate and train on")
    tune.add_argument("--rank", type=at_least_one, help="of the update of each matrix; 8, of a protein model 16")
    tune.add_argument("--seed", type=int, default=1)

    measured = command(bench, "finetune", _bench, "what a fine-tune learned: of Sudoku, or of a family")
    measured.add_argument("--weights", type=Path, help="the update, if not the one that ships")
    measured.add_argument("--alignment", type=Path, help="of the family that esmc-mini was tuned to")
    measured.add_argument("--general", type=Path, help="FASTA of proteins of any kind, to compare rewards with")
    measured.add_argument("--example", choices=PRESETS, default="bpti", help="structure of a member of the family")
    measured.add_argument("--sequences", type=at_least_one, default=40, help="unseen ones of the family, and others")
    measured.add_argument("--masks", type=at_least_one, default=24, help="states of the map")
    measured.add_argument("--ratio", type=float, default=0.6, help="share of the residues hidden in each")
    measured.add_argument("--grids", type=at_least_one, default=4, help="unseen grids, for masked states and rewards")
    measured.add_argument("--puzzles", type=at_least_one, default=100, help="unseen puzzles to solve")
    measured.add_argument("--seed", type=int, default=700_001, help="of grids and puzzles")
    measured.add_argument("--split", type=int, default=1, help="the seed of `train`, so that the same are held out")
    return measured


def _train(arguments: argparse.Namespace) -> Answer:
    name = catalog.TUNED_ESMC if arguments.alignment else catalog.TUNED
    out = arguments.out or Path(f"runs/{name}.safetensors")
    (_tune_family if arguments.alignment else _tune_sudoku)(arguments, out)
    return {"out": str(out)}, f"Update of the weights written to {out}."


def _tune_family(arguments: argparse.Namespace, out: Path) -> None:
    from mi_core.training.protein_data import corpus_of, sample_of
    from mi_core.training.proteins import ProteinTraining, train_protein_model

    corpus, held = corpus_of([arguments.alignment], aligned_share=0.5, flank=6, seed=arguments.seed)
    settings = ProteinTraining(
        steps=arguments.steps,
        minutes=arguments.minutes,
        seed=arguments.seed,
        average=0.99,  # a short run: a longer memory would keep the untuned weights
        teaching=0.8,
        start=str(arguments.base or catalog.OWN_ESMC["esmc-mini"][1]),
        rank=arguments.rank or 16,
    )
    train_protein_model(out, corpus, sample_of(held, 200), settings, report=log)


def _tune_sudoku(arguments: argparse.Namespace, out: Path) -> None:
    from mi_core.training.finetune import FineTuning, train_diagonal

    settings = FineTuning(
        steps=arguments.steps,
        minutes=arguments.minutes,
        grids=arguments.grids,
        rank=arguments.rank or FineTuning.rank,
        seed=arguments.seed,
    )
    train_diagonal(out, arguments.base or catalog.SUDOKU_FILE, settings, report=log)


def _bench(arguments: argparse.Namespace) -> Answer:
    return (_bench_family if arguments.alignment else _bench_sudoku)(arguments)


def _bench_family(arguments: argparse.Namespace) -> Answer:
    from mi_core.training.protein_data import reference_of, sequences_in

    count: int = arguments.sequences
    if arguments.general is None:
        raise InputError("Name proteins of any kind with --general FILE, to compare the rewards with.")
    tuned, reference = (
        catalog.load_model(catalog.TUNED_ESMC, weights=arguments.weights),
        catalog.load_model("esmc-mini"),
    )
    members = reference_of([arguments.alignment], count, _LENGTHS, seed=arguments.split)
    others = [letters for letters in sequences_in(arguments.general) if len(letters) <= _LENGTHS[1]][:count]
    if not members or not others:
        raise InputError(f"Both files must hold sequences of {_LENGTHS[0]} to {_LENGTHS[1]} residues; one has none.")
    case = chain_case(arguments.example, load_preset(arguments.example))
    recipe = MapRecipe(masks=arguments.masks, ratio=arguments.ratio)
    result = bench_family_tuning(tuned, reference, case, recipe, members=members, others=others, tick=Bar())
    lines = ["pairs by          P(L/5)   P(L/2)   P(L)   chance"]
    for row in result["contacts"]:
        lines.append(
            f"{row['route']:15}  {row['p_l5']:7.2f}  {row['p_l2']:7.2f}  {row['p_l']:5.2f}  {row['chance']:7.3f}"
        )
    for what, found in result["rewards"].items():
        lines.append(
            f"reward of {found['sequences']} unseen {what}: {found['a_residue']:+.3f} ± {found['standard_error']:.3f} "
            f"nats a residue, positive for {found['positive']:.0%}"
        )
    return result, "\n".join(lines)


_LENGTHS = (20, 150)  # residues


def _bench_sudoku(arguments: argparse.Namespace) -> Answer:
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
