"""The home page: the script under AppTest, its figures as data, and once in a real browser."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.teaching import EXAMPLES, lesson
from pages.ui import home

APP = Path(__file__).resolve().parents[1] / "app.py"


def run(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception and not app.error
    return app


def page_text(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption])


def test_it_opens_on_two_copied_pairs() -> None:
    app = run()
    assert app.title[0].value == "What marginals hide"
    assert "B copies A and D copies C" in page_text(app)
    assert "| Forward passes | 4 | 1 | 2 |" in page_text(app)
    assert len(app.get("plotly_chart")) == 2


def test_the_link_sets_example_and_strength() -> None:
    text = page_text(run(ho_example="XOR", ho_strength="1"))
    assert "every pairwise MI is 0" in text
    assert "| KL lost, nats | 0.000 | 0.693 | 0.693 |" in text
    assert "| Impossible draws | 0.0% | 50.0% | 50.0% |" in text


def test_nonsense_in_the_link_falls_back() -> None:
    assert "B copies A" in page_text(run(ho_example="nonsense", ho_strength="999"))


def test_the_slider_moves_everything() -> None:
    app = run()
    app.slider(key="ho_strength").set_value(0.0).run()
    assert not app.exception
    assert "Nothing is coupled" in page_text(app)
    assert "| Forward passes | 4 | 1 | 1 |" in page_text(app)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_heatmap_is_exact_above_and_probed_below(example: str) -> None:
    shown = lesson(example, 0.8)
    heat = home.mi_figure(shown, "#000000").data[0]
    for i in range(len(shown.variables)):
        assert heat.z[i][i] is None
        for j in range(i):
            assert heat.z[j][i] == pytest.approx(shown.exact_mi[j][i], abs=1e-6)
            assert heat.z[i][j] == pytest.approx(shown.probed_mi[i][j], abs=1e-6)
    assert (heat.zmin, heat.zmax) == (0, pytest.approx(0.693147, abs=1e-6))  # the same colours at every strength


def test_the_bars_are_the_three_distributions_told_apart_without_colour() -> None:
    shown = lesson("chain", 0.6)
    bars = home.outcome_figure(shown, "#000000").data
    assert [list(bar.y) for bar in bars] == [list(way.probs) for way in shown.decodings]
    assert len({bar.marker.pattern.shape for bar in bars}) == len({bar.marker.color for bar in bars}) == 3


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_it_fits_a_screen_and_leads_on(open_app, width: int, dark: bool) -> None:  # type: ignore[no-untyped-def]
    page = open_app("/?ho_example=XOR&ho_strength=1", width=width, dark=dark)
    page.locator(".js-plotly-plot").nth(1).wait_for()
    assert page.get_by_text("every pairwise MI is 0").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    table = page.locator("table").bounding_box()
    assert table["x"] + table["width"] <= width
    with page.expect_download() as download:
        page.get_by_role("button", name="Outcomes (CSV)").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "outcome,one by one,all at once,MI-guided" and len(lines) == 9
