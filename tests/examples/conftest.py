"""The whole service as `make up` runs it, and a browser."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from standalone.ports import any_free
from tests.standalone.up_running import Run
from tests.webhook_app.browser.conftest import CHROMIUM, FLAGS


@pytest.fixture(scope="module")
def up() -> Iterator[dict[str, str]]:
    """The addresses and settings of a run of `make up`, which ends with the tests of a file."""
    # Outside pytest's own folder: under root, Postgres runs as another user.
    with tempfile.TemporaryDirectory(prefix="pluggy-sync-test-") as folder:
        run = Run(Path(folder), any_free(), Path(folder) / "output")
        try:
            yield {**run.wait_until_up(), "DATA": folder}
        finally:
            if run.popen.poll() is None:
                run.stop(signal.SIGTERM)


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
