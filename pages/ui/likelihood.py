"""What the likelihood page shows of a report: figures, table, files."""

import json

import plotly.graph_objects as go
import streamlit as st

from mi_core.likelihood import METHODS, Estimate
from mi_core.likelihood.lab import Report
from mi_core.sudoku.board import cell_name
from pages.ui import figures
from pages.ui.figures import blank
from pages.ui.widgets import download

COLOURS = {  # Okabe-Ito; dashes and marks tell the methods apart as well
    "chain": ("#0072B2", "solid", "circle"),
    "stratified": ("#009E73", "dash", "square"),
    "uniform-k": ("#E69F00", "dot", "diamond"),
    "time-free": ("#D55E00", "dashdot", "triangle-up"),
    "time-integral": ("#CC79A7", "longdash", "x"),
}
NOTHING = 1e-9  # variance below this is rounding


def headline(report: Report) -> None:
    """The best estimate, what it is worth, and the exact value where a table knows it."""
    best = report.race.best
    columns = st.columns(4)
    columns[0].metric("-log p, nats", _with_error(best), help=f"{METHODS[best.method].title}, 95 % interval")
    columns[1].metric("Exact" if report.race.exact is not None else "Exact (tables only)", _number(report.race.exact))
    chain = next((entry for entry in report.race.entries if entry.method == "chain"), None)
    spread = None if chain is None else chain.spread
    columns[2].metric(
        "Spread over orders",
        "-" if spread is None else f"{0.0 if spread < NOTHING else spread:.3f}",
        help="Standard deviation of the chain's value over random orders: 0 if the model's conditionals agree.",
    )
    columns[3].metric(
        "Perplexity per token", f"{best.perplexity:.3f}", help=f"exp(-log p / {len(best.target)} scored tokens)"
    )


def _with_error(entry: Estimate) -> str:
    if entry.interval is None:
        return f"{entry.nll:.3f}"
    half = entry.interval[1] - entry.nll
    return f"{entry.nll:.3f} ± {0.0 if half < NOTHING else half:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def race_chart(report: Report) -> None:
    """The running estimate of every method, with its 95 % band."""
    figure = blank("Running estimate and 95 % band")
    for entry in report.race.entries:
        _runner(figure, entry)
    if report.race.exact is not None:
        figure.add_hline(y=report.race.exact, line={"color": figures.text_colour(), "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title="forward passes (logarithmic)", type="log", dtick=1)
    figure.update_yaxes(title="-log p, nats", range=report.race.window)
    words = ", ".join(f"{METHODS[e.method].title} {_with_error(e)}" for e in report.race.entries)
    figures.show(figure, "li_race", f"Estimates in nats: {words}.")


def _runner(figure: go.Figure, entry: Estimate) -> None:
    points = entry.running()
    colour, dash, mark = COLOURS[entry.method]
    name = METHODS[entry.method].title
    x = [passes for passes, _, _ in points] or [entry.passes]
    y = [value for _, value, _ in points] or [entry.nll]
    if points:
        high = [value + 1.96 * error for _, value, error in points]
        low = [value - 1.96 * error for _, value, error in points]
        figure.add_scatter(
            x=[*x, *reversed(x)],
            y=[*high, *reversed(low)],
            fill="toself",
            fillcolor=colour,
            opacity=0.13,
            mode="none",
            hoverinfo="skip",
            legendgroup=name,
            showlegend=False,
        )
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=name,
        legendgroup=name,
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": mark, "size": 6, "color": colour},
        hovertemplate="%{x:.0f} passes<br>%{y:.4f} nats<extra>" + name + "</extra>",
    )


def variance_chart(report: Report) -> None:
    """Variance of the estimate times its passes, a bar a method."""
    variance_bars(
        {entry.method: entry.variance_per_pass for entry in report.race.entries},
        "Variance of one pass, nats² (shorter is better)",
        "li_variance",
        "The same numbers as the column Variance of one pass of the table.",
    )


def variance_bars(
    values: dict[str, float | None], title: str, key: str, alt: str, *, height: int | None = None
) -> None:
    """A bar a method on a logarithmic axis; none where it is 0 or unknown."""
    figure = blank(title)
    least = min((value for value in values.values() if value is not None and value > NOTHING), default=1.0) / 3
    for method, value in reversed(values.items()):
        nothing = value is not None and value <= NOTHING
        figure.add_bar(
            y=[METHODS[method].title],
            x=[least if value is None or nothing else value],
            orientation="h",
            marker={"color": "rgba(0,0,0,0)" if value is None or nothing else COLOURS[method][0]},
            text=["one term only" if value is None else "0" if nothing else f"{value:.3g}"],
            textposition="auto",
            showlegend=False,
            hoverinfo="skip",
        )
    figure.update_xaxes(type="log", showticklabels=False, showgrid=False)
    figure.update_layout(margin_l=4)
    if height is not None:
        figure.update_layout(height=height)
    figure.update_yaxes(automargin=True)
    figures.show(figure, key, alt)


def methods_table(report: Report) -> None:
    """Every method with its estimate and its price."""
    rows = [
        {
            "Method": METHODS[e.method].title,
            "-log p, nats": e.nll,
            "95 % ±": None if e.standard_error is None else 1.96 * e.standard_error,
            "Passes": e.passes,
            "Terms": e.samples,
            "Variance of one pass": e.variance_per_pass,
            "Seconds": e.seconds,
            "One term": METHODS[e.method].summary,
            "Source": METHODS[e.method].source,
        }
        for e in report.race.entries
    ]
    number = st.column_config.NumberColumn
    st.dataframe(
        rows,
        hide_index=True,
        key="li_methods",
        column_config={
            "-log p, nats": number(format="%.4f"),
            "95 % ±": number(format="%.4f"),
            "Variance of one pass": number(format="%.3g"),
            "Seconds": number(format="%.2f"),
        },
        alt="Every method with estimate, interval, passes and variance",
    )


def information_chart(report: Report) -> None:
    """I(x0; x_lambda): what the tokens still shown tell about the sequence."""
    curve = report.curve
    figure = blank("What the shown tokens tell, I(x₀; x_λ)")
    levels, values, errors = (part.tolist() for part in (curve.levels, curve.information, curve.information_error))
    figure.add_scatter(
        x=[*levels, *reversed(levels)],
        y=[
            *(v + 1.96 * e for v, e in zip(values, errors, strict=True)),
            *reversed([v - 1.96 * e for v, e in zip(values, errors, strict=True)]),
        ],
        fill="toself",
        fillcolor=COLOURS["chain"][0],
        opacity=0.2,
        mode="none",
        hoverinfo="skip",
        name="95 % band",
    )
    figure.add_scatter(
        x=levels,
        y=values,
        mode="lines",
        name="estimate",
        line={"color": COLOURS["chain"][0], "width": 2.5},
        hovertemplate="λ = %{x:.2f}<br>%{y:.4f} nats<extra></extra>",
    )
    if curve.exact is not None:
        figure.add_scatter(
            x=levels,
            y=curve.exact.tolist(),
            mode="lines",
            name="exact",
            line={"color": COLOURS["time-free"][0], "width": 1.5, "dash": "dash"},
        )
    figure.add_scatter(
        x=[0, 1],
        y=[values[0], 0],
        mode="lines",
        name="if nothing depended on anything",
        line={"color": "#808495", "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )
    figure.update_xaxes(title="λ, share of the tokens hidden")
    figure.update_yaxes(title="nats")
    figures.show(figure, "li_information", "What the shown tokens tell, by mask level; the CSV file holds the numbers.")
    st.caption("Above the dotted line the tokens still shown give away more than their share.")


def denoising_chart(report: Report) -> None:
    """The mean surprise of a hidden token by how many are hidden; the sum of these is -log p."""
    curve = report.curve
    figure = blank("Denoising cross-entropy of one hidden token")
    figure.add_scatter(
        x=curve.shares.tolist(),
        y=curve.per_token.tolist(),
        error_y={"type": "data", "array": [1.96 * e for e in curve.per_token_error.tolist()], "thickness": 1},
        mode="lines+markers",
        line={"color": COLOURS["stratified"][0], "width": 2},
        marker={"size": 5},
        showlegend=False,
        hovertemplate="%{x:.0%} hidden<br>%{y:.4f} nats<extra></extra>",
    )
    figure.update_xaxes(title="share of the tokens hidden", tickformat=".0%")
    figure.update_yaxes(title="nats", rangemode="tozero")
    figures.show(figure, "li_denoising", "Mean surprise of a hidden token by the share hidden, with 95 % intervals.")
    st.caption("The sum of all points is -log p (I-MDCE). It rises with what is hidden where tokens inform each other.")


def contributions(report: Report, is_board: bool) -> None:
    """What each position adds to -log p, averaged over the orders or masks that were drawn."""
    st.subheader("What each position adds", anchor=False)
    best = report.race.best
    values = best.contributions.tolist()
    figure = _board_map(report, values) if is_board else _bars(report, values)
    figures.show(figure, "li_contributions", f"Nats that each of {len(values)} positions adds; in the JSON file.")
    st.caption(
        f"From {METHODS[best.method].title.lower()}; they sum to {best.nll:.3f} nats. A position adds little "
        "if the others give it away."
    )


def _bars(report: Report, values: list[float]) -> go.Figure:
    figure = blank("Nats by position")
    names = [f"{i + 1} {symbol}" for i, symbol in zip(report.question.target, report.symbols, strict=True)]
    figure.add_bar(
        x=names, y=values, marker={"color": COLOURS["chain"][0]}, hovertemplate="%{x}: %{y:.4f}<extra></extra>"
    )
    figure.update_xaxes(type="category")
    return figure


def _board_map(report: Report, values: list[float]) -> go.Figure:
    cells: list[float | None] = [None] * 81
    words = ["given"] * 81
    digits = [str(digit + 1) for digit in report.question.tokens.tolist()]
    for i, value in zip(report.question.target, values, strict=True):
        cells[i], words[i] = value, f"{cell_name(i)} = {digits[i]}<br>{value:.4f} nats"
    figure = blank("Nats by cell; given cells are grey")
    most = max((value for value in cells if value is not None), default=1.0)
    figure.add_heatmap(
        z=[cells[9 * r : 9 * r + 9] for r in range(9)],
        customdata=[words[9 * r : 9 * r + 9] for r in range(9)],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        colorscale="Cividis",
        zmin=0,
        zmax=most or 1.0,
        xgap=1,
        ygap=1,
        colorbar={"title": {"text": "nats", "side": "right"}, "thickness": 12},
    )
    for i, value in enumerate(cells):
        given = value is None
        ink = figures.text_colour() if given else "#111111" if value > 0.55 * most else "#FFFFFF"
        figure.add_annotation(
            x=i % 9,
            y=i // 9,
            text=digits[i],
            showarrow=False,
            opacity=0.5 if given else 1,
            font={"size": 15, "color": ink},
        )
    for k in (2.5, 5.5):
        figure.add_vline(x=k, line={"color": figures.text_colour(), "width": 1})
        figure.add_hline(y=k, line={"color": figures.text_colour(), "width": 1})
    figure.update_layout(height=440, margin={"l": 4, "r": 4, "t": 40, "b": 8})
    figure.update_xaxes(visible=False, fixedrange=True, range=[-0.5, 8.5], constrain="domain")
    figure.update_yaxes(visible=False, fixedrange=True, range=[8.5, -0.5], scaleanchor="x", constrain="domain")
    return figure


def downloads(report: Report) -> None:
    """The numbers as files."""
    with st.container(horizontal=True):
        download("Methods (CSV)", "methods.csv", report.race.to_csv, key="li_csv")
        download("Curve (CSV)", "curve.csv", report.curve.to_csv, key="li_curve_csv")
        download("All (JSON)", "likelihood.json", lambda: json.dumps(report.to_json()), key="li_json")
