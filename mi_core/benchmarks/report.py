"""Stored benchmark results and the page of tables that shows them.

A record is what a `bench` command computed, with the command line, date and machine; `python -m mi_core report` turns
the records in `assets/results` into docs/measured.md, and a test holds that page to them.
"""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from mi_core.benchmarks.evaluation import Contestant
from mi_core.errors import FormatError, InputError
from mi_core.strategies import get_strategy

Row = dict[str, Any]


LIKELIHOODS = ("toy", "sudoku", "kunitz")  # records of `bench likelihood`, one a model; those that are there


def likelihood_records(folder: Path) -> list[Path]:
    """Their files, in this order."""
    paths = [folder / f"likelihood_{name}.json" for name in LIKELIHOODS]
    return [path for path in paths if path.is_file()]


def write_record(path: Path, arguments: Sequence[str], result: Any, *, append: bool = False) -> None:
    """Store a benchmark's result with what made it.

    Args:
        append: keep the contestants that a record holds already, and the commands that made them.

    Raises:
        InputError: the record is of other boards, or no list of contestants.
        FormatError: not a record.
    """
    cores = os.cpu_count()
    record = {
        "command": "python -m mi_core " + " ".join(arguments),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{cores} cores {_processor()}, torch {torch.__version__}, threads: {torch.get_num_threads()}",
        "result": result,
    }
    if append and path.is_file():
        before = read_record(path)
        record["command"] = f"{before['command']}\n{record['command']} --append"
        record["result"] = _together(before["result"], result, path.name)
    path.write_text(json.dumps(record, indent=1) + "\n")


def _together(before: Any, result: Any, name: str) -> list[Row]:
    """The contestants of both, each once: the later run of one counts."""
    both = (before, result)
    if not all(isinstance(rows, list) and all("strategy" in row and "n" in row for row in rows) for rows in both):
        raise InputError(f"{name} holds no contestants that others could be added to; record to another file.")
    counts = {row["n"] for rows in both for row in rows if "solved" in row}  # boards from nothing are all alike
    if len(counts) > 1:
        raise InputError(f"{name} is of another number of boards ({' and '.join(map(str, sorted(counts)))}).")
    found = {json.dumps([row["strategy"], row.get("params"), row.get("mi_source")]): row for row in before + result}
    return list(found.values())


def read_record(path: Path) -> Row:
    """A stored record.

    Raises:
        InputError: no such file.
        FormatError: not a record.
    """
    if not path.is_file():
        raise InputError(f"There is no benchmark record at {path}.")
    try:
        record: Row = json.loads(path.read_text())
        record["command"], record["date"], record["machine"], record["result"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise FormatError(f"{path.name} is not a record written by `bench ... --out`.") from error
    return record


def _processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def document(folder: Path) -> str:
    """All measured tables as Markdown, under headings: what docs/measured.md holds."""

    def of(*names: str) -> list[Row]:
        return [read_record(folder / f"{name}.json") for name in names]

    def those(pattern: str) -> list[Row]:
        return [read_record(path) for path in sorted(folder.glob(pattern))]

    def strategies(name: str, counted: str, title: str) -> str:
        return _strategies(read_record(folder / f"{name}.json"), counted, title)

    studies = sorted(folder.glob("estimators_*.json"), key=lambda path: (path.stem != "estimators_sudoku", path.stem))
    parts = {
        "Sudoku: 1,000 puzzles with one solution": [strategies("sudoku_decoding", "solved", "Solved exactly")],
        "Sudoku: grids from the empty board": [
            strategies("sudoku_generate", "valid", "Valid grids"),
            strategies("sudoku_generate_500", "valid", "Valid grids"),
        ],
        "Heads against probing": [
            _estimators(of("sudoku_estimator_marginals", "sudoku_estimator_paper")),
            *(_estimators([record]) for record in those("protein_estimator*.json")),
        ],
        "Every estimator against probing": [_study(read_record(path)) for path in studies],
        "Architectures of the head": [_heads(record) for record in of("sudoku_heads")],
        "What it costs": [
            _speed(*of("sudoku_speed")),
            _cut(*of("sudoku_cut")),
            _cost(*of("esmc_cost")),
        ],
        "Likelihood": [_likelihood([read_record(path) for path in likelihood_records(folder)])],
        "What tuning changed": [_tuning(*of("sudoku_tuning")), _family_tuning(*of("protein_tuning"))],
        "Proteins: contacts": [contacts_table(those("protein_contacts*.json"))],
        "Proteins: designs": [designs_table(record) for record in those("protein_generation*.json")],
        "MI of samples": [_samples(*of("samples"))],
    }
    sections = ["\n\n".join([f"## {title}", *tables]) for title, tables in parts.items()]
    return "\n\n".join([_HEAD, *sections])


_HEAD = """# Measured

Every table comes from the command under it, whose record lies in `assets/results`; `python -m mi_core report` prints
this page from those records. What the figures say stands in the README, how the models were made in models.md."""


def _origin(record: Row) -> str:
    commands = record["command"].replace("\n", "`, then `")
    return f"`{commands}`; {record['date']}, {record['machine']}."


def _samples(record: Row) -> str:
    """Root mean square error of each estimator of two columns, by the number of samples."""
    rows = record["result"]
    names = list(rows[0]["rmse"])
    lines = [
        "| MI of samples | n | mean true MI | " + " | ".join(names) + " | interval holds |",
        "|---" * (len(names) + 4) + "|",
    ]
    for row in rows:
        errors = " | ".join(f"{row['rmse'][name]:.3f}" for name in names)
        lines.append(f"| {row['tables']} | {row['n']} | {row['mean_truth']:.3f} | {errors} | {row['coverage']:.2f} |")
    text = (
        f"Two columns of symbols drawn from {rows[0]['count']} tables of each kind and size: root mean square error in "
        "nats, and the share of the network's 90 % intervals that hold the truth."
    )
    return f"{text}\n\n" + "\n".join(lines) + "\n\n" + _origin(record)


def _percent(row: Row, key: str) -> str:
    low, high = row[f"{key}_ci"]
    return f"{100 * row[key]:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _strategies(record: Row, key: str, title: str) -> str:
    distinct = "distinct" in record["result"][0]
    lines = [
        f"| strategy | passes | {title.lower()} |" + (" distinct |" if distinct else ""),
        "|---|---|---|" + ("---|" if distinct else ""),
    ]
    n = max(row["n"] for row in record["result"])
    for row in record["result"]:
        if row["n"] < n:
            continue
        contestant = Contestant(row["strategy"], row["params"])
        knobs = contestant.label.removeprefix(row["strategy"]).replace("lam=", "lambda=")
        name = get_strategy(row["strategy"]).title + knobs
        extra = f" {row['distinct']} |" if distinct else ""
        lines.append(f"| {name} | {row['nfe']:.1f} | {_percent(row, key)} |{extra}")
    more = sum(row["n"] < n for row in record["result"])
    rest = f" The {more} settings that ran on fewer are on the Benchmark page." if more else ""
    return f"{title} of {n}, 95 % intervals in brackets.{rest}\n\n" + "\n".join(lines) + "\n\n" + _origin(record)


_ROUTES = {
    "probing": "probed MI",
    "head": "head's MI",
    "covariance-mi": "covariance MI",
    "mean-field-dca": "mean-field DCA",
}


def contacts_table(records: Sequence[Row]) -> str:
    """Precision of each route at L/5, L/2 and L, a model on a family in each line; all corrected."""
    results = [[row for row in record["result"] if row["apc"]] for record in records]
    routes = [route for route in _ROUTES if any(row["route"] == route for rows in results for row in rows)]
    head = " | ".join(_ROUTES[route] for route in routes)
    lines = [f"| model | states | family | residues | {head} | chance |", "|---" * (len(routes) + 5) + "|"]
    for rows in results:
        for family in dict.fromkeys(row["family"] for row in rows):
            found = {row["route"]: row for row in rows if row["family"] == family}
            first = next(iter(found.values()))
            states = f"{first['masks']} of {first['rows']} sequences, {first['ratio']:g} hidden"
            cells = (_three(found[route]) if route in found else "" for route in routes)
            start = f"| {first['model']} | {states} | {family} | {first['l']} | "
            lines.append(start + " | ".join(cells) + f" | {first['chance']:.2f} |")
    text = "Contacts (Cβ within 8 Å, 6 apart) among the strongest L/5, L/2 and L pairs, corrected by average product."
    return f"{text}\n\n" + "\n".join(lines) + "\n\n" + "\n\n".join(map(_origin, records))


def _three(row: Row) -> str:
    return " ".join(f"{row[key]:.2f}" for key in ("p_l5", "p_l2", "p_l"))


def designs_table(record: Row) -> str:
    """Passes and divergences of each strategy, and those of natural sequences."""
    lines = [
        "| strategy | passes | amino acids | pairs | likelihood | log p a residue | distinct |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["result"]:
        name, passes, distinct = "natural sequences", "", ""
        if row["strategy"]:
            label = Contestant(row["strategy"], row["params"]).label.removeprefix(row["strategy"])
            name = get_strategy(row["strategy"]).title + label.replace("lam=", "lambda=")
            passes, distinct = f"{row['nfe']:.1f}", f"{row['distinct']}"
        scores = " | ".join(f"{row[key]:.4f}" for key in ("jsd_letters", "jsd_pairs", "jsd_likelihood"))
        lines.append(f"| {name} | {passes} | {scores} | {row['likelihood']:.2f} | {distinct} |")
    first = record["result"][0]
    text = (
        f"{record['result'][-1]['n']} proteins of {first['lengths'][0]} to {first['lengths'][1]} residues designed "
        f"from nothing: Jensen-Shannon divergence (nats) from {first['reference']} natural sequences that were never "
        "trained on."
    )
    return f"{text}\n\n" + "\n".join(lines) + "\n\n" + _origin(record)


def _estimators(records: Sequence[Row]) -> str:
    lines = [
        "| head | mask ratio | Pearson | Spearman | of dependent pairs | R² | RMSE (nats) | states | dependent pairs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        result = record["result"]
        for row in [*result["by_mask_ratio"], {**result, "mask_ratio": None}]:
            band = "all" if row["mask_ratio"] is None else "{:g} to {:g}".format(*row["mask_ratio"])
            scores = " | ".join(_number(row[k]) for k in ("pearson", "spearman", "dependent_spearman", "r2"))
            ends = f"{row['states']} | {row['dependent_pairs']:,} of {row['pairs']:,}"
            lines.append(f"| {result['estimator']} | {band} | {scores} | {row['rmse']:.4f} | {ends} |")
    first = records[0]["result"]
    text = _peers(records) if "precision" in first else f"Model {first['model']}, sequences that were held out. "
    passes = f"Full probing took {first['passes_probing']:.0f} passes a state on average, a head 1"
    speed = f"; wall clock in the same run {first['speedup']:.0f} to 1."
    above = "Dependent: MI more than .001 nats above the noise floor that the model's own inconsistency sets. "
    return "\n".join(lines) + f"\n\n{above}{text}{passes}{speed}\n\n" + "\n\n".join(_origin(r) for r in records)


def _peers(records: Sequence[Row]) -> str:
    precision = records[0]["result"]["precision"]
    return (
        f"On the empty board, the share of the {precision['pairs']} strongest pairs that share a row, column or box: "
        f"probing {precision['probing']:.3f}, " + ", ".join(
            f"{r['result']['estimator']} {r['result']['precision']['head']:.3f}" for r in records
        ) + ". "
    )  # fmt: skip


def _speed(record: Row) -> str:
    r = record["result"]
    lines = [
        "| ratio, one run | value |",
        "|---|---|",
        f"| full probing / head, {r['open_cells']} open cells | {r['head_over_probing']:.0f} |",
        f"| plain loop / full probing, {r['open_cells']} open cells | {r['probing_over_plain_loop']:.2f} |",
        f"| the same in bfloat16 | {r['low_precision_over_plain_loop']:.2f} |",
        f"| plain loop / probing by default, puzzles of {r['puzzles_open_cells']:.0f} open cells on average "
        f"({r['puzzles']}, {r['puzzles_passes']:.0f} passes each) | {r['default_over_plain_loop']:.2f} |",
        f"| probing's share of the rate of a large matrix product | {r['share_of_matrix_product']:.2f} |",
    ]
    text = (
        f"bfloat16 changes an entry of that matrix by at most {r['low_precision_largest_difference']:.1e} nats "
        f"(its largest entry is {r['largest_mi']:.3f}); every other figure here is float32."
    )
    return "\n".join(lines) + "\n\n" + text + "\n\n" + _origin(record)


def _cut(record: Row) -> str:
    r = record["result"]
    lines = [
        "| states met while decoding | states | open | passes in full | cut | times fewer | certified interval, mean |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['starts']} | {row['states']} | {row['open_cells']:.0f} | {row['full_passes']:.0f} | "
        f"{row['passes']:.0f} | {row['fewer']:.1f} | {row['mean_interval']:.3f} nats |"
        for row in r["rows"]
    ]
    text = (
        f"Probing cut at mass {r['mass']:g}, positions of less than {r['min_entropy']:g} nats left out, on states of "
        "MI-guided decoding (.1, 1). Where nothing is known yet every digit carries mass, and little can be cut."
    )
    return "\n".join(lines) + "\n\n" + text + "\n\n" + _origin(record)


def _heads(record: Row) -> str:
    r = record["result"]
    lines = ["| head reads | parameters | R², held out | of a pass, ms |", "|---|---|---|---|"]
    lines += [
        f"| {row['title']} | {row['parameters']:,} | {row['r2']:.3f} | {1e3 * row['seconds']:.1f} |"
        for row in r["heads"]
    ]
    text = (
        f"Architectures of the MI head of {r['model']}, each trained alike for {r['steps']} batches on the same "
        f"{r['states']} probed states (a label is one direction of probing, and a tenth of the states is held out): a "
        "comparison, not what longer training reaches. Milliseconds are of the head alone on the fullest of 64 states."
    )
    return "\n".join(lines) + "\n\n" + text + "\n\n" + _origin(record)


def _cost(record: Row) -> str:
    r = record["result"]
    lines = [
        f"| labels and head of an ESM-C of {r['parameters'] / 1e6:.0f} M | value |",
        "|---|---|",
        f"| parameters of the paper's head on it | {r['head_parameters']:,} |",
        f"| a pass over {r['residues']} residues, floating-point operations | {r['flops_a_pass']:.2e} |",
        f"| the same here, {r['threads']} threads on {r['device']} | {r['seconds_a_pass']:.2f} s, "
        f"{r['flops_a_second']:.1e} a second |",
        f"| passes for {r['states']:,} states, {r['positions']} positions probed in each | {r['passes']:,} |",
        f"| labels and {r['epochs']} epochs here | {r['hours']:,.0f} hours |",
        f"| the same with all positions probed | {r['hours_all_positions']:,.0f} hours |",
    ]
    lines += [
        f"| computed: on a machine that sustains {e['tera']:g}e12 operations a second | {e['hours']:.1f} hours |"
        for e in r["elsewhere"]
    ]
    text = "Weights are random here, which changes no cost; nothing is said of what a head would reach."
    return "\n".join(lines) + "\n\n" + text + "\n\n" + _origin(record)


def _family_tuning(record: Row) -> str:
    r = record["result"]
    title = {"reference": f"MI of {r['reference']}", "tuned": f"MI of {r['tuned']}", "risen": "where MI rose most"}
    lines = ["| pairs by | L/5 | L/2 | L | chance |", "|---|---|---|---|---|"]
    lines += [
        f"| {title[row['route']]} | {row['p_l5']:.2f} | {row['p_l2']:.2f} | {row['p_l']:.2f} | {row['chance']:.2f} |"
        for row in r["contacts"]
    ]
    gains = " and ".join(
        f"{found['a_residue']:+.3f} ± {found['standard_error']:.3f} on {found['sequences']} "
        + ("unseen members of the family" if what == "members" else "proteins of other kinds")
        for what, found in r["rewards"].items()
    )
    text = (
        f"Tuned to one family: contacts of {r['protein']} among the strongest pairs, mean of {r['masks']} states with "
        f"{r['ratio']:.0%} of the residues hidden, corrected by average product. Reward, nats a residue: {gains}."
    )
    return "\n".join(lines) + "\n\n" + text + "\n\n" + _origin(record)


def _likelihood(records: Sequence[Row]) -> str:
    methods = [entry["method"] for entry in records[0]["result"]["methods"]]
    lines = ["| model, tokens scored | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for record in records:
        result = record["result"]
        spent = {entry["method"]: entry["variance_per_pass"] for entry in result["methods"]}
        lines.append(
            f"| {result['model']}, {result['targets']} | " + " | ".join(_or_dash(spent[m]) for m in methods) + " |"
        )
    kinds = list(dict.fromkeys((row["kind"], row["method"]) for r in records for row in r["result"]["coupling"]))
    lines += ["", "| decoupled / coupled | " + " | ".join(f"{kind}, {method}" for kind, method in kinds) + " |"]
    lines.append("|---|" + "---|" * len(kinds))
    for record in records:
        gains = {(row["kind"], row["method"]): row["gain"] for row in record["result"]["coupling"]}
        lines.append(
            f"| {record['result']['model']} | " + " | ".join(_or_dash(gains.get(kind)) for kind in kinds) + " |"
        )
    text = (
        "Variance of an estimate of -log p times the passes it took, nats squared: what a single pass would leave. "
        "Below, by how much the variance of a log-ratio falls when both sides share their masks."
    )
    return text + "\n\n" + "\n".join(lines) + "\n\n" + "\n\n".join(_origin(record) for record in records)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else "0" if value < 1e-12 else f"{value:.3g}"


def _tuning(record: Row) -> str:
    r = record["result"]
    lines = [
        "| cells hidden | states | pairs of the new rule | of them among as many that rose most | chance | "
        "mean change, nats | of other pairs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in r["mi"]:
        lines.append(
            f"| {row['hidden']:.0%} | {row['states']} | {row['pairs']:.1f} | {row['precision']:.3f} | "
            f"{row['chance']:.3f} | {row['change_new_pairs']:+.4f} | {row['change_other_pairs']:+.4f} |"
        )
    solved = ", ".join(f"{name} {_percent(one, 'share')}" for name, one in r["solved"].items())
    identity = r["identity"]
    text = (
        f"Change of MI from {r['reference']} to {r['tuned']}. Reward, log p({r['tuned']}) - log p({r['reference']}): "
        f"{r['reward_diagonal']:+.2f} nats on {r['grids']} unseen grids that keep the diagonals, "
        f"{r['reward_ordinary']:+.2f} on as many that need not. Of {r['puzzles']} unseen puzzles with "
        f"one solution by the rules of diagonal Sudoku, {r['open_cells']:.0f} cells open, decoded a cell at a time, "
        f"solved exactly: {solved}. "
        f"The reference against itself: reward {identity['reward']:g}, largest change of MI "
        f"{identity['largest_mi_change']:g} nats, entropy of q at least {identity['least_entropy_of_q']:.3f}."
    )
    return "\n".join(lines) + f"\n\n{text}\n\n" + _origin(record)


def _study(record: Row) -> str:
    study = record["result"]
    lines = [
        f"| estimator, model {study['model']} | passes | Spearman | R² | RMSE (nats) | AUROC | interval holds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in study["estimators"]:
        if not row["refused"]:
            scores = " | ".join(_number(row[k]) for k in ("spearman", "r2")) + f" | {_number(row['rmse'], 4)}"
            held = _number((row.get("interval") or {}).get("held"))
            lines.append(f"| `{row['label']}` | {row['passes']:.0f} | {scores} | {_number(row['auroc'])} | {held} |")
    text = f"{len(study['states'])} unseen states; the truth takes {study['truth']['passes']:.0f} passes a state."
    if found := study["calibration"]:
        bands = ", ".join(f"{band['inside']:.3f}" for band in found["by_ratio"])
        text += (
            f" Of {found['pairs']} pairs of uncertain positions the trained 90 % interval holds {found['inside']:.3f} "
            f"(by fifths of the mask ratio {bands}); {found['crossings']} quantiles cross."
        )
    return "\n".join(lines) + "\n\n" + text + "\n\n" + _origin(record)


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"
