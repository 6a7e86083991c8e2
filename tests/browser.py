"""A real browser for the tests: the explorer on a free local port, Chromium with everything else blocked.

The fixtures that use this are in conftest.py: `app_url`, `open_app`, `page`.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parents[1]
LOCAL = {"127.0.0.1", "localhost", ""}  # no host: data:, blob:, about:
CHROMIUM_FLAGS = [
    "--no-sandbox",  # containers run as root
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",  # WebGL alone is drawn by the emulated graphics card: pages load at half the work
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
        # more threads would wait for cores that the workers keep busy
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen(command, cwd=script.parent, stdout=log, stderr=subprocess.STDOUT, env=one_thread)
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
def chromium(flags: Sequence[str] = CHROMIUM_FLAGS) -> Iterator["BrowserContext"]:
    """A headless Chromium that resolves no name but this machine's, with the cache of one user in a new folder."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium_path(),
            args=flags,
            service_workers="block",
            accept_downloads=True,
        )
        yield browser
        browser.close()


class Browsers:
    """At most one Chromium at a time, kept for the next who asks with the same flags: a start takes two seconds."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._flags: Sequence[str] | None = None
        self._browser: BrowserContext | None = None

    def lend(self, flags: Sequence[str]) -> "BrowserContext":
        if self._browser is None or self._flags != flags:
            self.close()
            self._browser, self._flags = self._open.enter_context(chromium(flags)), flags
        return self._browser

    def close(self) -> None:
        self._browser = None
        self._open.close()


BROWSERS = Browsers()


@dataclass
class Offline:
    """Opens pages that reach nothing but this machine, and remembers what they tried."""

    browser: "BrowserContext"
    blocked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    pages: list["Page"] = field(default_factory=list)

    def page(self, *, width: int = 1440, height: int = 900, dark: bool = False) -> "Page":
        """A new blank page. What the ones before it stored in the browser is gone, but for its cache."""
        page = self.browser.new_page()
        self.pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        return page

    def _note(self, url: str) -> None:
        if (urlsplit(url).hostname or "") not in LOCAL:
            self.blocked.append(url)  # its name is not resolved either: CHROMIUM_FLAGS

    def close(self) -> None:
        for page in self.pages:
            if page.url.startswith("http"):
                page.evaluate("() => (localStorage.clear(), sessionStorage.clear())")
            page.close()
        self.pages.clear()
        self.browser.clear_cookies()

    def check(self) -> None:
        """Fail if a page asked for anything elsewhere or its scripts threw."""
        assert not self.blocked, f"requests that leave this machine: {self.blocked}"
        assert not self.faults, f"errors of the page's scripts: {self.faults}"


def settle(page: "Page", *, timeout: float = 60.0) -> None:
    """Wait until the app has run its script and stopped; call it after each action that reruns the page."""
    done = '[data-testid="stApp"][data-test-script-state="notRunning"]'
    page.wait_for_selector(done, timeout=timeout * 1000)
    page.wait_for_timeout(250)  # a rerun asked for by the last action has started by now
    page.wait_for_selector(done, timeout=timeout * 1000)


def assert_no_exception(page: "Page") -> None:
    """Fail if Streamlit shows an uncaught exception."""
    shown = page.locator('[data-testid="stException"]')
    assert shown.count() == 0, shown.first.inner_text()
