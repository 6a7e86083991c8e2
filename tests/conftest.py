"""Shared fixtures. Nothing here may import `mi_core` at module level: jaxtyping's import hook has to come first."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import browser as driver

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes whole modules, so that their fixtures are made once; one worker has the browser and the server.

    The browser's tests begin first, since they take longest, then the modules with slow tests.
    """
    slow = {_module(item) for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.get_closest_marker("browser"), _module(item) not in slow))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("browser" if item.get_closest_marker("browser") else _module(item)))


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The browser is there as long as tests with a browser follow each other: beside it asyncio.run() fails."""
    if not item.get_closest_marker("browser"):
        driver.BROWSERS.close()


def pytest_sessionfinish() -> None:
    driver.BROWSERS.close()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The same number of threads everywhere: the workers share few cores, and sums have one order."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def needs_browser() -> None:
    """Skip where no browser can run; fail instead where one has been promised."""
    reason = driver.missing_browser()
    if reason and os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def app_url(needs_browser: None) -> Iterator[str]:
    """Address of the running explorer, one server for the whole session."""
    with driver.serve(driver.ROOT / "app.py") as url:
        yield url


@pytest.fixture
def chromium(needs_browser: None) -> "BrowserContext":
    return driver.BROWSERS.lend(driver.CHROMIUM_FLAGS)


@pytest.fixture
def offline(chromium: "BrowserContext") -> Iterator[driver.Offline]:
    """Pages that reach only this machine; the test fails at its end if one tried more."""
    pages = driver.Offline(chromium)
    yield pages
    pages.close()
    pages.check()


@pytest.fixture
def page(offline: driver.Offline) -> "Page":
    """A blank page of 1440 x 900."""
    return offline.page()


@pytest.fixture
def open_app(offline: driver.Offline, app_url: str) -> "Callable[..., Page]":
    """`open_app("/Sudoku?step=3", width=390, dark=True)`: a page of the explorer, loaded and settled."""

    def open_at(path: str = "/", *, width: int = 1440, height: int = 900, dark: bool = False) -> "Page":
        page = offline.page(width=width, height=height, dark=dark)
        page.goto(app_url + path)
        driver.settle(page)
        driver.assert_no_exception(page)
        return page

    return open_at


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small untrained ESM-C."""
    from tests.protein_models import save_tiny_esmc

    return save_tiny_esmc(tmp_path_factory.mktemp("weights") / "esmc-mini.safetensors")


@pytest.fixture
def tiny_in_place(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The protein pages' default model is the tiny one."""
    import streamlit as st

    from mi_core import catalog

    monkeypatch.setitem(catalog.OWN_ESMC, "esmc-mini", ("a tiny one", tiny))
    monkeypatch.setattr(catalog, "ASSETS", tiny.parent)  # no head ships for it
    monkeypatch.setattr("pages.ui.protein_models.OF_EXAMPLE", {})
    st.cache_data.clear()
