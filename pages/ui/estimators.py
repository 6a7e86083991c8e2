"""The Estimators page: which study is shown, and its tables. A study is what `mi_core.estimators.study` gives.

Keys `es_...`; the choice stands in the address.
"""

import json
from typing import Any

import streamlit as st

from mi_core.benchmarks.report import read_record
from mi_core.catalog import EXACT, entries
from mi_core.estimators import ESTIMATORS
from mi_core.estimators.summary import NOTHING
from mi_core.proteins.presets import load_preset
from mi_core.sudoku.presets import PRESETS as BOARDS
from pages.ui import estimator_figures, estimator_run, frame
from pages.ui.estimator_run import Asked
from pages.ui.widgets import download

Study = dict[str, Any]
RESULTS = frame.ROOT / "assets" / "results"
COMPARED, SAMPLES = "Estimators compared", "MI from samples"
RECORDS = {
    "Sudoku, stored": "estimators_sudoku.json",
    "ESM-C Kunitz, stored": "estimators_esmc-kunitz.json",
    "ESM-C Kunitz, other families": "estimators_esmc-kunitz-families.json",
}
OWN = "A state of your own"
PROTEINS = ("esmc-mini", "esmc-mini-kunitz", "esmc-kunitz", "antiberty", "esmc_300m", "esmc_600m")
START_BOARD = "rectangle"
START_PROTEIN = "bpti"
START_MASK = "10-30"


def section() -> str:
    """Which half of the page."""
    chosen = st.segmented_control(
        "Look at", [COMPARED, SAMPLES], default=COMPARED, key="es_section", bind="query-params", required=True
    )
    return chosen or COMPARED


@st.cache_data(show_spinner=False)
def _load(file: str, changed: float) -> Study:
    """A stored study; `changed` is its time stamp, so that a new one is read."""
    del changed
    record = read_record(RESULTS / file)
    return {**record["result"], "command": record["command"], "machine": record["machine"], "date": record["date"]}


@st.cache_data(ttl=60, show_spinner=False)
def _models() -> list[str]:
    known = {entry.name for entry in entries() if entry.available and entry.kind == "model"}
    return [name for name in ("sudoku", *PROTEINS, *EXACT) if name in known]


def choose() -> Asked | None:
    """Draw the controls; what is asked of a model now, None for a stored study."""
    there = [title for title, file in RECORDS.items() if (RESULTS / file).is_file()]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        source = st.selectbox("Measured on", [*there, OWN], key="es_source", bind="query-params", width=230)
        if source != OWN:
            return None
        model = st.selectbox("Model", _models(), key="es_model", bind="query-params", width=180)
        if model == "sudoku":
            titles = {preset.title: preset.text for preset in BOARDS.values()}
            start = BOARDS[START_BOARD].text
            text = st.text_input("Board, 81 characters", start, key="es_board", bind="query-params", width=420)
            with st.popover("Examples", icon=":material/grid_on:"):
                for title, board in titles.items():
                    st.button(title, key=f"es_use_{title}", on_click=_use, args=("es_board", board), width="stretch")
            return Asked(model, text)
        if model in EXACT:
            length = EXACT[model]().length
            return Asked(model, st.text_input("State", "." * length, key=f"es_state_{model}", bind="query-params"))
        letters = load_preset(START_PROTEIN).letters
        text = st.text_input("Sequence", letters, key="es_sequence", bind="query-params", width=420)
        mask = st.text_input(
            "Residues to open",
            START_MASK,
            key="es_mask",
            bind="query-params",
            width=150,
            help="10-30,45 or all or ratio:.5, counted from 1",
        )
    return Asked(model, text, mask)


def _use(key: str, text: str) -> None:
    st.session_state[key] = text


def current(asked: Asked | None) -> Study | None:
    """The study to show, None while there is none.

    Raises:
        MiCoreError: the state cannot be read, or a record is damaged.
    """
    if asked is None:
        file = RECORDS[str(st.session_state["es_source"])]
        return _load(file, (RESULTS / file).stat().st_mtime)
    estimator_run.check(asked)
    found: Study | None = estimator_run.get_kept().get(asked)
    return found


def headline(study: Study) -> None:
    """What was measured."""
    pairs = next((row["pairs"] for row in study["estimators"] if not row["refused"]), 0)
    count, truth = len(study["states"]), study["truth"]
    st.caption(
        f"Model **{study['model']}**, {count} state{'' if count == 1 else 's'}, {pairs:,} pairs. The truth took "
        f"{truth['passes']:,.0f} passes and {truth['seconds']:.2f} s a state. " + _origin(study)
    )


def _origin(study: Study) -> str:
    if "command" not in study:
        return "Measured here, now."
    return f"None of these states was trained on. `{study['command']}`; {study['date']}, {study['machine']}."


def table(study: Study) -> None:
    """Every estimator with its scores and its price."""
    rows = []
    for row in study["estimators"]:
        if row["refused"]:
            continue
        interval = row.get("interval") or {}
        rows.append(
            {
                "Estimator": estimator_figures.name_of(row),
                "Passes": row["passes"],
                "Seconds": row["seconds"],
                "Spearman": row["spearman"],
                "R²": row["r2"],
                "RMSE": row["rmse"],
                "Strongest found": row["top"],
                "AUROC": row["auroc"],
                "Interval": interval.get("kind", ""),
                "Holds": interval.get("held"),
                "Mean width": interval.get("mean_width"),
                "What it does": ESTIMATORS[row["name"]].summary if row["name"] in ESTIMATORS else "",
            }
        )
    number = st.column_config.NumberColumn
    three = {name: number(format="%.3f") for name in ("Spearman", "R²", "Holds")}
    st.dataframe(
        rows,
        hide_index=True,
        key="es_table",
        column_config={
            **three,
            "Passes": number(format="%.1f", help="forward passes of the model a state"),
            "Seconds": number(format="%.3f", help="a state"),
            "RMSE": number(format="%.4f", help="nats; empty for a score without unit"),
            "Strongest found": number(
                format="%.3f",
                help="share of the K strongest true pairs among its own K strongest, K = open positions",
            ),
            "AUROC": number(format="%.3f", help="of telling pairs above the truth's noise floor from the others"),
            "Mean width": number(format="%.4f", help="nats"),
        },
        alt="Every estimator with passes, seconds, scores and intervals",
    )
    for row in study["estimators"]:
        if row["refused"]:
            st.caption(f"Left out, {row['title']}: {row['refused']}")


def pick(study: Study) -> dict[str, Any] | None:
    """The estimator that the figures below are about."""
    rows = {estimator_figures.name_of(row): row for row in study["estimators"] if not row["refused"]}
    if not rows:
        return None
    names = list(rows)
    first = next((k for k, name in enumerate(names) if rows[name]["name"] == "head-marginals"), 0)
    st.subheader("One estimator against the truth", anchor=False)
    with st.container(horizontal=True):
        chosen = st.selectbox("Estimator", names, first, key="es_estimator", width=360)
    return rows[chosen]


def calibration(study: Study) -> None:
    """Whether the intervals of the head with quantiles hold what they say."""
    found = study["calibration"]
    if found is None:
        return
    st.subheader("Are the intervals honest?", anchor=False)
    st.markdown(
        f"The head with quantiles says 5 % to 95 % of every pair in the same single pass. Of {found['pairs']:,} pairs "
        f"whose positions are both uncertain (entropy from {found['least_entropy']:g} nats on) the truth lies within "
        f"for **{100 * found['inside']:.1f} %**; {found['crossings']} quantiles cross."
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        estimator_figures.levels_chart(found)
    with right:
        estimator_figures.coverage_chart(found)
    st.caption(
        "Bands of the stated median are what a forecaster can promise. Bands of the true MI are stricter: to pick "
        "the largest truths is to pick those that came out above their forecast."
    )


def diagnostics(study: Study) -> None:
    """What the ground truth tells of itself."""
    if not study["diagnostics"]:
        return
    st.subheader("What the ground truth tells of itself", anchor=False)
    rows = [
        {"Figure": d["name"], "Value": _value(d["value"], d["unit"]), "What it means": d["meaning"]}
        for d in study["diagnostics"]
    ]
    st.table(rows)


def _value(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if unit == "passes" else f"{value:.2g} nats" if value > NOTHING else "0 nats"


def downloads(study: Study) -> None:
    """The whole study as a file."""
    download("Study (JSON)", f"estimators-{study['model']}.json", lambda: json.dumps(study), key="es_json")
