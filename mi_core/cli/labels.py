"""The commands `labels` and `train head`: probed MI of many states, and the head that learns from it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mi_core import catalog
from mi_core.cli.output import at_least_none, at_least_one, log
from mi_core.errors import InputError, SettingError
from mi_core.models.protocol import Model
from mi_core.sudoku.board import VOCAB as BOARD

Answer = tuple[Any, str]
_MOST = 100_000  # sequences


def make_labels_command(arguments: argparse.Namespace) -> Answer:
    """`labels`: fill a folder with shards, by several processes or on a cluster."""
    from mi_core.training.label_farm import make_shards
    from mi_core.training.labels import SHARD, LabelRecipe

    recipe = LabelRecipe(
        arguments.model,
        str(arguments.weights) if arguments.weights else None,
        arguments.low_precision,
        arguments.seed,
        arguments.mass,
        arguments.positions,
        _sequences(arguments),
        arguments.longest,
        arguments.flank,
        arguments.ends,
        " ".join(path.name for path in arguments.unlike),
    )
    made = make_shards(
        recipe,
        arguments.out,
        shards=arguments.shards,
        workers=arguments.workers,
        engine=arguments.engine,
        address=arguments.address,
        report=log,
    )
    values = {"out": str(arguments.out), "shards": arguments.shards, "made": made, "states": arguments.shards * SHARD}
    return values, f"{made} shards made; {arguments.out} holds {arguments.shards} of {SHARD} states each."


def _sequences(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What `train` trains on of the alignments, and those of `--fasta`."""
    from mi_core.training.protein_data import sequences_in

    found: tuple[str, ...] = ()
    if arguments.alignment:
        model = catalog.load_model(arguments.model, weights=arguments.weights)
        found = _of_alignments(arguments, model, trained=True, most=arguments.sequences)
    found += tuple(sequences_in(arguments.fasta)[: arguments.sequences]) if arguments.fasta else ()
    return _less_relatives(found, arguments.unlike)


def _less_relatives(sequences: tuple[str, ...], files: Sequence[Path]) -> tuple[str, ...]:
    """Those that the profiles of these alignments do not find.

    Raises:
        InputError: they find all.
    """
    if not files:
        return sequences
    from mi_core.proteins.families import read_family
    from mi_core.proteins.relatives import relatives
    from mi_core.training.protein_data import alignments_in

    out = relatives(sequences, [read_family(path) for path in alignments_in(files)])
    log(f"{len(out):,} of {len(sequences):,} sequences are left out: a profile of --unlike finds them")
    if sequences and len(out) == len(sequences):
        raise InputError("Profiles of --unlike find every sequence; name others to keep, or fewer alignments.")
    return tuple(letters for k, letters in enumerate(sequences) if k not in out)


def _of_alignments(arguments: argparse.Namespace, model: Model, *, trained: bool, most: int = _MOST) -> tuple[str, ...]:
    """What `train` trains on or holds out of `--alignment`, of the model's own length if it has one."""
    from mi_core.training.labels import LONGEST
    from mi_core.training.protein_data import SHORTEST, alignments_in, reference_of

    lengths = (model.length, model.length) if model.length else (SHORTEST, LONGEST)
    files = alignments_in(arguments.alignment)
    found = tuple(reference_of(files, most, lengths, seed=arguments.split, trained=trained))
    if not found:
        raise InputError(f"No sequence of these alignments has the {model.length} residues that {model.name} takes.")
    return found


def describe_held_out(parser: argparse.ArgumentParser) -> None:
    """The options of `bench estimator` beside those of the model."""
    parser.add_argument("--states", type=at_least_one, default=100)
    parser.add_argument("--seed", type=int, default=90_001)
    add_sequences(parser, "of its sequences those that `train` holds out")


def held_out_states(arguments: argparse.Namespace, model: Model) -> list[Tensor]:
    """Random Sudoku states, or masked sequences: held out of alignments, or of a FASTA file.

    Raises:
        InputError: a protein model without sequences.
    """
    from mi_core.training.labels import random_states

    if model.vocab is BOARD:
        return list(random_states(arguments.states, seed=arguments.seed))
    return masked_sequences(arguments, model)


def masked_sequences(arguments: argparse.Namespace, model: Model) -> list[Tensor]:
    """`--states` states of the sequences that `add_sequences` asks for.

    Raises:
        InputError: neither was given.
    """
    from mi_core.training.labels import SHARD, protein_states
    from mi_core.training.protein_data import sequences_in

    sequences = _of_alignments(arguments, model, trained=False) if arguments.alignment else ()
    sequences += tuple(sequences_in(arguments.fasta)) if arguments.fasta else ()
    sequences = _less_relatives(sequences, arguments.unlike)
    if not sequences:
        raise InputError("States of a protein model need sequences; name --alignment or --fasta.")
    states: list[Tensor] = []
    for k in range(-(-arguments.states // SHARD)):
        states += protein_states(sequences, k, seed=arguments.seed, longest=arguments.longest, flank=arguments.flank)
    return states[: arguments.states]


def add_sequences(parser: argparse.ArgumentParser, text: str) -> None:
    """The options that say which sequences the states of a protein model are made of."""
    from mi_core.training.labels import LONGEST

    parser.add_argument("--fasta", type=Path, help="sequences to hide residues of, for a protein model")
    parser.add_argument("--alignment", type=Path, action="append", default=[], help=text)
    unlike = "alignment or folder of them; sequences that a profile of one finds (HMMER, E < 10) are left out"
    parser.add_argument("--unlike", type=Path, action="append", default=[], metavar="ALIGNMENT", help=unlike)
    parser.add_argument("--split", type=int, default=1, help="the seed of `train`, so that the same are held out")
    around = "random residues at most before and behind half of the sequences, as around a domain"
    parser.add_argument("--flank", type=at_least_none, default=0, help=around)
    parser.add_argument("--longest", type=at_least_one, default=LONGEST, help="residues; a stretch of a longer one")


def train_head_command(arguments: argparse.Namespace) -> Answer:
    """`train head`: on the shards of a folder; those of Sudoku are made on the way where they are missing."""
    from mi_core.training.head import HeadTraining, train_head
    from mi_core.training.label_farm import MANIFEST
    from mi_core.training.labels import make_labels, mixed, read_labels, symmetric_labels

    is_sudoku = arguments.model == "sudoku"
    path = arguments.weights or (catalog.SUDOKU_FILE if is_sudoku else None)
    model = catalog.load_model(arguments.model, weights=path)
    folders: list[Path] = arguments.labels or [Path("runs/labels")]
    if is_sudoku and len(folders) == 1 and not (folders[0] / MANIFEST).is_file():
        fast = catalog.load_model("sudoku", weights=path, low_precision=True)
        labels = make_labels(fast, folders[0], shards=arguments.shards, minutes=arguments.label_minutes, report=log)
    else:
        for folder in folders:
            _check_folder(folder, model)
        labels = mixed([read_labels(folder, model.name) for folder in folders])
    augment = symmetric_labels if is_sudoku and arguments.symmetries else None
    origin = _origin(folders, is_sudoku) | {"symmetries": augment is not None}
    if arguments.variant == catalog.QUANTILES:
        if arguments.rounds is not None:
            raise SettingError("Quantiles stand on a head that is there; --rounds is for training that one.")
        return _train_quantiles(arguments, model, labels, augment, origin)
    settings = HeadTraining(
        variant=arguments.variant,
        epochs=arguments.epochs,
        minutes=arguments.minutes,
        rate=arguments.rate,
        seed=arguments.seed,
        start=str(arguments.start) if arguments.start else None,
        rounds=arguments.rounds,
    )
    out = arguments.out or catalog.head_file(arguments.model, arguments.variant)
    train_head(model, labels, out, settings, augment=augment, report=log, origin=origin)
    return {"out": str(out), "states": len(labels)}, f"Head written to {out}."


def describe_study(parser: argparse.ArgumentParser) -> None:
    """The options of `bench heads` beside those of the model."""
    parser.add_argument("--labels", type=Path, required=True, help="folder of label shards, by `labels`")
    parser.add_argument("--steps", type=at_least_one, default=600, help="batches of 16 states, for each head")
    parser.add_argument("--head", action="append", metavar="NAME", help="only this one; again for more")


def describe_cost(parser: argparse.ArgumentParser) -> None:
    """The options of `bench cost`."""
    from mi_core.training.cost import SIZES, Job

    usual = Job()
    parser.add_argument("--size", choices=SIZES, default="300m", help="of a published ESM-C; its weights do not matter")
    parser.add_argument("--states", type=at_least_one, default=usual.states)
    parser.add_argument("--residues", type=at_least_one, default=usual.residues)
    parser.add_argument("--positions", type=at_least_one, default=usual.positions, help="probed in each state")
    parser.add_argument("--epochs", type=at_least_one, default=usual.epochs, help="of the head")
    parser.add_argument("--batch", type=at_least_one, default=8, help="sequences of the pass that is timed")
    parser.add_argument(
        "--tera", type=float, action="append", default=[], help="also for a machine that sustains so many 1e12 a second"
    )


def bench_cost_command(arguments: argparse.Namespace) -> Answer:
    """`bench cost`: what labels and head of a published ESM-C take."""
    from mi_core.training.cost import SIZES, Job, hours_at, measure

    job = Job(arguments.states, arguments.residues, arguments.positions, arguments.epochs)
    result = measure(*SIZES[arguments.size], job, batch=arguments.batch)
    result["elsewhere"] = [
        {"tera": tera, "hours": hours_at(1e12 * tera, result["flops_a_pass"], job)} for tera in arguments.tera
    ]
    text = (
        f"{result['parameters'] / 1e6:.0f} M parameters; a pass over {job.residues} residues is "
        f"{result['flops_a_pass']:.2e} operations and took {result['seconds_a_pass']:.3f} s here "
        f"({result['flops_a_second']:.2e} a second, {result['threads']} threads, {result['device']}).\n"
        f"{job.states:,} states of {job.passes_a_state} passes: {result['hours']:,.1f} hours here"
    )
    lines = [text, *(f"at {e['tera']:g}e12 a second: {e['hours']:.2f} hours" for e in result["elsewhere"])]
    return result, "\n".join(lines)


def bench_heads_command(arguments: argparse.Namespace) -> Answer:
    """`bench heads`: architectures of a head, trained alike."""
    from mi_core.training.head_study import CONTESTANTS, study_heads
    from mi_core.training.labels import read_labels, symmetric_labels

    model = catalog.load_model(arguments.model, weights=arguments.weights)
    _check_folder(arguments.labels, model)
    result = study_heads(
        model,
        read_labels(arguments.labels, model.name),
        names=arguments.head or tuple(CONTESTANTS),
        steps=arguments.steps,
        augment=symmetric_labels if model.vocab is BOARD else None,
        report=log,
    )
    lines = ["head                                      parameters      R2  ms a pass"]
    lines += [
        f"{row['title']:40}  {row['parameters']:10,}  {row['r2']:6.3f}  {1e3 * row['seconds']:9.1f}"
        for row in result["heads"]
    ]
    return result, "\n".join(lines)


def _train_quantiles(
    arguments: argparse.Namespace, model: Model, labels: Any, augment: Any, origin: dict[str, Any]
) -> Answer:
    from mi_core.quantiles import marginals_trunk
    from mi_core.training.quantiles import QuantileTraining, train_quantiles

    trunk = marginals_trunk(catalog.load_head(arguments.model, weights=arguments.start))
    out = arguments.out or catalog.head_file(arguments.model, arguments.variant)
    train_quantiles(
        model,
        trunk,
        labels,
        out,
        QuantileTraining(epochs=arguments.epochs, minutes=arguments.minutes, seed=arguments.seed),
        augment=augment,
        report=log,
        origin=origin,
    )
    return {"out": str(out), "states": len(labels)}, f"Head with quantiles written to {out}."


def _check_folder(folder: Path, model: Model) -> None:
    if not any(folder.glob("shard-*.npz")):
        raise InputError(
            f"There are no labels in {folder}; make them with `python -m mi_core labels --model {model.name} "
            f"--out {folder}` (proteins: --fasta FILE or --alignment FILE)."
        )


def _origin(folders: Sequence[Path], is_sudoku: bool) -> dict[str, Any]:
    """What the header of the head says of its labels."""
    import json

    from mi_core.training.label_farm import MANIFEST

    paths = [folder / MANIFEST for folder in folders]
    known = [json.loads(path.read_text()) if path.is_file() else "unknown" for path in paths]
    if len(known) > 1 or paths[0].is_file():
        return {"data": "probed MI", "labels": known if len(known) > 1 else known[0]}
    where = "half random, half decoding states of our generator" if is_sudoku else "states of unknown origin"
    return {"data": f"probed MI (mass .995, 12 positions a state) of {where}" if is_sudoku else f"probed MI of {where}"}


def describe_labels(parser: argparse.ArgumentParser) -> None:
    """The options of `labels` beside those of the model."""
    from mi_core.training.label_farm import ENGINES
    from mi_core.training.labels import LABEL_SEED, PROBED

    parser.add_argument("--out", type=Path, required=True, help="folder of the shards; a started one is gone on with")
    parser.add_argument("--shards", type=at_least_one, default=16, help="shards of 64 states")
    add_sequences(parser, "of its sequences those that `train` trains on, drawn as it draws them")
    parser.add_argument("--sequences", type=at_least_one, default=_MOST, help="at most, of --alignment and of --fasta")
    parser.add_argument("--workers", type=at_least_one, default=1, help="processes on this machine")
    parser.add_argument("--seed", type=int, default=LABEL_SEED)
    parser.add_argument("--mass", type=float, default=0.995, help="of the tokens tried")
    parser.add_argument("--positions", type=at_least_one, default=PROBED, help="probed in each state")
    ends = "of a pair to be probed; 2 where a model's two directions differ, as on foreign proteins"
    parser.add_argument("--ends", type=int, choices=(1, 2), default=1, help=ends)
    parser.add_argument("--engine", choices=ENGINES, default="local", help="ray: a cluster (requirements-ray.txt)")
    parser.add_argument("--address", help="of a running Ray cluster; one on this machine if left out")
