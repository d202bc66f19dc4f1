"""
Requests to Pluggy while somebody waits: a person for a page, or the product for an answer of the API.

Tests: `webhook_app/api/test_refresh.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pluggy_sync.pluggy import deadline, rate_budget

# For all that one request of theirs asks of Pluggy. A thread of the web process waits no longer.
WITHIN_S = 5.0


@contextmanager
def somebody_waits() -> Iterator[None]:
    """Let the requests of the block use the whole budget, and take a few seconds in all."""
    with rate_budget.lane(rate_budget.Lane.PERSON), rate_budget.waiting(WITHIN_S), deadline.within(WITHIN_S):
        yield
