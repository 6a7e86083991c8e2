"""The replay page, driven without a browser, on a grid with a few open cells."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.errors import FormatError
from mi_core.strategies import STRATEGIES
from pages.ui.cached_runs import MAX_TRACE_MB, read_replay
from pages.ui.replay_controls import SOURCES, parameter_key
from tests.browser import ROOT
from tests.test_postmortem import GRID, R1C1, R1C2, R9C9, run, step

BOARD = "".join("." if cell % 13 == 0 else str(digit) for cell, digit in enumerate(GRID))  # 7 open cells
FILES = [("Trace", "JSON"), ("Steps", "CSV")]
TRACE = run(step({R9C9: GRID[R9C9]}), step({R1C1: 7, R1C2: 7}, pair_mi=[(R1C1, R1C2, 0.42)]))


def open_page(**state: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    at.switch_page("pages/2_Replay.py")
    for name, value in ({"re_board": BOARD, "re_tokens": "likeliest"} | state).items():
        at.query_params[name] = value
    return at.run()


@pytest.fixture(scope="module")
def page() -> AppTest:
    return open_page(re_strategy="Top-k confidence", re_top_k_k="2")


def replays(at: AppTest) -> int:
    return len(at.get("bidi_component"))


def test_it_shows_a_replay_with_its_downloads(page):
    assert not page.exception and not page.error
    assert replays(page) == 1
    assert {button.proto.label for button in page.get("download_button")} == {
        "Trace (JSON)",
        "Steps (CSV)",
        "Replay (HTML)",
    }


def test_the_address_sets_the_controls(page):
    assert page.selectbox(key="re_strategy").value == "Top-k confidence"
    assert page.number_input(key="re_top_k_k").value == 2
    assert page.text_area(key="re_board").value == BOARD


def test_another_strategy_brings_its_own_parameters(page):
    page.selectbox(key="re_strategy").set_value(STRATEGIES["eb-sampler"].title).run()
    assert not page.exception and not page.error and replays(page) == 1
    shown = {widget.key for widget in page.number_input}
    for strategy in STRATEGIES.values():
        keys = {parameter_key(strategy, parameter.name) for parameter in strategy.parameters}
        assert keys <= shown if strategy.name == "eb-sampler" else not keys & shown
    gamma = page.number_input(key="re_eb_sampler_gamma")
    bounds = STRATEGIES["eb-sampler"].parameters[0].bounds
    assert (gamma.min, gamma.max) == (bounds.low, bounds.high) and bounds.text in gamma.help


def test_a_strategy_that_needs_mi_asks_where_it_comes_from():
    at = open_page(re_strategy="MI-guided")
    assert not at.exception and not at.error
    assert at.selectbox(key="re_mi").options == list(SOURCES["mi"])
    assert not [toggle for toggle in at.toggle if toggle.key == "re_hide_mi"]
    for source in ("neural head, upper quantile", "probing"):
        at.selectbox(key="re_mi").set_value(source).run()
        assert not at.exception and not at.error and replays(at) == 1


def test_a_source_of_another_strategy_is_let_go():
    at = open_page(re_strategy="DAPD independent set", re_mi="attention")
    assert not at.exception and not at.error and at.selectbox(key="re_mi").value == "attention"
    at.selectbox(key="re_strategy").set_value("MI-guided").run()
    assert not at.exception and not at.error and at.selectbox(key="re_mi").value == "neural head"
    at.selectbox(key="re_strategy").set_value("Peer colouring").run()
    assert not at.exception and not at.error and replays(at) == 1


def test_a_second_run_stands_beside_the_first():
    at = open_page(re_strategy="Top-k confidence", re_top_k_k="2", re2_strategy="Top-k confidence", re2_top_k_k="4")
    assert not at.exception and not at.error and replays(at) == 1
    assert at.number_input(key="re_top_k_k").value == 2 and at.number_input(key="re2_top_k_k").value == 4
    labels = [button.proto.label for button in at.get("download_button")]
    assert labels == [*(f"{file} {run} ({kind})" for run in "AB" for file, kind in FILES), "Replay (HTML)"]
    data = json.loads(at.get("bidi_component")[0].proto.json)
    assert [run["knobs"].split(",")[0] for run in data["runs"]] == ["k 2", "k 4"]
    assert data["divergence"]["choice"]["steps"] == [0, 0]
    at.selectbox(key="re2_strategy").set_value("MI-guided").run()
    assert not at.exception and at.selectbox(key="re2_mi").value == "neural head"
    at.selectbox(key="re2_strategy").set_value("nothing").run()
    assert not at.exception and len(at.get("download_button")) == 3


@pytest.mark.parametrize("name", ["revoking-top-k", "remdm-cap", "remdm-conf", "demask", "pointwise"])
def test_rules_that_take_back_or_ask_for_variation_are_shown(name):
    at = open_page(re_strategy=STRATEGIES[name].title)
    assert not at.exception and not at.error and replays(at) == 1


@pytest.mark.parametrize(
    ("board", "says"),
    [
        ("123", "3 cells were found, and a board needs 81"),
        ("x" * 81, "is no digit 1-9"),
        ("11" + "." * 79, "Digit 1 stands twice in row 1 and box 1"),
        ("".join(map(str, GRID)), "nothing to decode"),
    ],
)
def test_a_bad_board_is_one_sentence(board, says):
    at = open_page(re_board=board)
    assert not at.exception
    (error,) = at.error
    assert says in error.value and "\n" not in error.value
    assert replays(at) == 0


def test_a_trace_file_takes_the_place_of_the_run():
    at = open_page()
    at.file_uploader(key="re_trace").upload("trace.json", TRACE.to_json().encode(), "application/json").run()
    assert not at.exception and not at.error and replays(at) == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"not json", "not a decoding trace"),
        (b"\xff\xfe\x00", "not a decoding trace"),
        (b"[" * 100_000, "not a decoding trace"),
        (TRACE.to_json().replace('"schema": 2', '"schema": 99').encode(), "version 99"),
        (TRACE.to_json().replace('"positions": [80]', '"positions": [81]').encode(), "step 1 commits cells or digits"),
    ],
)
def test_a_bad_trace_file_is_one_sentence(page, data, says):
    page.file_uploader(key="re_trace").upload("trace.json", data, "application/json").run()
    assert not page.exception
    (error,) = page.error
    assert says in error.value and replays(page) == 0


def test_a_huge_file_is_refused_before_it_is_read():
    with pytest.raises(FormatError, match=r"may have at most 5 MB"):
        read_replay(b"{" * (MAX_TRACE_MB * 2**20 + 1))
