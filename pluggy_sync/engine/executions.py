"""
Executions that we started: by an update, or by an answer.

An event tells of the execution's end. That event may be lost. Therefore the Item is also fetched after a while.

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
    Request a fetch of the Item that Pluggy answered with. Return whether its execution goes on.

    If it goes on the fetch is due later, else at once. *overtaken*: a newer view of the Item was saved already.
    """
    runs = item.status in RUNNING and not overtaken
    requests.fetch(tx, item.id, why=why, now=now, due_at=now + FETCH_AFTER if runs else now)
    return runs


def save_start(res: Resources, item: payloads.Item, *, event_seq: int) -> None:
    """
    Save the running Item that Pluggy answered with.

    A fault is logged and goes no further: the execution has begun at Pluggy, and the requested fetch will show it.
    """
    try:
        items.save(res, item, event_seq=event_seq)
    except Exception as exc:
        log.exception("execution.not_saved", error=type(exc).__name__, next="the Item is fetched in two minutes")
