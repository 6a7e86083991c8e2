"""The command `bench dca`: what alignments alone say about the pairs of the examples."""

import argparse
from pathlib import Path
from typing import Any

from mi_core.benchmarks.coevolution import family_scores
from mi_core.errors import InputError
from mi_core.proteins.families import read_family
from mi_core.proteins.presets import load_preset

Answer = tuple[Any, str]


def add_commands(bench: Any, command: Any) -> argparse.ArgumentParser:
    """Register it; gives its parser."""
    parser: argparse.ArgumentParser = command(bench, "dca", _dca, "mean-field couplings of families of the examples")
    parser.add_argument(
        "--family",
        action="append",
        required=True,
        metavar="EXAMPLE=ALIGNMENT",
        help="an example that ships and an alignment of its family (FASTA, A2M, Stockholm); again for more",
    )
    return parser


def _dca(arguments: argparse.Namespace) -> Answer:
    found, lines = {}, []
    for entry in arguments.family:
        example, mark, file = entry.partition("=")
        if not mark:
            raise InputError(f"Write an example and its alignment as EXAMPLE=FILE, not {entry!r}.")
        family = Path(file)
        name = family.name.partition(".")[0].partition("_")[0]
        scores = family_scores(read_family(family), load_preset(example), name=name)
        found[example] = scores.to_json()
        lines.append(
            f"{example}: {name}, {scores.sequences:,} sequences ({scores.effective:,.0f} effective), "
            f"{len(scores.residues)} residues have a column, nearest sequence {scores.identity:.0%} identical"
        )
    return found, "\n".join(lines)
