"""The page Be the decoder, driven without a browser: what is shown, moves from the address, bad input."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.decoding import decode
from mi_core.game import Score, begin, cost, play
from mi_core.sudoku.board import parse
from mi_core.sudoku.presets import PRESETS
from pages.ui.cached import get_model
from pages.ui.decoder_payload import standings, table
from tests.browser import ROOT
from tests.test_postmortem import GRID

OPEN = [0, 13, 26, 39, 52, 65, 78]
BOARD = "".join("." if cell % 13 == 0 else str(digit) for cell, digit in enumerate(GRID))
RIVALS = 6


def open_page(**state: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    at.switch_page("pages/4_Be_the_decoder.py")
    for name, value in ({"ga_board": BOARD, "ga_tokens": "likeliest"} | state).items():
        at.query_params[name] = value
    return at.run()


def component(at: AppTest, index: int = 0) -> dict[str, object]:
    return json.loads(at.get("bidi_component")[index].proto.json)


def test_it_opens_with_the_board_and_nothing_chosen():
    at = open_page()
    assert not at.exception and not at.error and not at.warning
    (shown,) = [component(at)]
    assert shown["text"] == shown["start"] == BOARD and shown["open"] == OPEN
    assert (shown["step"], shown["passes"], shown["can_undo"], shown["cost"]) == (1, 1, False, None)
    assert len(shown["mi"]) == 7 * 6 / 2 and len(shown["marks"]) == 729


def test_moves_in_the_address_are_played_and_counted():
    at = open_page(ga_moves="0013-a2639")
    shown = component(at)
    assert (shown["step"], shown["last"], shown["can_undo"]) == (2, [0, 13], True)
    assert shown["text"].count(".") == 5 and shown["steps"][:14] == [1, *[0] * 12, 1]
    assert shown["passes"] >= 2
    at.button(key="ga_new").click().run()
    assert component(at)["text"] == BOARD and not at.exception


def test_a_choice_is_priced_and_a_commit_makes_a_move():
    at = open_page()
    at.session_state["ga_picked"] = (0, 13, 2)
    at.run()
    priced = component(at)["cost"]
    assert priced["cells"] == [0, 13], "a given cell cannot be chosen"
    assert priced["tc"] is not None and priced["gap"] is None and priced["eb"] >= 0 and priced["sum_mi"] is not None


def test_a_finished_game_stands_beside_the_strategies():
    at = open_page(ga_moves="".join(f"{cell:02d}" for cell in OPEN))
    assert not at.exception and not at.error
    rows = at.dataframe[0].value.to_dict("records")
    assert len(rows) == 1 + RIVALS
    mine = next(row for row in rows if row["decoder"] == "You")
    assert mine["passes"] == mine["steps"] == 1 and mine["board"] == "✓ the only solution"
    sequential = next(row for row in rows if row["decoder"] == "Sequential")
    assert sequential["passes"] == len(OPEN)
    pair = component(at, 1)
    assert [run["title"] for run in pair["runs"]] == ["You", "Sequential"]
    at.selectbox(key="ga_against").set_value("EB-Sampler").run()
    assert [run["title"] for run in component(at, 1)["runs"]] == ["You", "EB-Sampler"]


def test_another_board_starts_a_new_game():
    at = open_page(ga_moves="0013")
    assert component(at)["step"] == 2
    at.text_area(key="ga_board").set_value(PRESETS["easy"].text).run()
    assert not at.exception and component(at)["step"] == 1 and component(at)["text"] == PRESETS["easy"].text


@pytest.mark.parametrize(
    ("moves", "says"),
    [("01", "open positions"), ("0000", "each of them once"), ("99", "open positions"), ("zz", "cannot be read")],
)
def test_moves_that_cannot_be_are_one_sentence_and_a_new_game(moves, says):
    at = open_page(ga_moves=moves)
    assert not at.exception and not at.error
    (warning,) = at.warning
    assert says in warning.value and component(at)["text"] == BOARD


@pytest.mark.parametrize(
    ("board", "says"), [("123", "a board needs 81"), ("".join(map(str, GRID)), "nothing to decode")]
)
def test_a_bad_board_is_one_sentence(board, says):
    at = open_page(ga_board=board)
    assert not at.exception
    (error,) = at.error
    assert says in error.value and not at.get("bidi_component")


def test_the_payload_names_the_state_and_its_cost():
    model = get_model()
    game = begin(model, parse(BOARD))
    alone = table(game, "", cost(game, [0]))
    assert alone["cost"] == {"cells": [0], "sum_mi": None, "eb": 0.0, "tc": pytest.approx(0, abs=1e-9), "gap": 0.0}
    assert alone["id"] != table(game, "00", None)["id"] and alone["mi"] is None
    done = play(game, OPEN)
    ended = table(done, "x", None)
    assert ended["open"] == [] and ended["passes"] == 1 and "." not in ended["text"]
    assert done.trace.tokens == decode(model, parse(BOARD)[None], "threshold", {"tau": 0.0})[0].tokens


def test_valid_boards_lead_then_the_fewest_passes():
    rows = standings(
        [
            ("fast", "", Score(1, 1, 3, 2, False, None)),
            ("slow", "", Score(9, 9, 0, 0, True, None)),
            ("best", "k 2", Score(4, 4, 0, 0, True, True)),
        ]
    )
    assert [row["decoder"] for row in rows] == ["best", "slow", "fast"]
    assert [row["board"] for row in rows] == ["✓ the only solution", "✓ valid", "✕ not valid"]
