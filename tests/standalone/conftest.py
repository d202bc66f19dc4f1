"""A folder in which Postgres can run."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """
    A folder outside pytest's own.

    Under root, Postgres runs as another user, and every start of another pytest shuts pytest's folder against others.
    """
    with tempfile.TemporaryDirectory(prefix="pluggy-sync-test-") as folder:
        yield Path(folder)
