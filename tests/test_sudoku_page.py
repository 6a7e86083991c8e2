"""The Sudoku page without a browser: it runs, reacts, and says in one sentence what is wrong."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.sudoku.board import cell_name, format_line
from mi_core.sudoku.presets import PRESETS, random_preset

APP = Path(__file__).resolve().parents[1] / "app.py"
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
NEARLY = "....78912" + SOLVED[9:]  # four open cells: probing is quick
TWO_WAYS = SOLVED.replace("4", ".").replace("8", ".")  # either digit may take either place


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("pages/1_Sudoku.py").run()
    assert not app.exception
    return app


def bench(app: AppTest) -> dict[str, Any]:
    """The data of the workbench as the browser receives it."""
    proto = app.get("bidi_component")[0].proto
    return json.loads(proto.json or proto.mixed.json)


def wait_for_truth(app: AppTest, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while "su_job" in app.session_state and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()


def test_the_page_starts_with_an_example():
    app = open_page()
    assert not app.error
    assert app.selectbox(key="su_preset").value == "rectangle"
    assert bench(app)["board"] == PRESETS["rectangle"].text


def test_an_example_is_loaded_and_undone():
    app = open_page()
    app.selectbox(key="su_preset").select("hard").run()
    assert bench(app)["board"] == PRESETS["hard"].text
    app.button(key="su_undo").click().run()
    assert bench(app)["board"] == PRESETS["rectangle"].text
    assert app.selectbox(key="su_preset").value == "rectangle"
    assert app.button(key="su_undo").disabled


def test_shuffling_draws_another_board():
    app = open_page()
    app.button(key="su_shuffle_several").click().run()
    assert not app.exception and not app.error
    assert bench(app)["board"] != PRESETS["rectangle"].text
    app.button(key="su_shuffle_empty").click().run()
    assert bench(app)["board"] == format_line(random_preset("empty", 0))


def test_a_deep_link_restores_everything():
    app = open_page(
        su_board=NEARLY, su_view="Difference", su_order="Boxes", su_scale="Board", su_pin="r1c2", su_digit="3"
    )
    data = bench(app)
    assert data["board"] == NEARLY
    assert data["view"] == "difference" and data["order"]["names"][0] == "b1" and "this board" in data["scale"]["label"]
    assert (data["pin"], data["digit"], data["whatif"]["cell"]) == (1, 3, 1)
    assert app.selectbox(key="su_preset").value is None
    assert any("Strongest pairs of r1c2" in header.value for header in app.subheader)


@pytest.mark.parametrize(
    ("text", "told"), [("123", "81"), ("x" * 81, "'x'"), ("1" * 3000, "2000")], ids=["short", "letters", "long"]
)
def test_a_bad_board_is_one_sentence_and_the_last_good_one_stays(text, told):
    app = open_page(su_board=NEARLY)
    app.text_input(key="su_board").set_value(text).run()
    assert not app.exception
    assert len(app.error) == 1 and told in app.error[0].value
    assert bench(app)["board"] == NEARLY


def test_a_bad_board_in_a_cold_link_falls_back_to_the_example():
    app = open_page(su_board="12")
    assert len(app.error) == 1
    assert bench(app)["board"] == PRESETS["rectangle"].text


def test_a_clash_is_named():
    app = open_page(su_board="55" + "." * 79)
    assert len(app.error) == 1 and "r1c1 and r1c2" in app.error[0].value


def test_pinning_a_given_cell_does_nothing():
    app = open_page(su_board=NEARLY, su_pin="r9c9")
    assert bench(app)["pin"] is None


def test_a_complete_board_has_nothing_to_share():
    app = open_page(su_board=SOLVED)
    assert not app.error
    app.button(key="su_run").click().run()
    wait_for_truth(app)
    assert not app.exception and not app.error


def test_the_ground_truth_is_computed_shown_and_kept():
    app = open_page(su_board=NEARLY, su_mass="1")
    assert bench(app)["truth"] is None
    app.button(key="su_run").click().run()
    wait_for_truth(app)
    assert len(bench(app)["truth"]) == 6
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Ground truth"].startswith("37 passes")
    assert shown["Width, nats"] == "0.0000", "all tokens were tried"
    again = open_page(su_board=NEARLY, su_mass="1")
    assert len(bench(again)["truth"]) == 6, "another session finds it at once"


def test_another_form_is_read_from_the_same_probes():
    app = open_page(su_board=TWO_WAYS)
    app.button(key="su_run").click().run()
    wait_for_truth(app)
    averaged = bench(app)["truth"]
    app.selectbox(key="su_form").select("entropy-difference").run()
    assert bench(app)["truth"] not in (None, averaged), "no second run, other numbers"
    app.selectbox(key="su_mass").select("0.9").run()
    assert bench(app)["truth"] is None, "another mass is another run"


def test_the_ground_truth_can_be_cancelled():
    app = open_page(su_board="." * 81)
    app.button(key="su_run").click().run()
    assert "su_job" in app.session_state
    app.button(key="su_cancel").click().run()
    assert not app.exception
    assert "su_job" not in app.session_state
    assert bench(app)["truth"] is None
    assert app.button(key="su_run")


def test_a_pinned_cell_ranks_its_own_pairs():
    app = open_page(su_board="." * 81, su_pin="r5c5")
    assert not app.info and not app.error, [message.value for message in [*app.info, *app.error]]
    table = app.dataframe[0].value
    assert all(cells.startswith(cell_name(40)) for cells in table["Cells"])
