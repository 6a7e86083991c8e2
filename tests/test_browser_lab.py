"""The pages on likelihood and on tuning in a real browser: a run, its pictures, a pinned cell in the address, files."""

import json
import re
from pathlib import Path

import pytest

from tests.browser import settle

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect


def saved(page, name: str) -> bytes:
    with page.expect_download() as caught:
        page.get_by_role("button", name=name).click()
    return Path(caught.value.path()).read_bytes()


def test_a_tuned_model_is_compared_and_a_cell_pinned(open_app):
    # Against another grid hardly a cell could be given, and most of the board would be probed.
    page = open_app("/What_did_the_tuning_change?wt_given=90&wt_passes=128&wt_against_sudoku=")
    page.get_by_role("button", name="Compare", exact=True).click()
    board = page.locator(".change .board")
    expect(board).to_be_visible(timeout=120_000)
    settle(page)
    assert page.locator(".change canvas").count() >= 1
    page.locator(".change [data-cell='40']").click()
    page.wait_for_url(re.compile("wt_pin=40"))
    settle(page)
    found = json.loads(saved(page, "All (JSON)"))
    assert found["tuned"] == "sudoku-diagonal"
    assert page.locator("[data-testid=stMain]").evaluate("m => m.scrollWidth - m.clientWidth") <= 0


def test_a_table_is_scored_at_once_beside_its_exact_value(open_app):
    page = open_app("/Likelihood?li_model=Exact+table", width=390, height=844, dark=True)
    expect(page.get_by_text("-log p, nats").first).to_be_visible(timeout=60_000)
    expect(page.locator("[data-testid='stPlotlyChart'] .main-svg").first).to_be_visible(timeout=60_000)
    assert page.locator("[data-testid=stMain]").evaluate("m => m.scrollWidth - m.clientWidth") <= 0
