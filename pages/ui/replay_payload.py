"""A decoding trace as plain values for the replay component, and as files. No streamlit here.

A payload holds a list of runs, so that two runs can stand on one timeline. Steps count from 1 in texts and from 0 in
lists; cells are 0..80.
"""

import csv
import hashlib
import io
import json
from typing import Any

from mi_core.comparison import Divergence, divergence
from mi_core.decoding import DecodeStep, DecodeTrace
from mi_core.game import PLAYER
from mi_core.postmortem import ClashCause, Outcome, outcome, post_mortem
from mi_core.strategies import STRATEGIES
from mi_core.sudoku.board import cell_name

Json = dict[str, Any]
SHOWN = 4  # cells named in a sentence
MASS = 1000  # marginals travel as whole thousandths


SYNC = ("cells", "passes")  # what two runs are matched by


def one_run(run: Json, *, step: int | None = None) -> Json:
    """All frames of a run (`run_payload`), and the step to open at (None: the first)."""
    return {"runs": [run], "step": step, "sync": SYNC[0], "divergence": None}


def two_runs(
    traces: tuple[DecodeTrace, DecodeTrace], runs: tuple[Json, Json], *, step: int | None = None, sync: str = SYNC[0]
) -> Json:
    """Two runs of one board on one timeline, with where they part.

    Args:
        runs: `run_payload` of each trace.
        step: the place on the timeline to open at, None for the first.
        sync: one of `SYNC`.

    Raises:
        InputError: the runs start from different boards.
    """
    parted = divergence(*traces)
    marked = [run | {"parted": _parted(parted, side)} for side, run in enumerate(runs)]
    return {"runs": marked, "step": step, "sync": sync, "divergence": None if parted is None else _divergence(parted)}


def _divergence(parted: Divergence) -> Json:
    """The first other choice and the first other digit: what to say, and the step of each run to go to."""
    choice = [_only("A", parted.only_first), _only("B", parted.only_second)]
    said = " ".join(filter(None, choice)) or "The same cells, but not the same digits or not all of them kept."
    token = parted.token
    if token is None:
        return {"choice": {"steps": [parted.step] * 2, "text": said}, "token": None}
    one, other = (token_ + 1 for token_ in token.tokens)
    text = (
        f"{cell_name(token.position)} ends as {one} in A (step {token.steps[0] + 1}) "
        f"and as {other} in B (step {token.steps[1] + 1})."
    )
    return {
        "choice": {"steps": [parted.step] * 2, "text": said},
        "token": {"steps": list(token.steps), "text": text},
    }


def _only(side: str, cells: tuple[int, ...]) -> str:
    if not cells:
        return ""
    named = ", ".join(cell_name(cell) for cell in cells[:SHOWN])
    return f"Only {side} commits {named}{f' and {len(cells) - SHOWN} more' if len(cells) > SHOWN else ''}."


def _parted(parted: Divergence | None, side: int) -> Json | None:
    """What one board marks: cells that only its run commits in that step, and the first that ends otherwise."""
    if parted is None:
        return None
    token = None if parted.token is None else {"cell": parted.token.position, "step": parted.token.steps[side]}
    return {"step": parted.step, "cells": list((parted.only_first, parted.only_second)[side]), "token": token}


def run_payload(trace: DecodeTrace) -> Json:
    """One run: its steps, its clashes, how it ended.

    Raises:
        FormatError: the trace is not one of a Sudoku board.
    """
    causes, end = post_mortem(trace), outcome(trace)
    done = 0
    steps = []
    for step in trace.steps:
        done += step.passes
        steps.append(_step(step, done))
    return {
        "id": hashlib.sha256(trace.to_json().encode()).hexdigest()[:16],
        "title": strategy_title(trace),
        "unit": "of variation" if trace.mi_source == "probing-tv" else "nats",
        "knobs": describe(trace),
        "mi_source": trace.mi_source if records_mi(trace) else None,
        "start": trace.text(trace.start),
        "steps": steps,
        "states": [trace.text(state) for state in trace.states],
        "clashes": [_clash(cause) for cause in causes],
        "wrong": list(end.wrong),
        "lost_at": end.lost_at,
        "nfe": trace.nfe,
        "sequential": trace.start.count(len(trace.symbols)),
        "valid": end.valid,
        "verdict": verdict(end, len(causes)),
        "mi_max": max((mi for step in trace.steps for _, _, mi in step.pair_mi), default=0.0),
    }


def strategy_title(trace: DecodeTrace) -> str:
    """The registry's title; the bare name of a strategy that this version does not know."""
    if trace.strategy == PLAYER:
        return "You"
    return STRATEGIES[trace.strategy].title if trace.strategy in STRATEGIES else trace.strategy


def describe(trace: DecodeTrace) -> str:
    """Parameters, MI source, temperature and seed in one line."""
    parts = [f"{name} {value:g}" for name, value in trace.settings.items()]
    parts += [source_name(trace.mi_source)] if trace.mi_source else []
    parts += [f"sampled, temperature {trace.temperature:g}, seed {trace.seed}"] if trace.temperature else ["greedy"]
    return ", ".join(parts)


NO_MI = {
    "probing-tv": "variation from probing",
    "attention": "joined by attention",
    "structure": "joined by the rules of the game",
}


def records_mi(trace: DecodeTrace) -> bool:
    """Whether the pair values of a trace are MI; those of attention or of a fixed graph are not."""
    return trace.mi_source is not None and trace.mi_source not in NO_MI


def source_name(source: str) -> str:
    """A source as a person reads it."""
    known = {"probing": "MI from probing", "probing-gap": "MI + gap from probing", **NO_MI}
    return known.get(source, f"MI from the {source.removeprefix('head-')} head")


def _step(step: DecodeStep, passes_so_far: int) -> Json:
    return {
        "cells": list(step.positions),
        "digits": [token + 1 for token in step.tokens],
        "confidence": _rounded(step.confidence),
        "entropy": _rounded(step.entropy),
        "marginals": [[round(MASS * p) for p in row] for row in step.marginals],
        "pairs": [[i, j, round(mi, 5)] for i, j, mi in step.pair_mi],
        "revoked": list(step.revoked),
        "reason": step.reason,
        "spent": step.spent,
        "budget": step.budget,
        "passes": step.passes,
        "passes_so_far": passes_so_far,
    }


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 5) for value in values]


def _clash(cause: ClashCause) -> Json:
    return {
        "first": cause.first,
        "second": cause.second,
        "digit": cause.digit,
        "unit": cause.unit,
        "step": cause.step,
        "together": cause.together,
        "text": clash_text(cause),
    }


def clash_text(cause: ClashCause) -> str:
    """What clashed, when, and whether dependence is to blame."""
    pair = f"{cell_name(cause.first)} and {cell_name(cause.second)} both {cause.digit} ({cause.unit})"
    if cause.step is None:
        return f"{pair}: both given."
    if cause.together:
        mi = "MI was not recorded" if cause.mi is None else f"their MI then was {cause.mi:.3f} nats"
        return f"{pair}: committed together in step {cause.step + 1}; {mi}."
    if None in (cause.step_first, cause.step_second):
        return f"{pair}: step {cause.step + 1} contradicts a given digit. Not a matter of dependence: the model erred."
    early, late = sorted((cause.step_first or 0, cause.step_second or 0))
    return (
        f"{pair}: committed in different steps ({early + 1} and {late + 1}). "
        "Not a matter of dependence: the model itself erred."
    )


def verdict(end: Outcome, clashes: int) -> str:
    """What to say beside "valid" or "not valid"."""
    if end.solved:
        return "Equal to the only solution."
    if end.valid:
        return "One of several solutions."
    found = f"{clashes} clash" if clashes == 1 else f"{clashes} clashes" if clashes else "Not complete"
    return f"{found}; {len(end.wrong)} cells differ from the only solution." if end.wrong else f"{found}."


# Files


def steps_csv(trace: DecodeTrace) -> str:
    """One line a committed cell: step, cell, digit, confidence, entropy before, passes so far, MI sum and budget."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["step", "cell", "digit", "confidence", "entropy", "passes_so_far", "sum_mi_of_step", "spent", "budget"]
    )
    done = 0
    for number, step in enumerate(trace.steps, 1):
        done += step.passes
        total = sum(mi for _, _, mi in step.pair_mi) if records_mi(trace) else ""
        for cell, token, confidence in zip(step.positions, step.tokens, step.confidence, strict=True):
            row = [number, cell_name(cell), trace.symbols[token], confidence, step.entropy[cell]]
            writer.writerow([*row, done, total, *("" if v is None else v for v in (step.spent, step.budget))])
    return out.getvalue()


def standalone_html(data: Json, js: str, css: str) -> str:
    """The replay as one file that any browser opens without this program or a network."""
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # so that no text can close the script
    body = js.replace("export default function", "function replay", 1)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Decoding replay</title>'
        f"<style>{PAGE_CSS}{css}</style><main id=replay></main><script>{body}\n"
        f"replay({{data: {text}, parentElement: document.getElementById('replay')}});</script></html>\n"
    )


PAGE_CSS = (
    ":root{color-scheme:light dark;--st-font:system-ui,sans-serif}"
    "body{margin:0 auto;padding:1rem;max-width:1400px}"
    "@media (prefers-color-scheme:dark){:root{--st-background-color:#0e1117;--st-secondary-background-color:#262730;"
    "--st-text-color:#fafafa;--st-border-color:#4a4c56;--st-primary-color:#56B4E9}body{background:#0e1117}}"
)
