"""
Requests to Pluggy that somebody waits for: a person before a page, or the product before an answer of the API.

Tests: `webhook_app/api/test_refresh.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pluggy_sync.pluggy import deadline, rate_budget

# In all, for whatever one request of theirs asks of Pluggy. A thread of the web process is held no longer.
WITHIN_S = 5.0


@contextmanager
def somebody_waits() -> Iterator[None]:
    """Let requests within the block take the whole budget, and a few seconds in all."""
    with rate_budget.lane(rate_budget.Lane.PERSON), rate_budget.waiting(WITHIN_S), deadline.within(WITHIN_S):
        yield
