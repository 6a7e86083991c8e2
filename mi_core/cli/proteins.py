"""The commands around protein families: `bench protein`, `bench protein-generation`, `train family|esmc-mini`."""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mi_core.benchmarks.coupling import Case, MapRecipe, bench_contacts, chain_case, family_case
from mi_core.benchmarks.evaluation import Contestant, SourceOf
from mi_core.benchmarks.generation import bench_generation
from mi_core.cli.output import Bar, at_least_one, log
from mi_core.errors import InputError, SettingError
from mi_core.head import MIHead
from mi_core.models.family import FamilyModel
from mi_core.models.placed import place
from mi_core.models.protocol import Model
from mi_core.proteins.structure import read_structure

Answer = tuple[Any, str]
STEPS = 6_000  # a quarter of a million sequences
_MOST = 2_000  # natural sequences
_MANY = 10_000_000  # steps, for a run that ends by the clock


# bench protein


def describe_contacts(parser: argparse.ArgumentParser) -> None:
    """The options of `bench protein` beside those of the model."""
    parser.add_argument(
        "--family",
        action="append",
        default=[],
        metavar="ALIGNMENT,STRUCTURE[,mapping=FILE][,chain=A][,row=NAME]",
        help="a family and the structure of one member; compared with direct coupling analysis",
    )
    parser.add_argument(
        "--structure", dest="structures", type=Path, action="append", default=[], help="one without a family"
    )
    recipe = MapRecipe()
    parser.add_argument("--masks", type=at_least_one, default=recipe.masks, help="states that a map is the mean of")
    parser.add_argument("--rows", type=at_least_one, default=recipe.rows, help="of its family, taking turns; 1: itself")
    parser.add_argument("--ratio", type=float, default=recipe.ratio, help="share of the residues hidden in each")
    parser.add_argument("--mass", type=float, default=recipe.mass, help="probability that the tried tokens must carry")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--with-head", action="store_true", help="also the map of the MI head")
    parser.set_defaults(model="esmc-mini")


def bench_contacts_command(arguments: argparse.Namespace, model: Model, head: MIHead | None) -> Answer:
    """`bench protein`: the strongest pairs of a map against the contacts of a structure."""
    rows: list[dict[str, Any]] = []
    for case in _cases(arguments):
        bar = Bar()

        def show(done: int, total: int, bar: Bar = bar, name: str = case.name) -> None:
            bar(done, total, name)

        recipe = MapRecipe(arguments.masks, arguments.ratio, arguments.mass, arguments.seed, arguments.rows)
        # Without an alignment nobody says in which columns the residues lie.
        asked = place(model, case.tokens) if isinstance(model, FamilyModel) and case.family is None else model
        rows += bench_contacts(asked, case, recipe, head=head, progress=show)
    lines = ["family        L  route            APC    L/5   L/2     L  chance"]
    for row in rows:
        scores = "".join(f"{row[key]:6.2f}" for key in ("p_l5", "p_l2", "p_l", "chance"))
        lines.append(
            f"{row['family']:10.10} {row['l']:4}  {row['route']:15}  {'yes' if row['apc'] else 'no ':3} {scores}"
        )
    return rows, "\n".join(lines)


def _cases(arguments: argparse.Namespace) -> Iterator[Case]:
    if not arguments.family + arguments.structures:
        raise InputError("Name a family with --family ALIGNMENT,STRUCTURE or a structure with --structure.")
    for text in arguments.family:
        alignment, structure, *rest = text.split(",") if "," in text else (text, "")
        options = dict(part.partition("=")[::2] for part in filter(None, rest))
        unknown = set(options) - {"mapping", "chain", "row"}
        if unknown or not structure:
            raise SettingError(f"--family is ALIGNMENT,STRUCTURE[,mapping=FILE][,chain=A][,row=NAME], got {text!r}.")
        mapping = Path(options["mapping"]) if "mapping" in options else None
        yield family_case(
            Path(alignment), Path(structure), chain_id=options.get("chain"), mapping=mapping, row=options.get("row")
        )
    for path in arguments.structures:
        yield chain_case(path.name.split(".")[0], read_structure(path).chain())


# bench protein-generation


def describe_generation(parser: argparse.ArgumentParser) -> None:
    """The options of `bench protein-generation` beside those of the model and of decoding."""
    parser.add_argument("--samples", type=at_least_one, default=500)
    parser.add_argument("--lengths", type=_lengths, default=(50, 100), metavar="50-100", help="residues of a sample")
    parser.add_argument(
        "--alignment", type=Path, action="append", default=[], help="its held-out sequences are the reference"
    )
    parser.add_argument("--reference", type=Path, help="FASTA of natural sequences to be held against instead")
    parser.add_argument("--split", type=int, default=1, help="the seed of `train`, so that the same are held out")
    parser.set_defaults(model="esmc-mini", temperature=1.0)


def bench_generation_command(
    arguments: argparse.Namespace, model: Model, contestants: Sequence[Contestant], source_of: SourceOf
) -> Answer:
    """`bench protein-generation`: passes, and divergences from natural sequences."""
    from mi_core.training.protein_data import alignments_in, reference_of, sequences_in

    if bool(arguments.alignment) == bool(arguments.reference):
        raise InputError("Name what is natural: alignments with --alignment, or sequences with --reference.")
    if arguments.reference:
        natural = sequences_in(arguments.reference)
    else:
        files = alignments_in(arguments.alignment)
        natural = reference_of(files, _MOST, arguments.lengths, seed=arguments.split)
    rows = bench_generation(
        model,
        natural,
        contestants,
        samples=arguments.samples,
        lengths=arguments.lengths,
        source_of=source_of,
        seed=arguments.seed,
        temperature=arguments.temperature,
        min_p=arguments.min_p,
        tick=Bar(),
    )
    lines = ["strategy".ljust(32) + "  passes  letters    pairs  likelihood"]
    for row in rows:
        name = "natural sequences"
        if row["strategy"]:
            name = Contestant(row["strategy"], row["params"], row["mi_source"]).label
        passes = f"{row['nfe']:8.1f}" if row["nfe"] else "       -"
        lines.append(
            f"{name:32}{passes} {row['jsd_letters']:8.4f} {row['jsd_pairs']:8.4f} {row['jsd_likelihood']:11.4f}"
        )
    return rows, "\n".join(lines)


# train family, train esmc-mini


def describe_family_training(parser: argparse.ArgumentParser) -> None:
    """The options of `train family`."""
    from mi_core.training.family import FamilyTraining

    usual = FamilyTraining()
    parser.add_argument("--alignment", type=Path, required=True, help="FASTA, A2M or Stockholm")
    parser.add_argument("--steps", type=at_least_one, default=usual.steps)
    parser.add_argument("--seed", type=int, default=usual.seed)


def train_family_command(arguments: argparse.Namespace) -> Answer:
    """`train family`: the linear model of one alignment."""
    from mi_core.training.family import FamilyTraining, train_family

    settings = FamilyTraining(steps=arguments.steps, seed=arguments.seed)
    train_family(arguments.out, arguments.alignment, settings, report=log)
    return {"out": str(arguments.out)}, f"Weights written to {arguments.out}."


def describe_training(parser: argparse.ArgumentParser) -> None:
    """The options of `train esmc-mini`."""
    from mi_core.training.proteins import ProteinTraining

    usual = ProteinTraining()
    parser.add_argument(
        "--alignment", type=Path, action="append", required=True, help="FASTA, A2M or Stockholm, or a folder of them"
    )
    parser.add_argument("--general", type=Path, help="FASTA of sequences of any kind, a tenth of what is drawn")
    parser.add_argument("--leave-out", action="append", default=[], metavar="FAMILY", help="never trained on")
    parser.add_argument("--aligned", type=float, default=0.5, metavar="SHARE", help="of the rows that keep their gaps")
    parser.add_argument("--start", type=Path, help="go on from these weights, with a new schedule")
    parser.add_argument("--steps", type=at_least_one, help=f"{STEPS}, where neither these nor minutes are given")
    parser.add_argument("--minutes", type=float, help="end by working time instead of steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    parser.add_argument("--rows", type=at_least_one, default=usual.rows, help="of a batch, 256 tokens each")
    parser.add_argument("--teaching", type=float, default=usual.teaching, help="share of the loss; 0: no teacher")
    parser.add_argument("--rate", type=float, default=usual.rate_muon, help="learning rate of the matrices")
    parser.add_argument("--width", type=at_least_one, default=usual.d_model)
    parser.add_argument("--heads", type=at_least_one, default=usual.n_heads)
    parser.add_argument("--layers", type=at_least_one, default=usual.n_layers)


def train_proteins_command(arguments: argparse.Namespace) -> Answer:
    """`train esmc-mini`."""
    from mi_core.training.protein_data import alignments_in, corpus_of, sample_of
    from mi_core.training.proteins import ProteinTraining, train_protein_model

    corpus, held = corpus_of(
        alignments_in(arguments.alignment),
        general=arguments.general,
        aligned_share=arguments.aligned,
        left_out=arguments.leave_out,
        seed=arguments.seed,
    )
    settings = ProteinTraining(
        steps=arguments.steps or (STEPS if arguments.minutes is None else _MANY),
        minutes=arguments.minutes,
        seed=arguments.seed,
        compile=arguments.compile,
        rows=arguments.rows,
        rate_muon=arguments.rate,
        teaching=arguments.teaching,
        d_model=arguments.width,
        n_heads=arguments.heads,
        n_layers=arguments.layers,
        start=str(arguments.start) if arguments.start else None,
    )
    out = train_protein_model(arguments.out, corpus, sample_of(held, 200), settings, report=log)
    return {"out": str(out)}, f"Weights written to {out}."


def _lengths(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if not found or not 2 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"write shortest-longest, as in 50-100, not {text!r}")
    return int(found[1]), int(found[2])
