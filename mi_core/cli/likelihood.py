"""The commands `likelihood`, `ratio`, `differential` and `bench likelihood`."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from mi_core import catalog, differential
from mi_core.errors import InputError
from mi_core.inputs import read_positions, read_sequence
from mi_core.likelihood import (
    METHODS,
    PASSES,
    Estimate,
    Question,
    Ratio,
    ask,
    curve,
    estimate,
    exact_nll,
    log_ratio,
    model_log_ratio,
    race,
)
from mi_core.likelihood.question import Progress
from mi_core.models.protocol import Model
from mi_core.sudoku.board import VOCAB, cell_name
from mi_core.tuning import masked_state, mutant_values, token_rows

Answer = tuple[Any, str]
AddCommand = Callable[..., argparse.ArgumentParser]  # (commands, name, handler, text)
AddModel = Callable[[argparse.ArgumentParser], None]


def add_commands(commands: Any, bench: Any, command: AddCommand, add_model: AddModel) -> argparse.ArgumentParser:
    """Register all four; gives the parser of `bench likelihood`."""
    one = command(commands, "likelihood", _likelihood, "how likely a model finds a sequence")
    add_model(one)
    _add_question(one)
    one.add_argument("--curve", action="store_true", help="also the I-MDCE curve, from as many passes again")

    two = command(commands, "ratio", _ratio, "the log-ratio of two sequences, or of two models on one")
    add_model(two)
    _add_question(two)
    _add_other(two)
    two.add_argument("--decoupled", action="store_true", help="other masks for each side, for comparison")
    two.add_argument("--whole", action="store_true", help="score all targets, not only those that differ")

    changed = command(commands, "differential", _differential, "what an update of a model changed")
    add_model(changed)
    _add_question(changed)
    _add_other(changed)
    changed.add_argument("--mi", action="store_true", help="also how the MI of the masked targets moved (probing)")
    changed.add_argument("--top", type=int, default=5, help="mutants and pairs to print")

    measured = command(bench, "likelihood", _bench, "the estimators' variance per pass; coupled against decoupled")
    add_model(measured)
    _add_question(measured)
    _add_other(measured)
    return measured


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", required=True, help="the sequence to score: a filled board, a protein, symbols")
    parser.add_argument("--given", metavar="BOARD", help="a board or sequence whose filled positions are the context")
    parser.add_argument("--context", metavar="1-4,9", help="positions that are given, counted from 1")
    parser.add_argument("--target", metavar="1-4,9", help="positions to score; all others that hold a symbol")
    parser.add_argument("--method", choices=list(METHODS), help="default: chain where the passes allow it")
    parser.add_argument("--passes", type=int, default=PASSES, help="forward passes to spend (for each side of a ratio)")
    parser.add_argument("--seed", type=int, default=0)


def _add_other(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", metavar="SEQUENCE", help="the second sequence")
    parser.add_argument("--reference", metavar="MODEL", help="the model to compare with")
    parser.add_argument("--reference-weights", type=Path, help="another weight file for it")


def _likelihood(arguments: argparse.Namespace) -> Answer:
    model, question = _asked(arguments)
    with _bar() as show:
        found = estimate(model, question, progress=show, **_options(arguments))
    exact = exact_nll(model, question)
    values = found.to_json() | {"exact": exact}
    lines = [_words(found), *_largest(model, found.target, found.contributions.tolist())]
    if exact is not None:
        lines.insert(1, f"exact: {exact:.6f} nats")
    if arguments.curve:
        rounds = max(2, arguments.passes // len(question.target))
        with _bar() as show:
            values["curve"] = curve(model, [question], rounds=rounds, seed=arguments.seed, progress=show).rows()
        lines += [f"  level {r['level']:.2f}  I = {r['information']:.4f} nats" for r in values["curve"][::10]]
    return values, "\n".join(lines)


def _words(found: Estimate) -> str:
    error = "" if found.standard_error is None else f" +- {found.standard_error:.4f}"
    spread = f", spread over orders {found.spread:.4f}" if found.method == "chain" and found.spread is not None else ""
    return (
        f"-log p = {found.nll:.4f}{error} nats for {len(found.target)} targets ({found.method} on {found.model}, "
        f"{found.passes} passes{spread}, {found.seconds:.2f} s)"
    )


def _largest(model: Model, positions: tuple[int, ...], values: list[float], count: int = 5) -> list[str]:
    ranked = sorted(zip(positions, values, strict=True), key=lambda pair: -abs(pair[1]))
    return [f"  {_name(model, i)}  {value:+.4f} nats" for i, value in ranked[:count]]


def _ratio(arguments: argparse.Namespace) -> Answer:
    model, question = _asked(arguments)
    options = _options(arguments) | {"coupled": not arguments.decoupled}
    if bool(arguments.against) == bool(arguments.reference):
        raise InputError("A ratio is of two sequences (--against) or of two models (--reference), one of the two.")
    with _bar() as show:
        if arguments.against:
            other = read_sequence(model, arguments.against)
            found = log_ratio(model, question, other, shortcut=not arguments.whole, progress=show, **options)
        else:
            found = model_log_ratio(model, _reference(arguments), question, progress=show, **options)
    what = "log p(against)/p(input)" if arguments.against else f"log {' / '.join(found.models)}"
    return found.to_json(), "\n".join([_ratio_words(what, found), *_parts(model, found)])


def _ratio_words(what: str, found: Ratio) -> str:
    error = "" if found.standard_error is None else f" +- {found.standard_error:.4f}"
    how = "coupled" if found.coupled else "decoupled"
    return f"{what} = {found.log_ratio:+.4f}{error} nats ({found.method}, {how}, {found.passes} passes)"


def _parts(model: Model, found: Ratio) -> list[str]:
    return _largest(model, found.target, found.contributions.tolist())


def _differential(arguments: argparse.Namespace) -> Answer:
    if not arguments.reference:
        raise InputError("Name the model before the update with --reference (and --reference-weights).")
    model, question = _asked(arguments)
    reference, options = _reference(arguments), _options(arguments)
    with _bar() as show:
        gained = differential.reward(model, reference, question, progress=show, **options)
    masked = masked_state(model, question)
    shift = differential.token_shift(model, reference, masked)
    mutants = differential.mutant_shift(model, reference, question)
    values: dict[str, Any] = {
        "reward": gained.to_json(),
        "tokens": token_rows(shift, model.vocab.symbols),
        "mutants": mutant_values(mutants, model.vocab.symbols, arguments.top),
        "margin": None,
        "mi_change": None,
    }
    lines = [_ratio_words("reward", gained), *_parts(model, gained)]
    lines.append(
        f"single mutants: H(q) = {mutants.entropy:.4f} of ln {mutants.size}, KL = {mutants.kl:.4f} nats; mean KL of an "
        f"open position {float(shift.kl.mean()):.4f} nats, mean H(q_i) {float(shift.entropy.mean()):.4f}"
    )
    lines += [
        f"  {_name(model, m['position'] - 1)} {m['token']}  {m['reward']:+.4f} nats" for m in values["mutants"]["top"]
    ]
    if arguments.against:
        other = read_sequence(model, arguments.against)
        margin = differential.preference_margin(model, reference, question, other, **options)
        values["margin"] = margin.to_json()
        lines.append(_ratio_words("margin over --against", margin))
    if arguments.mi:
        pairs, words = _mi_rows(model, reference, masked, arguments.top)
        values["mi_change"], lines = pairs, lines + words
    return values, "\n".join(lines)


def _mi_rows(model: Model, reference: Model, tokens: torch.Tensor, top: int) -> tuple[list[Any], list[str]]:
    with _bar() as show:
        moved = differential.mi_change(model, reference, tokens, progress=show)
    pairs = moved.top_pairs(top)
    words = [
        f"  {_name(model, i)} - {_name(model, j)}  MI {change:+.4f} nats{'' if real else ' (within the noise floors)'}"
        for i, j, change, real in pairs
    ]
    return [[i + 1, j + 1, change, real] for i, j, change, real in pairs], ["largest changes of MI:", *words]


def _bench(arguments: argparse.Namespace) -> Answer:
    model, question = _asked(arguments)
    with _bar() as show:
        run = race(model, question, passes=arguments.passes, seed=arguments.seed, progress=show)
    coupling = _coupling(arguments, model, question)
    lines = ["method              -log p        +-  passes  variance x passes"]
    for e in run.entries:
        error, variance = (_number(value) for value in (e.standard_error, e.variance_per_pass))
        lines.append(f"{e.method:16} {e.nll:9.4f} {error:>9} {e.passes:7} {variance:>18}")
    if run.exact is not None:
        lines.append(f"{'exact':16} {run.exact:9.4f}")
    for row in coupling:
        lines.append(
            f"{row['kind']}, {row['method']}: variance decoupled / coupled = {_number(row['gain'])} "
            f"({_number(row['decoupled'])} / {_number(row['coupled'])})"
        )
    targets = len(question.target)
    return run.to_json() | {"model": model.name, "targets": targets, "coupling": coupling}, "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _coupling(arguments: argparse.Namespace, model: Model, question: Question) -> list[dict[str, Any]]:
    """Variance times passes of a ratio with shared and with separate masks, for what there is to compare with."""
    kinds: dict[str, Callable[..., Ratio]] = {}
    if arguments.against:
        other = read_sequence(model, arguments.against)
        kinds["two sequences"] = lambda **options: log_ratio(model, question, other, shortcut=False, **options)
    if arguments.reference:
        reference = _reference(arguments)
        kinds["two models"] = lambda **options: model_log_ratio(model, reference, question, **options)
    rows = []
    for kind, measure in kinds.items():
        for method in ("uniform-k", "time-free"):
            options = {"method": method, "passes": arguments.passes, "seed": arguments.seed}
            both = [measure(coupled=c, **options).variance_per_pass for c in (True, False)]
            gain = both[1] / both[0] if both[0] and both[1] is not None else None
            rows.append({"kind": kind, "method": method, "coupled": both[0], "decoupled": both[1], "gain": gain})
    return rows


def _asked(arguments: argparse.Namespace) -> tuple[Model, Question]:
    model = catalog.load_model(arguments.model, weights=arguments.weights, low_precision=arguments.low_precision)
    tokens = read_sequence(model, arguments.input)
    context = set(read_positions(arguments.context, len(tokens)) if arguments.context else ())
    if arguments.given:
        given = read_sequence(model, arguments.given)
        if len(given) != len(tokens):
            raise InputError(f"--given has {len(given)} positions and --input {len(tokens)}; both need the same.")
        shown = given != model.vocab.mask_id
        if not torch.equal(given[shown], tokens[shown]):
            raise InputError("--given and --input differ where both hold a symbol.")
        context |= set(shown.nonzero()[:, 0].tolist())
    target = read_positions(arguments.target, len(tokens)) if arguments.target else None
    return model, ask(model, tokens, target=target, context=sorted(context))


def _reference(arguments: argparse.Namespace) -> Model:
    return catalog.load_model(arguments.reference, weights=arguments.reference_weights)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"method": arguments.method, "passes": arguments.passes, "seed": arguments.seed}


def _name(model: Model, position: int) -> str:
    return cell_name(position) if model.vocab is VOCAB else f"{position + 1}"


@contextmanager
def _bar() -> Iterator[Progress]:
    with tqdm(unit="pass", file=sys.stderr, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
