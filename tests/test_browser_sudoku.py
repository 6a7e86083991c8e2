"""The Sudoku page in a real browser without a network: drawing, typing, pinning, keys, files, links."""

import re
from pathlib import Path

import pytest

from tests.browser import settle

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect

SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
NEARLY = "......" + SOLVED[6:]  # six open cells
LINK = f"/Sudoku?su_board={NEARLY}"


def cell(page, name: str):
    row, column = int(name[1]), int(name[3])
    return page.locator(f".workbench [data-cell='{9 * row + column - 10}']")


def colours(page) -> int:
    """How many different colours the first map shows."""
    return page.locator(".map-picture").first.evaluate(
        """canvas => {
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let k = 0; k < pixels.length; k += 4) seen.add(pixels[k] << 16 | pixels[k + 1] << 8 | pixels[k + 2]);
            return seen.size;
        }"""
    )


def test_a_cold_link_draws_board_and_map(open_app):
    page = open_app(LINK + "&su_pin=r1c2&su_view=Estimate")
    expect(cell(page, "r9c9")).to_have_text(re.compile("9$"))
    expect(cell(page, "r1c2")).to_have_class(re.compile("pinned"))
    expect(page.get_by_role("group", name="What if r1c2 were")).to_be_visible()
    assert colours(page) > 20, "the map is blank"


def test_click_and_type_fill_and_undo(open_app):
    page = open_app(LINK)
    cell(page, "r1c1").click()
    settle(page)
    page.keyboard.press("5")
    expect(cell(page, "r1c1").locator(".value")).to_have_text("5")
    settle(page)
    expect(page.locator(".board.stale")).to_have_count(0, timeout=30_000)
    assert "su_board=5" in page.url
    page.keyboard.press("Backspace")
    expect(cell(page, "r1c1").locator(".value")).to_have_text("")
    page.wait_for_url(re.compile("su_board=\\."))
    settle(page)
    expect(page.locator(".board.stale")).to_have_count(0, timeout=30_000)
    page.keyboard.press("Control+z")
    expect(cell(page, "r1c1").locator(".value")).to_have_text("5", timeout=30_000)


def test_keys_move_pin_and_release(open_app):
    page = open_app(LINK)
    cell(page, "r1c1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(cell(page, "r1c3")).to_be_focused()
    page.keyboard.press("Enter")
    expect(cell(page, "r1c3")).to_have_class(re.compile("pinned"))
    chip = page.get_by_role("button", name=re.compile("^4, "))
    expect(chip).to_be_enabled(timeout=30_000)
    settle(page)
    assert "su_pin=r1c3" in page.url
    chip.click()
    expect(page.locator(".legend-text")).to_contain_text("r1c3 = 4")
    cell(page, "r1c3").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(cell(page, "r1c3")).not_to_have_class(re.compile("pinned"))


def test_a_clash_is_marked_and_named(open_app):
    page = open_app(LINK)
    cell(page, "r1c1").focus()
    page.keyboard.press("6")
    expect(cell(page, "r1c1")).to_have_class(re.compile("clash"))
    expect(page.get_by_text(re.compile("Digit 6 stands twice"))).to_be_visible(timeout=30_000)


def test_the_map_speaks_of_the_pair_under_the_pointer(open_app):
    page = open_app(LINK)
    overlay = page.locator(".map-overlay").first
    overlay.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".map-tip").first).to_contain_text(re.compile("r1c1 . r1c3: estimate"))
    expect(page.locator(".map-tip").first).to_contain_text("(same row and box)")
    page.keyboard.press("Enter")
    expect(cell(page, "r1c1")).to_have_class(re.compile("pinned"))


def test_truth_is_computed_and_files_are_saved(open_app):
    page = open_app(LINK)
    page.get_by_role("button", name="Compute ground truth").click()
    expect(page.get_by_text("How far to trust it")).to_be_visible(timeout=60_000)
    settle(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Pairs (CSV)").click()
    text = Path(saved.value.path()).read_text()
    assert text.startswith("cell_1,cell_2,estimate,truth") and text.count("\n") == 16
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save picture (PNG)").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_telephone(open_app, dark):
    page = open_app(LINK + "&su_view=Side+by+side", width=390, height=844, dark=dark)
    expect(page.locator(".board")).to_be_visible()
    wide = page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth - main.clientWidth")
    assert wide <= 0
    cell(page, "r1c1").click()
    page.get_by_role("button", name="Write 5").click()
    expect(cell(page, "r1c1").locator(".value")).to_have_text("5")
