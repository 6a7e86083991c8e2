"""The likelihood page without a browser: it estimates, shows the exact value, and says what cannot be scored."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.errors import InputError
from mi_core.likelihood import ask, exact_nll
from mi_core.likelihood.lab import of_board, of_symbols, report
from mi_core.models import exact
from mi_core.models.exact import ExactModel
from mi_core.sudoku.board import VOCAB, parse

APP = Path(__file__).resolve().parents[1] / "app.py"
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
NEARLY = "....78912" + SOLVED[9:]


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("pages/7_Likelihood.py").run()
    assert not app.exception
    return app


def wait_for_report(app: AppTest, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while "li_job" in app.session_state and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()


def shown(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_a_table_is_scored_at_once():
    app = open_page(li_model="Exact table")
    assert not app.error and shown(app)["Exact"] == "5.0783"
    assert shown(app)["-log p, nats"] == "5.078 ± 0.000" and shown(app)["Spread over orders"] == "0.000"
    table = app.dataframe[0].value
    assert table["Method"].iloc[0] == "Any-order chain" and len(table) == 5
    app.text_input(key="li_sequence_golden").set_value("0110").run()
    assert shown(app)["Exact"] == "3.9797"
    app.selectbox(key="li_table").select("random").run()
    assert not app.exception and not app.error


def test_a_board_is_scored_in_the_background():
    app = open_page(li_board="Own board", li_text=NEARLY, li_passes="64")
    assert not app.metric
    app.button(key="li_run").click().run()
    wait_for_report(app)
    assert not app.exception and not app.error
    assert shown(app)["-log p, nats"].startswith("0.0") and "Exact (tables only)" in shown(app)
    again = open_page(li_board="Own board", li_text=NEARLY, li_passes="64")
    assert again.metric, "another session finds it at once"
    again.number_input(key="li_seed").set_value(5).run()
    assert not again.metric, "another seed is another run"


def test_a_run_can_be_cancelled():
    app = open_page(li_board="Empty board", li_passes="4096")
    app.button(key="li_run").click().run()
    assert "li_job" in app.session_state
    app.button(key="li_cancel").click().run()
    assert not app.exception and "li_job" not in app.session_state and not app.metric


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"li_board": "Own board", "li_text": "123"}, "81"),
        ({"li_board": "Own board", "li_text": "55" + "." * 79}, "r1c1 and r1c2"),
        ({"li_board": "Own board", "li_text": "12345678." + "9" + "." * 71}, ""),
        ({"li_model": "Exact table", "li_sequence_golden": "0129"}, "'9'"),
        ({"li_model": "Exact table", "li_sequence_golden": "01"}, "4 positions"),
        ({"li_model": "Exact table", "li_sequence_golden": "...."}, "empty"),
        (
            {"li_model": "Exact table", "li_table": "Two copied bits", "li_sequence_copied-bits": "0100"},
            "probability 0",
        ),
    ],
    ids=["short", "clash", "fine", "symbol", "length", "nothing", "impossible"],
)
def test_what_cannot_be_scored_is_one_sentence(query: dict[str, str], told: str):
    app = open_page(**query)
    assert len(app.error) == (1 if told else 0)
    assert not told or told in app.error[0].value


def test_the_report_of_a_table_carries_the_exact_curve():
    model = ExactModel(exact.golden_table())
    question = of_symbols(model, "01.0")
    seen = []
    found = report(model, question, passes=64, progress=lambda done, total: seen.append((done, total)))
    assert found.race.exact == exact_nll(model, question) and found.symbols == ("0", "1", "0")
    assert found.curve.exact is not None and float(found.curve.exact[0]) == pytest.approx(found.race.exact)
    assert seen[-1][0] <= seen[-1][1] and found.to_json()["curve"][0]["exact"] is not None
    low, high = found.race.window
    assert low < found.race.exact < high


def test_boards_become_questions():
    model = ExactModel(exact.golden_table())
    model.vocab, model.length = VOCAB, 81
    question = of_board(model, NEARLY)
    assert question.target == (0, 1, 2, 3) and len(question.context) == 77
    assert question.tokens.tolist() == ask(model, parse(SOLVED)).tokens.tolist()
    broken = "5" + SOLVED[1:-1] + "1"
    assert len(of_board(model, broken).target) == 81
    with pytest.raises(InputError, match="no solution"):
        of_board(model, "12345678." + "." * 17 + "9" + "." * 54)
