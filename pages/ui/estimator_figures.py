"""Figures of the Estimators page, from the plain values of a study."""

import math
from typing import Any

import streamlit as st

from mi_core.estimators.summary import GREATEST, LEAST, cell_centres, cells_of
from pages.ui import figures
from pages.ui.figures import COLOURS, MARKS, blank

Row = dict[str, Any]
FAMILIES = {  # how an estimator works: which names, colour and mark of the family
    "full probing": ("probing-mixture", "probing-paper"),
    "fewer probes": ("cut-probing", "one-direction", "sampled"),
    "derivatives": ("first-order",),
    "attention": ("attention", "attention-apc"),
    "trained heads": ("head-marginals", "head-paper", "head-quantiles"),
}
ROOM = 0.055  # of the height of the cost chart, for a name
QUALITIES = {"Spearman": "spearman", "R²": "r2", "Strongest pairs found": "top", "AUROC above the noise": "auroc"}
BLUE, RED, GREEN = COLOURS[0], COLOURS[1], COLOURS[2]
CURVES = 9  # estimators that the ranking chart shows


def name_of(row: Row) -> str:
    """`Cut probing mass=0.99 min_entropy=0.05`."""
    return str(row["title"]) + str(row["label"]).removeprefix(row["name"])


def _short(row: Row) -> str:
    """The name with its first setting alone."""
    settings = str(row["label"]).removeprefix(row["name"]).split()
    return str(row["title"]) + (f" {settings[0].partition('=')[2]}" if settings else "")


def _shortest(row: Row) -> str:
    """What tells it from the others of its family, which the legend names."""
    word = str(row["title"]).split(", ")[-1].removeprefix("Head with ").removesuffix(" probing")
    return word if word.isupper() else word.lower()


def _family(row: Row) -> int:
    return next((k for k, names in enumerate(FAMILIES.values()) if row["name"] in names), len(FAMILIES))


def cost_chart(study: Row) -> None:
    """Quality against passes, a point an estimator; full probing stands at 1 by definition."""
    title = st.segmented_control(
        "Quality", list(QUALITIES), default="Spearman", key="es_quality", bind="query-params", required=True, wrap=True
    )
    key = QUALITIES[title or "Spearman"]
    rows = [row for row in study["estimators"] if not row["refused"] and row.get(key) is not None]
    figure = blank(f"{title}: cost against quality")
    named: set[str] = set()
    first: list[Row] = []
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = sorted((row for row in rows if row["name"] == name), key=lambda row: row["passes"])
        k = _family(mine[0])
        family = list(FAMILIES)[k] if k < len(FAMILIES) else "others"
        figure.add_scatter(
            x=[row["passes"] for row in mine],
            y=[row[key] for row in mine],
            mode="lines+markers",
            name=family,
            legendgroup=family,
            showlegend=family not in named,
            line={"color": COLOURS[k], "width": 1.5},
            marker={"color": COLOURS[k], "symbol": MARKS[k], "size": 11},
            customdata=[[name_of(row), row["seconds"]] for row in mine],
            hovertemplate="%{customdata[0]}<br>%{x:.1f} passes, %{customdata[1]:.3f} s<br>%{y:.3f}<extra></extra>",
            cliponaxis=False,
        )
        named.add(family)
        first.append(mine[0])
    truth = study["truth"]
    if truth["passes"] > 0:
        figure.add_scatter(
            x=[truth["passes"]],
            y=[1],
            mode="markers",
            name="ground truth",
            marker={"color": figures.text_colour(), "symbol": "star", "size": 13},
            hovertemplate="%{x:.0f} passes<extra>ground truth</extra>",
        )
    most = max([truth["passes"], *(row["passes"] for row in rows)], default=1)
    figure.update_xaxes(
        title="forward passes a state (logarithmic)",
        type="log",
        tickvals=[1, 3, 10, 30, 100, 300, 1000, 3000, 10000],
        range=[-0.35, math.log10(max(most, 10)) + 0.2],
    )
    low, high = _range([row[key] for row in rows])
    figure.update_yaxes(title=title, range=[low, high])
    for one_pass in (True, False):  # those of one pass have their room on the right
        side = sorted((row for row in first if (row["passes"] < 3) == one_pass), key=lambda row: -row[key])
        room = ROOM * (high - low)
        heights = _spread([row[key] + (0 if one_pass else room) for row in side], room)
        for row, height in zip(side, heights, strict=True):
            figure.add_annotation(
                text=_shortest(row),
                font={"size": 11},
                x=math.log10(row["passes"]),
                y=row[key],
                ax=16 if one_pass else -16,
                ayref="y",
                ay=height,
                xanchor="left" if one_pass else "right",
                showarrow=True,
                arrowhead=0,
                arrowwidth=0.8,
                arrowcolor=figures.text_colour(),
                standoff=6,
            )
    figure.update_layout(height=440)
    words = ", ".join(f"{_short(row)} {row[key]:.2f} at {row['passes']:.0f} passes" for row in rows)
    figures.show(figure, "es_cost", f"{title}: {words}.")


def _spread(values: list[float], room: float) -> list[float]:
    """Heights for the names of falling values, each at its value or below the name before it."""
    heights: list[float] = []
    for value in values:
        heights.append(min(value, heights[-1] - room) if heights else value)
    return heights


def _range(values: list[float]) -> list[float]:
    """From the least value, but never below -0.25, with room for the names."""
    return [max(-0.25, min([0.9, *values]) - 0.08), 1.08]


def ranking_chart(study: Row) -> None:
    """Of the k strongest true pairs, the share among an estimator's k strongest, by k."""
    figure = blank("Are the strongest pairs found?")
    rows = [row for row in study["estimators"] if not row["refused"] and row["name"] not in FAMILIES["full probing"]]
    best: dict[str, Row] = {}
    for row in rows:
        if row["name"] not in best or (row["top"] or 0) > (best[row["name"]]["top"] or 0):
            best[row["name"]] = row
    for k, row in enumerate(list(best.values())[:CURVES]):
        points = [point for point in row["strongest"] if point["precision"] is not None]
        colour = COLOURS[k % len(COLOURS)]
        figure.add_scatter(
            x=[point["k"] for point in points],
            y=[point["precision"] for point in points],
            mode="lines+markers",
            name=_short(row),
            line={"color": colour, "width": 1.8, "dash": "dot" if k >= len(COLOURS) else "solid"},
            marker={"symbol": MARKS[k % len(MARKS)], "size": 7, "color": colour},
            hovertemplate="of the %{x} strongest<br>%{y:.1%}<extra>" + _short(row) + "</extra>",
        )
    figure.update_xaxes(
        title="k strongest pairs of a state (logarithmic)", type="log", tickvals=[5, 10, 20, 40, 80, 160]
    )
    figure.update_yaxes(title="share found", range=[0, 1.04], tickformat=".0%")
    figure.update_layout(height=490)
    figures.show(figure, "es_ranking", "Share of the k strongest pairs found, by estimator.")


def density_chart(row: Row) -> None:
    """Estimate against truth, pairs counted in cells of logarithmic axes."""
    name = name_of(row)
    if "density" not in row:
        st.info(f"{row['title']} is a score without unit: it ranks pairs, so that only its order can be compared.")
        return
    centres = cell_centres()
    cells: list[list[float | None]] = [[None] * len(centres) for _ in centres]
    counts: list[list[int]] = [[0] * len(centres) for _ in centres]
    for column, line, count in cells_of(row["density"]):
        cells[line][column] = len(str(count)) + int(str(count)[0]) / 10  # grows with the logarithm
        counts[line][column] = count
    figure = blank("Estimate against the truth")
    figure.add_heatmap(
        x=centres,
        y=centres,
        z=cells,
        customdata=counts,
        colorscale="Viridis",
        showscale=False,
        hovertemplate="truth %{x:.2g}, estimate %{y:.2g} nats<br>%{customdata} pairs<extra></extra>",
        hoverongaps=False,
    )
    figure.add_scatter(
        x=[LEAST, GREATEST],
        y=[LEAST, GREATEST],
        mode="lines",
        line={"color": figures.text_colour(), "dash": "dash", "width": 1},
        showlegend=False,
        hoverinfo="skip",
    )
    ticks = {"type": "log", "tickvals": [1e-5, 1e-4, 1e-3, 0.01, 0.1, 1], "ticktext": _TICKS}
    figure.update_xaxes(title="truth, nats", **ticks)
    figure.update_yaxes(title="estimate, nats", **ticks)
    figure.update_layout(height=520)
    scores = ", ".join(f"{key} {row[key]:.3f}" for key in ("spearman", "r2") if row[key] is not None)
    figures.show(figure, "es_density", f"{name}: {row['pairs']} pairs, {scores}.")
    st.caption(
        "Brighter cells hold more pairs. On the dashed line the estimate is right; the edges hold what is smaller."
    )


_TICKS = ["≤0.00001", "0.0001", "0.001", "0.01", "0.1", "1"]


def by_ratio_chart(study: Row, row: Row) -> None:
    """Spearman within fifths of the mask ratio, beside R² where the estimate is in nats; below -1 a bar is cut off."""
    figure = blank("By the share of positions open")
    names = [f"{100 * band['low']:.0f} to {100 * band['high']:.0f} %" for band in row["by_ratio"]]
    figure.add_bar(
        x=names,
        y=[band["spearman"] for band in row["by_ratio"]],
        name="Spearman",
        marker={"color": BLUE},
        customdata=[[band["states"], band["pairs"], band["mean_truth"]] for band in row["by_ratio"]],
        hovertemplate="Spearman %{y:.3f}<br>%{customdata[0]} states, %{customdata[1]} pairs<br>"
        "mean MI %{customdata[2]:.2g} nats<extra></extra>",
    )
    if row["in_nats"]:
        figure.add_bar(
            x=names,
            y=[band["r2"] for band in row["by_ratio"]],
            name="R²",
            marker={"color": "#E69F00", "pattern": {"shape": "/"}},
            hovertemplate="R² %{y:.3f}<extra></extra>",
        )
    worst = min((y for bars in figure.data for y in bars.y if y is not None), default=0.0)
    figure.update_yaxes(range=[max(-1.0, min(0.0, 1.1 * worst)), 1.02])
    figure.update_layout(height=260)
    figures.show(figure, "es_by_ratio", f"Spearman and R² by mask ratio for {name_of(row)}.")


def by_size_chart(row: Row) -> None:
    """Error by the size of the true MI."""
    if not row["in_nats"]:
        return
    figure = blank("Error by the size of the true MI, nats")
    names = [_band(band) for band in row["by_size"]]
    for key, name, colour, shape in (("rmse", "root mean square", BLUE, ""), ("bias", "mean", RED, "/")):
        figure.add_bar(
            x=names,
            y=[band[key] for band in row["by_size"]],
            name=name,
            marker={"color": colour, "pattern": {"shape": shape}},
            customdata=[band["pairs"] for band in row["by_size"]],
            hovertemplate=name + " %{y:.4f} nats<br>%{customdata} pairs<extra></extra>",
        )
    figure.update_xaxes(tickangle=0, tickfont={"size": 11})
    figure.update_layout(height=260)
    figures.show(figure, "es_by_size", f"Error by the size of the true MI for {name_of(row)}.")


def _band(band: Row) -> str:
    if band["high"] is None:
        return f"> {band['low']:g}"
    return f"< {band['high']:g}" if band["low"] == 0 else f"{band['low']:g}-{band['high']:g}"


def levels_chart(found: Row) -> None:
    """The share of truths below each stated quantile; the diagonal is honest."""
    figure = blank("Stated against observed")
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": figures.text_colour(), "dash": "dash", "width": 1},
        name="honest",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=found["levels"],
        y=found["below"],
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"size": 9},
        name="head with quantiles",
        hovertemplate="stated %{x:.0%}<br>observed %{y:.1%}<extra></extra>",
    )
    figure.update_xaxes(title="stated quantile", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="truths below it", tickformat=".0%", range=[0, 1])
    figures.show(figure, "es_levels", "Stated against observed share of truths below each quantile.")


def coverage_chart(found: Row) -> None:
    """How many truths the 90 % interval holds, in bands."""
    kinds = {
        "share open": ("by_ratio", lambda band: f"{100 * band['low']:.0f} to {100 * band['high']:.0f} %"),
        "stated median": ("by_median", _band),
        "true MI": ("by_size", _band),
    }
    kind = st.segmented_control("Bands of", list(kinds), default="share open", key="es_bands", required=True)
    key, name = kinds[kind or "share open"]
    figure = blank(f"Truths inside the 90 % interval, by {kind}")
    figure.add_bar(
        x=[name(band) for band in found[key]],
        y=[band["inside"] for band in found[key]],
        marker={"color": BLUE},
        customdata=[[band["pairs"], band["width"]] for band in found[key]],
        hovertemplate="%{y:.1%} of %{customdata[0]} pairs<br>mean width %{customdata[1]:.4f} nats<extra></extra>",
        text=[f"{100 * band['inside']:.0f}" for band in found[key]],
        textposition="inside",
        insidetextanchor="middle",
        showlegend=False,
    )
    figure.add_hline(y=0.9, line={"color": RED, "dash": "dash", "width": 2})
    figure.update_yaxes(tickformat=".0%", range=[0, 1.1])
    figures.show(figure, "es_coverage", f"Share of truths inside the 90 % interval by {kind}.")
