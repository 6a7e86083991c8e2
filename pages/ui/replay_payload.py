"""A decoding trace as plain values for the replay component, and as files. No streamlit here.

A payload holds a list of runs, so that two runs can stand on one timeline. Steps count from 1 in texts and from 0 in
lists. What is decoded, and how it ended, is said by `replay_board` and `replay_protein`.
"""

import csv
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from typing import Any

from mi_core.comparison import Divergence, divergence
from mi_core.decoding import DecodeStep, DecodeTrace
from mi_core.game import PLAYER
from mi_core.information import max_entropy
from mi_core.strategies import STRATEGIES

Json = dict[str, Any]
SHOWN = 4  # positions named in a sentence
MASS = 1000  # marginals travel as whole thousandths
SYNC = ("committed", "passes")  # what two runs are matched by


@dataclass(frozen=True)
class Words:
    """What the replay calls things."""

    whole: str
    one: str
    many: str
    symbol: str
    start: str  # what is seen before the first step
    legend: str


@dataclass(frozen=True, kw_only=True)
class About:
    """What was decoded and how it ended, for the browser."""

    kind: str  # which stage draws it
    names: list[str]  # of the positions
    words: Words
    facts: list[list[str | int]]  # name, value, note
    tag: str  # what a pair of `tagged` is called
    tagged: list[list[int]]
    clashes: list[Json]
    wrong: list[int]
    lost_at: int | None = None
    letters: str = ""  # what the sequence is in nature
    labels: list[str] | None = None  # numbers on screen
    structure: Json | None = None


def one_run(run: Json, *, step: int | None = None, prefix: str = "re") -> Json:
    """All frames of a run (`run_payload`), and the step to open at (None: the first).

    Args:
        prefix: of what the browser writes into the address.
    """
    return {"runs": [run], "step": step, "sync": SYNC[0], "divergence": None, "keys": _keys(prefix)}


def _keys(prefix: str) -> Json:
    return {"step": f"{prefix}_step", "sync": f"{prefix}_sync"}


def two_runs(
    traces: tuple[DecodeTrace, DecodeTrace],
    runs: tuple[Json, Json],
    *,
    step: int | None = None,
    sync: str = SYNC[0],
    prefix: str = "re",
) -> Json:
    """Two runs of one start on one timeline, with where they part.

    Args:
        runs: `run_payload` of each trace.
        step: the place on the timeline to open at, None for the first.
        sync: one of `SYNC`.
        prefix: of what the browser writes into the address.

    Raises:
        InputError: the runs start from different sequences.
    """
    parted = divergence(*traces)
    marked = [run | {"parted": _parted(parted, side)} for side, run in enumerate(runs)]
    told = None if parted is None else _divergence(parted, runs[0])
    return {"runs": marked, "step": step, "sync": sync, "divergence": told, "keys": _keys(prefix)}


def _divergence(parted: Divergence, run: Json) -> Json:
    """The first other choice and the first other symbol: what to say, and the step of each run to go to."""
    names, words = run["names"], run["words"]
    choice = [_only("A", parted.only_first, names), _only("B", parted.only_second, names)]
    same = f"The same {words['many']}, but not the same {words['symbol']}s or not all of them kept."
    said = " ".join(filter(None, choice)) or same
    token = parted.token
    if token is None:
        return {"choice": {"steps": [parted.step] * 2, "text": said}, "token": None}
    one, other = (run["symbols"][k] for k in token.tokens)
    text = (
        f"{names[token.position]} ends as {one} in A (step {token.steps[0] + 1}) "
        f"and as {other} in B (step {token.steps[1] + 1})."
    )
    return {
        "choice": {"steps": [parted.step] * 2, "text": said},
        "token": {"steps": list(token.steps), "text": text},
    }


def _only(side: str, positions: tuple[int, ...], names: list[str]) -> str:
    if not positions:
        return ""
    named = ", ".join(names[i] for i in positions[:SHOWN])
    return f"Only {side} commits {named}{f' and {len(positions) - SHOWN} more' if len(positions) > SHOWN else ''}."


def _parted(parted: Divergence | None, side: int) -> Json | None:
    """What one run marks: positions that it alone commits in that step, and the first that ends otherwise."""
    if parted is None:
        return None
    token = None if parted.token is None else {"position": parted.token.position, "step": parted.token.steps[side]}
    return {"step": parted.step, "positions": list((parted.only_first, parted.only_second)[side]), "token": token}


def run_payload(trace: DecodeTrace, about: About) -> Json:
    """One run: its steps and how it ended."""
    done = 0
    steps = []
    for step in trace.steps:
        done += step.passes
        steps.append(_step(step, trace.symbols, done))
    return {
        **asdict(about),
        "id": hashlib.sha256(f"{trace.to_json()}{about.names}".encode()).hexdigest()[:16],
        "title": strategy_title(trace),
        "unit": "of variation" if trace.mi_source in ("head-tv", "probing-tv") else "nats",
        "knobs": describe(trace),
        "mi_source": trace.mi_source if records_mi(trace) else None,
        "no_mi": _why_no_mi(trace),
        "symbols": "".join(trace.symbols),
        "mask": trace.mask,
        "most_entropy": max_entropy(len(trace.symbols)),
        "steps": steps,
        "states": [trace.text(state) for state in trace.states],
        "nfe": trace.nfe,
        "sequential": trace.start.count(len(trace.symbols)),
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
    floor = f", min-p {trace.min_p:g}" if trace.min_p else ""
    sampled = f"sampled, temperature {trace.temperature:g}{floor}, seed {trace.seed}"
    parts += [sampled] if trace.temperature else ["greedy"]
    return ", ".join(parts)


NO_MI = {
    "head-tv": "variation from the pointwise head",
    "probing-tv": "variation from probing",
    "attention": "joined by attention",
    "structure": "joined by the rules of the game",
    "head-pointwise": "loss of drawn pairs from the heads",
    "probing-pointwise": "loss of drawn pairs from probing",
}


def records_mi(trace: DecodeTrace) -> bool:
    """Whether the pair values of a trace are MI; those of attention or of a fixed graph are not."""
    return trace.mi_source is not None and trace.mi_source not in NO_MI


def _why_no_mi(trace: DecodeTrace) -> str:
    if trace.mi_source is None:
        return "This run recorded no MI. Choose an MI source to see it."
    return f"This run looked at something else than MI: {source_name(trace.mi_source)}."


def source_name(source: str) -> str:
    """A source as a person reads it."""
    known = {
        "probing": "MI from probing",
        "probing-gap": "MI + gap from probing",
        "couplings": "exact MI from couplings",
        **NO_MI,
    }
    return known.get(source, f"MI from the {source.removeprefix('head-')} head")


def _step(step: DecodeStep, symbols: tuple[str, ...], passes_so_far: int) -> Json:
    return {
        "positions": list(step.positions),
        "symbols": [symbols[token] for token in step.tokens],
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


# Files


def steps_csv(trace: DecodeTrace, run: Json) -> str:
    """One line a commitment: step, position, symbol, confidence, entropy before, passes so far, MI sum and budget."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    kept = ["confidence", "entropy", "passes_so_far", "sum_mi_of_step", "spent", "budget"]
    writer.writerow(["step", run["words"]["one"], run["words"]["symbol"], *kept])
    done = 0
    for number, step in enumerate(trace.steps, 1):
        done += step.passes
        total = sum(mi for _, _, mi in step.pair_mi) if records_mi(trace) else ""
        for i, token, confidence in zip(step.positions, step.tokens, step.confidence, strict=True):
            row = [number, run["names"][i], trace.symbols[token], confidence, step.entropy[i]]
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
