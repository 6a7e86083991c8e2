"""The browser harness keeps its promises, on a tiny app with the settings of the explorer."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import ROOT, Offline, assert_no_exception, serve, settle

pytestmark = pytest.mark.browser

APP = """
import streamlit as st
if st.button("More"):
    st.write("Pressed")
if st.query_params.get("fail"):
    raise RuntimeError("planted")
if st.query_params.get("remote"):
    st.image("https://example.org/picture.png")
"""


@pytest.fixture(scope="module")
def small_app(needs_browser, tmp_path_factory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "small.py").write_text(APP)
    shutil.copytree(ROOT / ".streamlit", folder / ".streamlit")
    with serve(folder / "small.py") as url:
        yield url


def test_settle_waits_for_the_rerun(page, small_app):
    page.goto(small_app)
    settle(page)
    page.get_by_role("button", name="More").click()
    settle(page)
    page.get_by_text("Pressed").wait_for(timeout=10_000)  # the workers may keep the server waiting
    assert page.viewport_size == {"width": 1440, "height": 900}


def test_a_request_elsewhere_is_blocked_and_fails(chromium, small_app):
    pages = Offline(chromium)
    page = pages.page()
    page.goto(f"{small_app}?remote=1")
    settle(page)
    pages.close()
    with pytest.raises(AssertionError, match=r"example\.org"):
        pages.check()


def test_an_uncaught_exception_is_noticed(page, small_app):
    page.goto(f"{small_app}?fail=1")
    settle(page)
    with pytest.raises(AssertionError):
        assert_no_exception(page)
