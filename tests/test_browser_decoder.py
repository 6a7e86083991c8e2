"""A game of Be the decoder in a real browser, by keys and by clicks; the benchmark page with its shipped results."""

from urllib.parse import urlencode

import pytest

from tests.browser import settle
from tests.test_decoder_page import BOARD, OPEN

pytestmark = pytest.mark.browser

STATE = {"ga_board": BOARD, "ga_tokens": "likeliest"}


def address(**more: str) -> str:
    return "/Be_the_decoder?" + urlencode(STATE | more)


def head(page) -> str:
    return page.locator(".decoder .head").inner_text()


def cell(page, number: int):
    return page.locator(f".decoder .cell[data-cell='{number}']")


def test_a_full_game_by_keys(open_app):
    page = open_app(address())
    assert head(page) == "Step 1 · 1 pass so far · 7 open"
    cell(page, 0).focus()
    page.keyboard.press("Space")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")  # r2c5, cell 13
    page.keyboard.press("Enter")
    assert page.locator(".cell.chosen").count() == 2
    page.locator(".cost-tc .value", has_text="0.").wait_for(timeout=60_000)
    page.keyboard.press("k")
    page.locator(".head", has_text="Step 2 · 2 passes so far · 5 open").wait_for(timeout=60_000)
    settle(page)
    assert "ga_moves=0013" in page.url and page.locator(".cell.chosen").count() == 0
    cell(page, 13).focus()
    page.keyboard.press("u")
    page.locator(".head", has_text="Step 1 · 1 pass so far · 7 open").wait_for(timeout=60_000)
    settle(page)
    assert "ga_moves" not in page.url
    cell(page, 13).focus()
    for _ in OPEN:
        page.keyboard.press("m")
    assert page.locator(".cell.chosen").count() == len(OPEN)
    page.keyboard.press("k")
    page.locator(".head", has_text="Finished in 1 pass").wait_for(timeout=60_000)
    page.locator(".rp-title").nth(1).wait_for(timeout=60_000)
    settle(page)
    assert page.locator(".rp-title").nth(0).inner_text().startswith("A")
    page.keyboard.press("End")
    assert "Finished" in head(page)


def test_a_game_by_clicks_survives_a_reload(open_app):
    page = open_app(address())
    for number in OPEN[:3]:
        cell(page, number).click()
    page.get_by_role("button", name="Commit 3 together").click()
    page.locator(".head", has_text="Step 2").wait_for(timeout=60_000)
    settle(page)
    page.reload()
    settle(page)
    assert head(page) == "Step 2 · 2 passes so far · 4 open"


def test_probing_is_asked_for_and_counted(open_app):
    page = open_app("/Be_the_decoder?" + urlencode({"ga_moves": "3031"}))  # the rectangle, its coins still open
    page.set_default_timeout(90_000)  # the server works out exact costs meanwhile
    for number in (32, 35):  # r4c6 and r4c9, one fair coin
        cell(page, number).click()
    page.get_by_role("button", name="Probe").click()
    page.locator(".cost-gap .value").wait_for(timeout=60_000)
    settle(page)
    assert 0.5 < float(page.locator(".cost-gap .value").inner_text()) < 0.9
    assert 0.5 < float(page.locator(".cost-tc .value").inner_text()) < 0.9
    passes = int(head(page).split(" passes")[0].split("· ")[1])
    assert passes > 2 and page.locator(".cell.chosen").count() == 2


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_scrolls_sideways(open_app, width):
    page = open_app(address(), width=width)
    cell(page, 0).click()
    page.locator(".cost-tc .value", has_text="0.").wait_for(timeout=60_000)
    over = page.evaluate("(m => m.scrollWidth - m.clientWidth)(document.querySelector('[data-testid=stMain]'))")
    assert over <= 0


def test_the_benchmark_page_shows_its_shipped_results(open_app):
    page = open_app("/Benchmark")
    page.locator("[data-testid='stPlotlyChart'] .scatterlayer .trace").first.wait_for(timeout=60_000)
    page.locator("[data-testid='stDataFrame']").first.wait_for(timeout=60_000)
    page.get_by_text("Empty board", exact=True).click()
    settle(page)
    page.locator("[data-testid='stPlotlyChart'] .scatterlayer .trace").first.wait_for(timeout=60_000)
    assert "be_boards=Empty+board" in page.url
