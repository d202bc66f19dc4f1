"""The whole service as `make up` runs it, and a browser."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone.ports import any_free
from tests.standalone.up_running import Run


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
