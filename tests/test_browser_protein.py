"""The Protein page in a real browser without a network: map, strip, 3D with and without WebGL, files."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests import browser as driver
from tests.browser import settle

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect

LINK = "/Proteins?pr_preset=ubiquitin&pr_mask=3,5,15,17,45,68&pr_mass=0.8&pr_k=5"
NO_WEBGL = ["--disable-gpu", "--disable-webgl", "--disable-webgl2", "--disable-3d-apis"]
SLOW = 180_000  # ms; the first visit loads everything, and the machine may be busy


@pytest.fixture(scope="module", params=["webgl", "no webgl"])
def visitor(request: pytest.FixtureRequest, app_url: str) -> "Iterator[tuple[Callable[..., Page], bool]]":
    """Opens the page, loaded and settled; and whether its browser has WebGL."""
    webgl = request.param == "webgl"
    flags = driver.CHROMIUM_FLAGS if webgl else [f for f in driver.CHROMIUM_FLAGS if "swiftshader" not in f] + NO_WEBGL
    offline = driver.Offline(driver.BROWSERS.lend(flags))

    def open_at(path: str = LINK, *, width: int = 1440, dark: bool = False, shows: str = ".residue") -> "Page":
        offline.close()  # what the last test left open costs time
        page = offline.page(width=width, height=1000, dark=dark)
        page.set_default_timeout(SLOW)
        page.goto(app_url + path)
        settle(page, timeout=SLOW / 1000)
        driver.assert_no_exception(page)
        expect(page.locator(shows).first).to_be_visible(timeout=SLOW)
        return page

    yield open_at, webgl
    offline.close()
    offline.check()


def residue(page: "Page", number: int):
    return page.locator(f"[data-residue='{number - 1}']")


def compute(page: "Page") -> None:
    either = page.get_by_role("button", name=re.compile("Compute ground truth|Ground truth computed"))
    expect(either).to_be_visible(timeout=SLOW)
    if either.is_enabled():  # an earlier visit may have computed it: results are shared
        either.click()
    expect(page.get_by_role("button", name="Ground truth computed")).to_be_visible(timeout=SLOW)
    settle(page)


def saved(page: "Page", button: str) -> bytes:
    with page.expect_download() as caught:
        page.get_by_role("button", name=button).click()
    return caught.value.path().read_bytes()


def drawn(page: "Page") -> int:
    """How many different colours the picture of the structure shows."""
    if page.locator(".molecule").get_attribute("data-renderer") == "trace":
        return page.locator("canvas.trace").evaluate(
            """canvas => {
                const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                return new Set(new Uint32Array(pixels.buffer)).size;
            }"""
        )
    return len(set(page.locator(".molecule").screenshot()))


def test_from_the_example_to_3d_with_its_pairs_and_files(visitor):
    open_at, webgl = visitor
    page = open_at()
    from pages.ui.components import viewer_script

    wanted = "3dmol" if webgl and viewer_script.find() else "trace"
    expect(page.locator(".molecule")).to_have_attribute("data-renderer", wanted, timeout=SLOW)
    if not webgl:
        expect(page.locator(".molecule-note")).to_contain_text("no WebGL")
    compute(page)
    expect(page.locator(".molecule")).to_have_attribute("data-lines", "5", timeout=SLOW)
    expect(page.locator(".map")).to_have_attribute("data-marks", "5")
    assert drawn(page) > 20, "the structure is blank"
    rows = list(csv.DictReader(io.StringIO(saved(page, "Pairs (CSV)").decode())))
    assert rows[0]["rank"] == "1" and re.fullmatch(r"[A-Z]\d+", rows[0]["residue_1"])
    top = json.loads(saved(page, "Top pairs (JSON)"))
    assert len(top["pairs"]) == 5 and top["pairs"][0]["residues"][0] == rows[0]["residue_1"]
    assert saved(page, "Map as PNG").startswith(b"\x89PNG")
    assert saved(page, "Map as SVG").startswith(b"<svg")
    assert saved(page, "3D as PNG").startswith(b"\x89PNG")


def test_a_click_on_a_residue_of_the_structure_selects_it(visitor):
    open_at, webgl = visitor
    page = open_at()
    molecule = page.locator(".molecule")
    if webgl:
        molecule.scroll_into_view_if_needed()
    box = molecule.bounding_box()
    for x, y in [(0.5, 0.5), (0.42, 0.45), (0.58, 0.55), (0.5, 0.4), (0.5, 0.6), (0.4, 0.55), (0.6, 0.45), (0.35, 0.5)]:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(400)
        if page.locator(".residue.pinned").count():
            break
    expect(page.locator(".residue.pinned")).to_have_count(1)
    number = int(page.locator(".residue.pinned").get_attribute("data-residue")) + 1
    settle(page)
    page.wait_for_url(re.compile(f"pr_pin={number}$|pr_pin={number}&"))
    expect(page.locator(".panel-title").first).to_contain_text(str(number))


CHEAPEST = pytest.mark.parametrize("visitor", ["no webgl"], indirect=True)  # where the 3D view plays no part


@CHEAPEST
def test_residues_are_masked_by_click_drag_and_key(visitor):
    open_at, _ = visitor
    page = open_at()
    residue(page, 20).click()
    expect(residue(page, 20)).to_have_class(re.compile("open"))
    page.wait_for_url(re.compile("pr_mask=3%2C5%2C15%2C17%2C20"))
    settle(page)
    residue(page, 30).hover()
    page.mouse.down()
    residue(page, 34).hover()
    page.mouse.up()
    page.wait_for_url(re.compile("30-34"))
    settle(page)
    residue(page, 34).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_url(re.compile("30-35"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("pr_pin=35"))
    expect(page.get_by_role("textbox", name="Masked residues")).to_have_value("3,5,15,17,20,30-35,45,68")


@CHEAPEST
def test_the_map_pins_a_pair(visitor):
    open_at, _ = visitor
    page = open_at()
    page.locator(".map-overlay").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".map-tip")).to_contain_text(re.compile("I3 . T7"))
    page.keyboard.press("Enter")
    expect(page.locator(".residue.pinned")).to_have_count(2)
    page.wait_for_url(re.compile("pr_pin=3%2C7"))
    page.keyboard.press("Escape")
    expect(page.locator(".residue.pinned")).to_have_count(0)


DESIGN = LINK.replace("/Proteins", "/Design") + "&de_strategy=Top-k+confidence&de_top_k_k=2&de_tokens=likeliest"


def test_a_design_is_replayed_by_keys_on_its_structure(visitor):
    open_at, webgl = visitor
    page = open_at(DESIGN + "&de_step=1", shows="svg.rp-board")
    from pages.ui.components import viewer_script

    wanted = "3dmol" if webgl and viewer_script.find() else "trace"
    expect(page.locator(".molecule")).to_have_attribute("data-renderer", wanted, timeout=SLOW)
    picture = page.locator("svg.rp-board")
    expect(picture).to_have_attribute("aria-label", re.compile("Sequence after step 1: .*; 4 residues open"))
    before = page.locator(".molecule").screenshot()
    page.keyboard.press("End")
    expect(picture).to_have_attribute("aria-label", re.compile("after step 3: .*; 0 residues open"))
    expect(page.locator(".rp-position")).to_have_text("3 / 3")
    assert "de_step=3" in page.url
    page.wait_for_timeout(500)
    assert page.locator(".molecule").screenshot() != before, "the structure keeps its colours"
    trace = json.loads(saved(page, "Trace (JSON)"))
    assert trace["kind"] == "decode-trace" and trace["nfe"] == 3


@pytest.mark.parametrize(("visitor", "dark"), [("no webgl", False), ("webgl", True)], indirect=["visitor"])
def test_it_fits_a_telephone(visitor, dark):
    open_at, _ = visitor
    page = open_at(width=390, dark=dark)
    wide = page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth - main.clientWidth")
    assert wide <= 0
    residue(page, 20).click()
    expect(residue(page, 20)).to_have_class(re.compile("open"))
