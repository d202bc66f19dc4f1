"""
Executions that we started: by an update, or by an answer.

The event of its end is waited for. The Item is also fetched later, since that event may be lost.

Tests: `engine/test_submissions.py`, `engine/test_refresh.py`.
"""

from datetime import datetime, timedelta

import structlog

from pluggy_sync.engine import items, requests
from pluggy_sync.pluggy import payloads
from pluggy_sync.resources import Resources
from pluggy_sync.rules.statuses import RUNNING
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# An execution takes minutes. If no event has told of its end by then, the Item is fetched.
FETCH_AFTER = timedelta(minutes=2)


def follow(tx: Transaction, item: payloads.Item, *, why: str, overtaken: bool = False, now: datetime) -> bool:
    """
    Have the Item fetched that Pluggy answered with: later if its execution goes on, else soon. Return whether it does.

    *overtaken*: a newer view of the Item was saved already.
    """
    runs = item.status in RUNNING and not overtaken
    requests.fetch(tx, item.id, why=why, now=now, due_at=now + FETCH_AFTER if runs else now)
    return runs


def save_start(res: Resources, item: payloads.Item, *, event_seq: int) -> None:
    """
    Save the running Item that Pluggy answered with.

    Pluggy has begun, whatever happens here: a fault is logged, and the fetch that was requested makes up for it.
    """
    try:
        items.save(res, item, event_seq=event_seq)
    except Exception as exc:
        log.exception("execution.not_saved", error=type(exc).__name__, next="the Item is fetched in two minutes")
