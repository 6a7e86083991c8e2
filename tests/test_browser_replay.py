"""The replay in a real browser: keys, deep links, downloads, no trip to the server while stepping."""

import json
from urllib.parse import urlencode

import pytest

from tests.browser import settle
from tests.test_postmortem import GRID

pytestmark = pytest.mark.browser

BOARD = "".join("." if cell % 10 == 0 else str(digit) for cell, digit in enumerate(GRID))  # 9 open cells
STATE = {"re_board": BOARD, "re_strategy": "Top-k confidence", "re_top_k_k": "2", "re_tokens": "likeliest"}
STEPS = 5


def address(**more: str) -> str:
    return "/Replay?" + urlencode(STATE | more)


def position(page) -> str:
    return page.locator(".rp-position").inner_text()


def open_cells(page) -> int:
    label = page.locator("svg.rp-board").get_attribute("aria-label")
    return int(label.split(" cells open")[0].split("; ")[-1]) if "cells open" in label else 9


def test_keys_step_in_the_browser_alone(offline, app_url):
    page = offline.page()
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.goto(app_url + address())
    settle(page)
    page.locator("svg.rp-board").wait_for()
    assert position(page) == f"1 / {STEPS}" and open_cells(page) == 7
    quiet = len(sent)
    assert quiet > 0  # the page itself was asked for over the socket that is watched
    page.keyboard.press("ArrowRight")
    assert position(page) == f"2 / {STEPS}" and open_cells(page) == 5
    page.keyboard.press("ArrowLeft")
    assert position(page) == f"1 / {STEPS}"
    page.keyboard.press("End")
    assert position(page) == f"{STEPS} / {STEPS}" and open_cells(page) == 0
    page.keyboard.press("ArrowRight")
    assert position(page) == f"{STEPS} / {STEPS}"
    page.keyboard.press("Home")
    assert position(page) == f"0 / {STEPS}" and open_cells(page) == 9
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert len(sent) == quiet
    assert "re_step=3" in page.url


def test_a_cold_link_opens_its_step_and_survives_a_reload(open_app):
    page = open_app(address(re_step="4"))
    page.locator("svg.rp-board").wait_for()
    assert position(page) == f"4 / {STEPS}"
    assert "Step 4 of 5" in page.locator(".rp-card .rp-head").inner_text()
    page.reload()
    settle(page)
    assert page.locator(".rp-position").inner_text() == f"4 / {STEPS}"


def test_buttons_timeline_and_play(open_app):
    page = open_app(address())
    page.get_by_role("button", name="Last step (End)").click()
    assert position(page) == f"{STEPS} / {STEPS}"
    assert page.get_by_role("slider", name="Step").get_attribute("aria-valuenow") == str(STEPS)
    page.locator(".rp-tick").nth(2).click()
    assert position(page) == f"2 / {STEPS}"
    page.get_by_label("Speed").select_option("250")
    page.get_by_role("button", name="Play (Space)").click()
    page.locator(".rp-position", has_text=f"{STEPS} / {STEPS}").wait_for(timeout=20_000)
    page.get_by_role("button", name="Play (Space)").wait_for(timeout=5_000)


def test_typing_in_a_field_does_not_step(open_app):
    page = open_app(address())
    page.get_by_label("k", exact=True).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert position(page) == f"1 / {STEPS}"


def test_the_trace_and_the_picture_can_be_saved(open_app, tmp_path):
    page = open_app(address())
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Trace (JSON)").click()
    path = tmp_path / "trace.json"
    waiting.value.save_as(path)
    trace = json.loads(path.read_text())
    assert trace["kind"] == "decode-trace" and trace["nfe"] == STEPS
    with page.expect_download() as waiting:
        page.locator(".rp-save", has_text="PNG").click()
    waiting.value.save_as(tmp_path / "board.png")
    assert waiting.value.suggested_filename == "replay-step-1.png"
    picture = (tmp_path / "board.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


def test_the_standalone_replay_works_without_the_server(open_app, offline, tmp_path):
    page = open_app(address())
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Replay (HTML)").click()
    path = tmp_path / "replay.html"
    waiting.value.save_as(path)
    alone = offline.page()
    alone.goto(path.as_uri())
    alone.keyboard.press("End")
    assert position(alone) == f"{STEPS} / {STEPS}" and open_cells(alone) == 0


def test_a_narrow_screen_does_not_scroll_sideways(open_app):
    page = open_app(address(), width=390)
    page.locator("svg.rp-board").wait_for()
    over = page.evaluate("(m => m.scrollWidth - m.clientWidth)(document.querySelector('[data-testid=stMain]'))")
    assert over <= 0


def test_a_gallery_link_sets_the_run_and_the_address(open_app):
    page = open_app(address(re_step="4"))
    page.get_by_role("link", name="Two coins that are one").click()
    page.locator(".rp-title", has_text="Confidence threshold").wait_for(timeout=60_000)
    settle(page)
    shown = page.locator(".rp-title").inner_text()
    assert "tau 0.4" in shown and "sampled" in shown
    assert "re_strategy=Confidence+threshold" in page.url and "re_step=1" in page.url and "re_link" not in page.url
    page.reload()
    settle(page)
    assert page.locator(".rp-title").inner_text() == shown


def test_sequential_stays_sequential_when_its_link_is_opened(open_app):
    page = open_app(address())
    page.get_by_label("Strategy").click()
    page.get_by_role("option", name="Sequential").click()
    page.locator(".rp-title", has_text="Sequential").wait_for(timeout=60_000)
    settle(page)
    page.reload()
    settle(page)
    page.locator(".rp-title", has_text="Sequential").wait_for(timeout=60_000)
    assert position(page).endswith("/ 9")


PAIR = {"re2_strategy": "Top-k confidence", "re2_top_k_k": "4"}  # 5 steps beside 3: 2 2 2 2 1 and 4 4 1


def filled(page) -> list[int]:
    """How many of the nine cells each board shows filled."""
    labels = [board.get_attribute("aria-label") for board in page.locator("svg.rp-board").all()]
    return [9 - int(text.rsplit(" cells open", 1)[0].split("; ")[-1]) if "cells open" in text else 0 for text in labels]


def test_two_runs_by_cells_and_by_passes(offline, app_url):
    page = offline.page()
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.goto(app_url + address(**PAIR))
    settle(page)
    page.locator("svg.rp-board").nth(1).wait_for()
    quiet = len(sent)
    seen = []
    page.keyboard.press("Home")
    for _ in range(6):
        seen.append((position(page), *filled(page)))
        page.keyboard.press("ArrowRight")
    assert seen == [
        ("0 / 9 cells", 0, 0),
        ("2 / 9 cells", 2, 0),
        ("4 / 9 cells", 4, 4),
        ("6 / 9 cells", 6, 4),
        ("8 / 9 cells", 8, 8),
        ("9 / 9 cells", 9, 9),
    ]
    page.get_by_role("button", name="passes").click()
    assert position(page) == "5 / 5 passes"
    page.keyboard.press("Home")
    for passes, both in enumerate([[0, 0], [2, 4], [4, 8], [6, 9], [8, 9], [9, 9]]):
        assert (position(page), filled(page)) == (f"{passes} / 5 passes", both)
        page.keyboard.press("ArrowRight")
    page.locator(".rp-title").first.click()  # the pressed button has its own use for the space bar
    page.keyboard.press(" ")
    page.locator(".rp-position", has_text="1 / 5").wait_for(timeout=10_000)
    page.keyboard.press(" ")
    page.wait_for_timeout(300)
    assert len(sent) == quiet, "stepping two runs asks the server nothing"
    page.reload()
    settle(page)
    page.locator("svg.rp-board").nth(1).wait_for()
    assert "re_sync=passes" in page.url and position(page).endswith("passes")


def test_the_first_divergence_is_marked_and_can_be_gone_to(open_app):
    page = open_app(address(**PAIR, re_step="5"))
    parting = page.locator(".rp-first-choice")
    assert parting.inner_text().startswith("◆ They first part in step 1. Only B commits")
    parting.click()
    assert position(page) == "2 / 9 cells"
    assert page.locator(".rp-tick .rp-parted").count() == 1
    assert page.locator(".rp-parting").inner_text().endswith("Every cell ends with the same digit in both.")
    page.locator(".rp-tick").nth(2).click()
    boards = page.locator("svg.rp-board")
    marked = [board.locator("path[fill='var(--rp-part)']").count() for board in boards.all()]
    assert marked == [0, 2], "B's first step commits two cells more"


def test_two_runs_stack_on_a_narrow_screen(open_app):
    page = open_app(address(**PAIR), width=390)
    page.locator("svg.rp-board").nth(1).wait_for()
    first, second = (board.bounding_box() for board in page.locator("svg.rp-board").all())
    assert second["y"] > first["y"] + first["height"]
    over = page.evaluate("(m => m.scrollWidth - m.clientWidth)(document.querySelector('[data-testid=stMain]'))")
    assert over <= 0
