"""A real browser for the tests: the explorer on a free local port, Chromium with everything else blocked.

The fixtures that use this are in conftest.py: `app_url`, `open_app`, `page`.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

ROOT = Path(__file__).resolve().parents[1]
LOCAL = {"127.0.0.1", "localhost", ""}  # no host: data:, blob:, about:
CHROMIUM_FLAGS = [
    "--no-sandbox",  # containers run as root
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def chromium_path() -> str | None:
    """Path of an installed Chromium or Chrome, None without one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def missing_browser() -> str | None:
    """Why no browser test can run here, in one sentence; None where one can."""
    if find_spec("playwright") is None:
        return "playwright is not installed: pip install -r requirements-dev.txt."
    if chromium_path() is None:
        return "Chromium is not installed: apt-get install chromium."
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(script: Path, *, timeout: float = 60.0) -> Iterator[str]:
    """Run a Streamlit script headless, from its own folder, on a free port; gives its address."""
    port = free_port()
    options = {"server.port": port, "server.address": "127.0.0.1", "server.headless": "true"}
    command = [sys.executable, "-m", "streamlit", "run", script.name]
    command += [f"--{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, cwd=script.parent, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(url, server, timeout)
            yield url
        except TimeoutError as error:
            log.seek(0)
            raise TimeoutError(f"{error}\n{log.read().decode(errors='replace')[-4000:]}") from None
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_healthy(url: str, server: "subprocess.Popen[bytes]", timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"Streamlit did not answer on {url} within {timeout:.0f} s; its output:")


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A headless Chromium that resolves no name but this machine's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@dataclass
class Offline:
    """Opens pages that reach nothing but this machine, and remembers what they tried."""

    browser: "Browser"
    blocked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    contexts: list["BrowserContext"] = field(default_factory=list)

    def page(self, *, width: int = 1440, height: int = 900, dark: bool = False) -> "Page":
        """A new blank page, with nothing shared with the others."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            service_workers="block",
            accept_downloads=True,
        )
        self.contexts.append(context)
        context.route("**/*", self._only_local)
        page = context.new_page()
        page.on("websocket", lambda socket: self._is_local(socket.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        return page

    def _only_local(self, route: "Route") -> None:
        if self._is_local(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _is_local(self, url: str) -> bool:
        local = (urlsplit(url).hostname or "") in LOCAL
        if not local:
            self.blocked.append(url)
        return local

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def check(self) -> None:
        """Fail if a page asked for anything elsewhere or its scripts threw."""
        assert not self.blocked, f"requests that leave this machine: {self.blocked}"
        assert not self.faults, f"errors of the page's scripts: {self.faults}"


def settle(page: "Page", *, timeout: float = 60.0) -> None:
    """Wait until the app has run its script and stopped; call it after each action that reruns the page."""
    done = '[data-testid="stApp"][data-test-script-state="notRunning"]'
    page.wait_for_selector(done, timeout=timeout * 1000)
    page.wait_for_timeout(150)  # a rerun asked for by the last action has started by now
    page.wait_for_selector(done, timeout=timeout * 1000)


def assert_no_exception(page: "Page") -> None:
    """Fail if Streamlit shows an uncaught exception."""
    shown = page.locator('[data-testid="stException"]')
    assert shown.count() == 0, shown.first.inner_text()
