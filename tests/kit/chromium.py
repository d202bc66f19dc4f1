"""The machine's Chromium, once for all tests of a process: Playwright can be started only once in a thread."""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from standalone.polling import PATIENCE_S

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
# Set by `make screenshots`. Nobody looks at those of other runs, and they take longer than what is checked.
TAKES_PICTURES = "SCREENSHOTS" in os.environ

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium of the machine."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Window:
    """A window in a profile of its own, and what happened in it since it was opened."""

    page: Any
    # What scripts wrote to the console: the type, and the text.
    said: list[tuple[str, str]] = field(default_factory=list)
    # Of scripts that failed.
    errors: list[str] = field(default_factory=list)
    # The addresses that were asked for.
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.page.on("console", lambda line: self.said.append((line.type, line.text)))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def empty(self, viewport: dict[str, int], scheme: str) -> None:
        """Leave nothing in it of what was shown."""
        self.page.unroute_all()
        self.page.context.set_offline(False)
        self.page.goto("about:blank")
        self.page.context.clear_cookies()
        self.page.set_viewport_size(viewport)
        self.page.emulate_media(color_scheme=scheme)
        for happened in (self.said, self.errors, self.asked):
            happened.clear()


@pytest.fixture(scope="session")
def _closed_windows() -> dict[str, list[Window]]:
    """By their options, the windows that no test has open."""
    return defaultdict(list)


@pytest.fixture
def open_window(chromium: Any, _closed_windows: dict[str, list[Window]]) -> Iterator[Callable[..., Window]]:
    """
    Return what opens a window with a size and with other options of a profile.

    A window that another test has closed is emptied and used again: a new one takes half a second of processor time.
    """
    opened = []

    def open_window(viewport: dict[str, int], **options: Any) -> Window:
        closed = _closed_windows[repr(sorted(options.items()))]
        window = closed.pop() if closed else Window(chromium.new_context(viewport=viewport, **options).new_page())
        opened.append(partial(closed.append, window))
        window.empty(viewport, options.get("color_scheme", "light"))
        window.page.bring_to_front()
        return window

    yield open_window
    for close in opened:
        close()
