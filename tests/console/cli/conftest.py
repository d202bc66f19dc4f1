"""Commands configure the logs of their process, which is that of the tests here."""

from collections.abc import Iterator

import pytest

from pluggy_sync.logs import configure_logs


@pytest.fixture(autouse=True)
def _same_logs_after() -> Iterator[None]:
    """Log again as every other test expects, and where pytest reads it."""
    yield
    configure_logs("INFO")
