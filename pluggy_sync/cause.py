"""
When the webhook came that the work of this block is done for. Notifications note it, and so it shows how long the
product waited for news.

Tests: `engine/test_timing.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

_received_at: ContextVar[datetime | None] = ContextVar("received_at", default=None)


@contextmanager
def received(at: datetime | None) -> Iterator[None]:
    """Do the work of the block for a webhook that came *at*; None: for none of Pluggy's."""
    token = _received_at.set(at)
    try:
        yield
    finally:
        _received_at.reset(token)


def received_at() -> datetime | None:
    """Return when that webhook came; None: the clock, the product or a person caused the work."""
    return _received_at.get()
