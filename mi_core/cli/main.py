"""`python -m mi_core`: everything the pages show, on the command line.

Results go to standard output (`--json`: one JSON document with stable keys), progress and logs to standard error.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from mi_core import catalog
from mi_core.agreement import peer_matrix
from mi_core.benchmarks.evaluation import (
    Contestant,
    bench_cut,
    bench_estimator,
    bench_generate,
    bench_speed,
    bench_sudoku,
)
from mi_core.benchmarks.report import document, write_record
from mi_core.benchmarks.sweeps import SWEEPS
from mi_core.cli import coevolution, finetune, likelihood, samples
from mi_core.cli.estimators import (
    NAMES,
    bench_estimators_command,
    describe_states,
    estimate_with,
    unseen_states,
)
from mi_core.cli.labels import (
    bench_cost_command,
    bench_heads_command,
    describe_cost,
    describe_held_out,
    describe_labels,
    describe_study,
    held_out_states,
    make_labels_command,
    train_head_command,
)
from mi_core.cli.output import Bar, at_least_none, at_least_one, log
from mi_core.cli.pointwise import describe_pointwise, train_pointwise_command
from mi_core.cli.proteins import (
    bench_contacts_command,
    bench_generation_command,
    describe_contacts,
    describe_family_training,
    describe_generation,
    describe_training,
    train_family_command,
    train_proteins_command,
)
from mi_core.decoding import MISource, decode
from mi_core.errors import InputError, MiCoreError, SettingError, UnknownName
from mi_core.head import MIHead, estimate
from mi_core.inputs import read_input, read_protein
from mi_core.models.protocol import Additive, Model
from mi_core.probing import FORMS, probe
from mi_core.proteins.structure import read_structure
from mi_core.results import MIResult
from mi_core.sources import (
    AttentionSource,
    CouplingSource,
    GapSource,
    HeadSource,
    HeadTVSource,
    PointwiseSource,
    ProbingPointwiseSource,
    ProbingSource,
    StructureSource,
    TVSource,
)
from mi_core.strategies import get_strategy
from mi_core.sudoku.board import CELLS, VOCAB, cell_name, clashes, format_grid, is_valid_solution
from mi_core.sudoku.sets import SETS, load_set, make_sets


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status (0 fine, 1 a mistake that the message explains, 130 interrupted)."""
    arguments = _parser().parse_args(argv)
    try:
        result, text = arguments.run(arguments)
        if getattr(arguments, "record", None):
            write_record(arguments.record, _without_record(argv), result, append=arguments.append)
    except MiCoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"error: {error.filename or 'a file'} could not be read or written ({error.strerror}).", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=None if arguments.json else 2) if arguments.json else text)
    return 0


def _without_record(argv: Sequence[str] | None) -> list[str]:
    """The command line as given, without where its record went."""
    words = [word for word in (sys.argv[1:] if argv is None else argv) if word != "--append"]
    at = words.index("--record")
    return words[:at] + words[at + 2 :]


Answer = tuple[Any, str]  # what --json prints, what a person reads


def _models(arguments: argparse.Namespace) -> Answer:
    found = catalog.entries()
    lines = []
    for entry in found:
        size = f"{entry.parameters / 1e6:.2f} M" if entry.parameters else "-"
        state = "available" if entry.available else f"missing: {entry.note}"
        lines.append(f"{entry.name:27} {entry.kind:10} {size:>8}  {entry.summary} [{entry.source}] {state}")
    return [vars(entry) for entry in found], "\n".join(lines)


def _mi(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    tokens = read_input(model, arguments.input, mask=arguments.mask, seed=arguments.seed)
    if arguments.estimator == "head":
        result = estimate(model, _head(arguments), tokens)
    elif arguments.estimator != "probing":
        result = estimate_with(arguments.estimator, arguments.param, model, tokens, _head_of(arguments))
    else:
        result = _probe_with_bar(arguments, model, tokens)
    if arguments.out:
        result.save(arguments.out)
    values = {
        "model": result.model,
        "estimator": result.estimator,
        "form": result.form,
        "open": int(result.masked.sum()),
        "passes": result.passes,
        "seconds": round(result.seconds, 3),
        "mean_gap": result.mean_gap,
        "negative_share": result.negative_share,
        "top_pairs": [list(pair) for pair in result.top_pairs(arguments.top)],
        "out": str(arguments.out) if arguments.out else None,
    }
    return values, _mi_text(model, result, arguments.top)


def _probe_with_bar(arguments: argparse.Namespace, model: Model, tokens: Tensor) -> MIResult:
    with tqdm(unit="pass", file=sys.stderr, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return probe(
            model,
            tokens,
            form=arguments.form,
            mass=arguments.mass,
            min_entropy=arguments.min_entropy,
            directed=arguments.directed,
            progress=show,
        )


def _mi_text(model: Model, result: MIResult, top: int) -> str:
    name = cell_name if model.vocab is VOCAB else str
    lines = [
        f"{result.estimator} ({result.form}) on {model.name}: {int(result.masked.sum())} open positions, "
        f"{result.passes} passes, {result.seconds:.2f} s"
    ]
    lines += [f"  {name(i)} - {name(j)}  {value:.4f} nats" for i, j, value in result.top_pairs(top)]
    return "\n".join(lines)


def _decode(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    tokens = read_input(model, arguments.input, mask=arguments.mask, seed=arguments.seed)
    contestant = contestant_of(arguments.strategy, arguments.param)
    trace = decode(
        model,
        tokens[None],
        contestant.strategy,
        contestant.settings,
        seed=arguments.seed,
        temperature=arguments.temperature,
        min_p=arguments.min_p,
        mi_source=_source(arguments, model, contestant),
    )[0]
    if arguments.trace:
        arguments.trace.write_text(trace.to_json())
    final = torch.tensor(trace.tokens)
    is_board = model.vocab is VOCAB
    valid = is_valid_solution(final) if is_board else None
    values = {
        "output": trace.output,
        "nfe": trace.nfe,
        "steps": [list(step.positions) for step in trace.steps],
        "valid": valid,
        "strategy": trace.strategy,
        "params": trace.settings,
        "mi_source": trace.mi_source,
        "seed": trace.seed,
        "temperature": trace.temperature,
        "min_p": trace.min_p,
    }
    lines = [f"{trace.nfe} passes, {len(trace.steps)} steps" + ("" if valid is None else f", valid: {valid}")]
    lines += [f"step {k + 1}: {step.reason}" for k, step in enumerate(trace.steps)]
    lines.append(format_grid(final) if is_board else trace.output)
    if is_board:
        lines += [
            f"{cell_name(c.first)} and {cell_name(c.second)} are both {c.digit} ({c.unit})" for c in clashes(final)
        ]
    return values, "\n".join(lines)


def _bench_sudoku(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    path = SETS.get(arguments.puzzles, None) or Path(arguments.puzzles)
    puzzles = load_set(path, arguments.limit)
    contestants = _contestants(arguments)
    rows = bench_sudoku(
        model,
        puzzles,
        contestants,
        source_of=lambda contestant: _source(arguments, model, contestant),
        seed=arguments.seed,
        temperature=arguments.temperature,
        min_p=arguments.min_p,
        repeats=arguments.repeats,
        tick=Bar(),
    )
    distinct = ["distinct"] if arguments.repeats > 1 else []
    return rows, _table(rows, ["nfe", "solved", "solved_ci", "valid", *distinct, "n", "seconds"])


def _bench_generate(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    contestants = _contestants(arguments)
    rows = bench_generate(
        model,
        arguments.boards,
        contestants,
        source_of=lambda contestant: _source(arguments, model, contestant),
        seed=arguments.seed,
        temperature=arguments.temperature,
        min_p=arguments.min_p,
        tick=Bar(),
    )
    return rows, _table(rows, ["nfe", "valid", "valid_ci", "distinct", "n", "seconds"])


def _bench_protein(arguments: argparse.Namespace) -> Answer:
    return bench_contacts_command(arguments, _model(arguments), _head(arguments) if arguments.with_head else None)


def _bench_generation(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    contestants = _contestants(arguments)
    return bench_generation_command(
        arguments, model, contestants, lambda contestant: _source(arguments, model, contestant)
    )


def _bench_estimator(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    row = bench_estimator(model, _head(arguments), held_out_states(arguments, model), tick=Bar())
    return row, json.dumps(row, indent=2)


_SPEED_PUZZLES = 10


def _bench_speed(arguments: argparse.Namespace) -> Answer:
    fast = catalog.load_model(arguments.model, weights=arguments.weights, low_precision=True)
    puzzles = load_set(SETS["unique_50_59"], limit=_SPEED_PUZZLES).puzzles
    row = bench_speed(_model(arguments), fast, _head(arguments), puzzles, repeats=arguments.repeats, tick=Bar())
    return row, json.dumps(row, indent=2)


def _bench_cut(arguments: argparse.Namespace) -> Answer:
    count: int = arguments.runs
    starts = {
        "puzzles of 50 to 59 open cells": load_set(SETS["unique_50_59"], limit=count).puzzles,
        "boards with several solutions": load_set(SETS["several"], limit=count).puzzles,
        "the empty board": torch.full((max(1, count // 8), CELLS), VOCAB.mask_id),
    }
    result = bench_cut(_model(arguments), starts, HeadSource(_head(arguments)), tick=Bar())
    lines = ["states met from                     states  open  full   cut  times fewer  mean interval (nats)"]
    lines += [
        f"{row['starts']:34}  {row['states']:6}  {row['open_cells']:4.0f}  {row['full_passes']:4.0f}  "
        f"{row['passes']:4.0f}  {row['fewer']:11.2f}  {row['mean_interval']:20.4f}"
        for row in result["rows"]
    ]
    return result, "\n".join(lines)


def _train_sudoku(arguments: argparse.Namespace) -> Answer:
    from mi_core.training.sudoku_mdm import SudokuTraining, train_sudoku_mdm

    settings = SudokuTraining(
        steps=arguments.steps,
        minutes=arguments.minutes,
        seed=arguments.seed,
        compile=arguments.compile,
        solving=arguments.solving,
        hard=arguments.hard,
        grids=arguments.grids,
        start=str(arguments.start) if arguments.start else None,
    )
    out = train_sudoku_mdm(arguments.out, settings, report=log)
    return {"out": str(out)}, f"Weights written to {out}."


def _report(arguments: argparse.Namespace) -> Answer:
    text = document(arguments.folder)
    return {"markdown": text}, text


def _make_puzzles(arguments: argparse.Namespace) -> Answer:
    make_sets(arguments.out, tick=Bar())
    return {"out": str(arguments.out)}, f"Puzzle sets written to {arguments.out}."


def _model(arguments: argparse.Namespace) -> Model:
    structure, text = getattr(arguments, "structure", None), getattr(arguments, "input", None)
    is_family = arguments.model in (*catalog.FAMILIES, catalog.OWN_FAMILY)
    return catalog.load_model(
        arguments.model,
        weights=arguments.weights,
        low_precision=arguments.low_precision,
        backbone=read_structure(structure).chain(arguments.chain) if structure else None,
        sequence=read_protein(text) if is_family and text else None,
    )


def _head(arguments: argparse.Namespace) -> Any:
    return catalog.load_head(arguments.model, arguments.variant, weights=arguments.head_weights)


def _head_of(arguments: argparse.Namespace) -> Callable[[str], MIHead]:
    return lambda variant: catalog.load_head(arguments.model, variant, weights=arguments.head_weights)


def _bench_estimators(arguments: argparse.Namespace) -> Answer:
    model = _model(arguments)
    if arguments.input:
        states = [read_input(model, arguments.input, mask=arguments.mask, seed=arguments.seed)]
    else:
        states = unseen_states(arguments, model)
    return bench_estimators_command(model, states, _head_of(arguments), Bar())


def _contestants(arguments: argparse.Namespace) -> list[Contestant]:
    """Those of `--sweep` and of every `--strategy`."""
    texts = [*(text for sweep in arguments.sweep for text in SWEEPS[sweep]), *arguments.strategy]
    if not texts:
        raise InputError(f"Name a strategy with --strategy, or all of a comparison with --sweep {'|'.join(SWEEPS)}.")
    return [contestant_of(text) for text in texts]


def contestant_of(text: str, params: Sequence[str] = ()) -> Contestant:
    """`NAME`, `NAME@SOURCE`, either with `:key=value,key=value`, and further `key=value`s, checked at once."""
    name, _, rest = text.partition(":")
    name, _, source = name.partition("@")
    settings: dict[str, Any] = {}
    for item in [*filter(None, rest.split(",")), *params]:
        key, equals, value = item.partition("=")
        if not equals:
            raise SettingError(f"A parameter is written key=value, got {item!r}.")
        settings["lam" if key == "lambda" else key] = value
    rule = get_strategy(name)
    if source and source not in SOURCES:
        raise UnknownName("source", source, SOURCES)
    return Contestant(name, rule.settings(settings), source or None)


SOURCES = ("head", "head-upper", "probing", "gap", "loss", "loss-probing", "tv", "tv-probing", "attention", "structure")


def _source(arguments: argparse.Namespace, model: Model, contestant: Contestant) -> MISource | None:
    """The source a contestant names, else the first kind that its rule works on; `--mi` says which one of MI."""
    kinds = get_strategy(contestant.strategy).pairs
    if not kinds:
        return None
    auto = "head" if model.vocab is VOCAB else "couplings" if isinstance(model, Additive) else "probing"
    of_mi = auto if arguments.mi == "auto" else arguments.mi
    of_tv = "tv" if of_mi == "head" else "tv-probing"
    name = contestant.source or {"mi": of_mi, "tv": of_tv}.get(kinds[0], kinds[0])
    if name == "structure" and model.vocab is not VOCAB:
        raise InputError(f"Only Sudoku has a structure that is known beforehand; {model.name} has none.")
    makers: dict[str, Callable[[], MISource]] = {
        "head": lambda: HeadSource(_head(arguments)),
        "head-upper": lambda: HeadSource(catalog.load_upper(arguments.model)),
        "couplings": CouplingSource,
        "probing": ProbingSource,
        "gap": GapSource,
        "loss": lambda: PointwiseSource(catalog.load_pointwise_head(arguments.model), _head(arguments)),
        "loss-probing": ProbingPointwiseSource,
        "tv": lambda: HeadTVSource(catalog.load_pointwise_head(arguments.model)),
        "tv-probing": TVSource,
        "attention": AttentionSource,
        "structure": lambda: StructureSource(peer_matrix().double()),
    }
    return makers[name]()


def _table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    lines = ["strategy".ljust(32) + "".join(c.rjust(18) for c in columns)]
    for row in rows:
        label = Contestant(row["strategy"], row["params"], row["mi_source"]).label
        lines.append(label.ljust(32) + "".join(str(row[c]).rjust(18) for c in columns))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mi_core", description="Pairwise MI of masked diffusion models.")
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _command(commands, "models", _models, "list models and estimators")
    mi = _command(commands, "mi", _mi, "the MI matrix of one state")
    _add_model(mi)
    _add_input(mi)
    mi.add_argument("--seed", type=int, default=0, help="of a mask that is drawn")
    mi.add_argument("--estimator", choices=NAMES, default="probing")
    mi.add_argument("--param", action="append", default=[], metavar="KEY=VALUE", help="of other estimators")
    mi.add_argument("--form", default="averaged", help=f"one of {', '.join(FORMS)}")
    mi.add_argument("--mass", type=float, default=0.99, help="probability that the tried tokens must carry (1: all)")
    mi.add_argument("--min-entropy", type=float, default=0.0, help="leave out positions with less entropy (nats)")
    mi.add_argument("--directed", action="store_true", help="I_ij with i probed, not the symmetric matrix")
    mi.add_argument("--top", type=int, default=10, help="strongest pairs to print")
    mi.add_argument("--out", type=Path, help="npz file with mi (N,N), entropy (N,), masked (N,) and more")

    one = _command(commands, "decode", _decode, "decode one sequence")
    _add_model(one)
    _add_decoding(one)
    _add_input(one)
    one.add_argument("--strategy", required=True)
    one.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    one.add_argument("--trace", type=Path, help="write every step to this JSON file")
    one.set_defaults(temperature=0.0)

    bench = commands.add_parser("bench", help="measure").add_subparsers(required=True, metavar="WHAT")
    sudoku = _command(bench, "sudoku", _bench_sudoku, "strategies on puzzles")
    _add_model(sudoku)
    _add_decoding(sudoku)
    sudoku.add_argument("--puzzles", default="unique_50_59", help=f"a CSV file or one of {', '.join(SETS)}")
    _add_contestants(sudoku)
    sudoku.add_argument("--limit", type=int)
    sudoku.add_argument("--repeats", type=at_least_one, default=1, help="runs of each puzzle: distinct solutions")
    sudoku.set_defaults(temperature=0.0)
    generate = _command(bench, "generate", _bench_generate, "strategies from the empty board")
    _add_model(generate)
    _add_decoding(generate)
    generate.add_argument("--boards", type=at_least_one, default=200)
    _add_contestants(generate)
    generate.set_defaults(temperature=1.0)
    protein = _command(bench, "protein", _bench_protein, "contacts among the strongest pairs")
    _add_model(protein)
    describe_contacts(protein)
    designed = _command(bench, "protein-generation", _bench_generation, "proteins from nothing, against natural ones")
    _add_model(designed)
    _add_decoding(designed)
    _add_contestants(designed)
    describe_generation(designed)
    estimator = _command(bench, "estimator", _bench_estimator, "the head against probing on unseen states")
    _add_model(estimator)
    describe_held_out(estimator)
    estimators = _command(bench, "estimators", _bench_estimators, "every estimator against the truth, on unseen states")
    _add_model(estimators)
    _add_input(estimators, required=False)
    describe_states(estimators)
    speed = _command(bench, "speed", _bench_speed, "wall-clock ratios in one run")
    _add_model(speed)
    speed.add_argument("--repeats", type=at_least_one, default=3)
    cut = _command(bench, "cut", _bench_cut, "passes that cut probing saves on the states that decoding meets")
    _add_model(cut)
    cut.add_argument("--runs", type=at_least_one, default=32, help="puzzles, and boards with several solutions")
    scored = likelihood.add_commands(commands, bench, _command, _add_model)
    dca = coevolution.add_commands(bench, _command)
    train = commands.add_parser("train", help="make the weights").add_subparsers(required=True, metavar="WHAT")
    tuned = finetune.add_commands(train, bench, _command)
    sampled = samples.add_commands(commands, bench, train, _command)
    heads = _command(bench, "heads", bench_heads_command, "architectures of the MI head, trained alike")
    _add_model(heads)
    describe_study(heads)
    cost = _command(bench, "cost", bench_cost_command, "what labels and head of a published ESM-C take on this machine")
    describe_cost(cost)
    of_models = (cost, sudoku, generate, protein, designed, estimator, estimators, speed, cut, heads)
    for measured in (*of_models, scored, tuned, dca, sampled):
        measured.add_argument("--record", type=Path, help="also store the result with command, date and machine")
        measured.add_argument("--append", action="store_true", help="keep the contestants that this record holds")

    mdm = _command(train, "sudoku-mdm", _train_sudoku, "the Sudoku model, from nothing; resumes")
    mdm.add_argument("--out", type=Path, default=Path("runs/sudoku-mdm.safetensors"))
    mdm.add_argument("--steps", type=at_least_one, default=9_000)
    mdm.add_argument("--minutes", type=float, help="end by working time instead of steps")
    mdm.add_argument("--seed", type=int, default=1)
    mdm.add_argument("--solving", type=float, default=0.5, help="share of puzzles among the training states")
    mdm.add_argument("--hard", type=float, default=0.5, help="share of hard ones among these puzzles")
    mdm.add_argument("--grids", type=at_least_one, default=20_000, help="base grids to generate and train on")
    mdm.add_argument("--start", type=Path, help="go on from these weights, with a new schedule")
    mdm.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    mini = _command(train, "esmc-mini", train_proteins_command, "a small ESM-C on protein families; resumes")
    describe_training(mini)
    mini.add_argument("--out", type=Path, default=Path("runs/esmc-mini.safetensors"))
    family = _command(train, "family", train_family_command, "a linear model of a family of your own, in a minute")
    describe_family_training(family)
    family.add_argument("--out", type=Path, default=Path("runs/family.safetensors"))
    head = _command(train, "head", train_head_command, "the MI head of a model; labels resume")
    _add_model(head)
    head.add_argument("--out", type=Path)
    head.add_argument(
        "--labels", type=Path, action="append", help="folder of label shards, runs/labels; again for several together"
    )
    head.add_argument("--shards", type=at_least_one, default=64, help="shards of 64 states")
    head.add_argument("--label-minutes", type=float)
    head.add_argument("--start", type=Path, help="go on from this head, with a new schedule")
    head.add_argument(
        "--rounds", type=at_least_none, help="path updates, 6 or those of --start; beyond these they begin as nothing"
    )
    head.add_argument("--epochs", type=at_least_one, default=30)
    head.add_argument("--minutes", type=float)
    head.add_argument("--rate", type=float, default=2e-3, help="learning rate; smaller where the loss gets stuck")
    head.add_argument(
        "--symmetries",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a new symmetry of the game for each board of a batch; without, the labels as they were probed",
    )
    head.add_argument("--seed", type=int, default=3)

    pointwise = _command(train, "pointwise", train_pointwise_command, "what tells how two drawn tokens go together")
    pointwise.add_argument("--model", default="sudoku")
    pointwise.add_argument("--weights", type=Path)
    describe_pointwise(pointwise)

    labels = _command(commands, "labels", make_labels_command, "probed MI of many states, to train a head on; resumes")
    _add_model(labels)
    describe_labels(labels)

    report = _command(commands, "report", _report, "the stored benchmark results as docs/measured.md shows them")
    report.add_argument("--folder", type=Path, default=catalog.ASSETS / "results")
    make = _command(commands, "make-puzzles", _make_puzzles, "make the shipped puzzle sets again")
    make.add_argument("--out", type=Path, default=Path("assets/data"))
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.set_defaults(run=run)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="sudoku", help="a name from `models`")
    parser.add_argument("--weights", type=Path, help="another weight file for the model")
    parser.add_argument("--low-precision", action="store_true", help="multiply in bfloat16: faster, noise near 1e-3")
    parser.add_argument("--variant", choices=catalog.HEADS, default=catalog.HEADS[0], help="which head")
    parser.add_argument("--head-weights", type=Path, help="another weight file for the head")


def _add_input(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument(
        "--input",
        required=required,
        help="a board (81 characters, . or 0 where open), a protein sequence or a FASTA file",
    )
    parser.add_argument("--mask", metavar="10-30,45|all|ratio:.5", help="residues to open, counted from 1")
    parser.add_argument("--structure", type=Path, help="PDB or mmCIF file of the backbone, for model proteinmpnn")
    parser.add_argument("--chain", help="its chain; the first if left out")


def _add_decoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mi", choices=["auto", "head", "couplings", "probing"], default="auto", help="source of MI")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, help="0: the likeliest token; else draw from p^(1/temperature)")
    parser.add_argument(
        "--min-p", type=float, default=0.0, help="never draw a token below this share of the likeliest one's chance"
    )


def _add_contestants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategy", action="append", default=[], metavar="NAME[@SOURCE]:key=value,...")
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        choices=list(SWEEPS),
        help="the settings of a shipped comparison; again for more",
    )
