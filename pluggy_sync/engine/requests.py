"""
Requests to fetch an Item that no delivery asked for: an event of our own, handled like every other.

One that repeats itself is made once: while it waits to be handled, no second one is made for the same reason.

Tests: `engine/test_items.py`, `engine/test_outages.py`, `engine/test_reconciliation.py`.
"""

from datetime import datetime

from pluggy_sync import queue
from pluggy_sync.rules import backoff
from pluggy_sync.store import inbox
from pluggy_sync.transaction import Transaction

# Why the Item is fetched; kept with the event, and shown to operators.
CONTRADICTION = "Pluggy's answer contradicts an event"
BANK_IS_BACK = "the bank is back"


def fetch(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Have the Item fetched soon, or by the sweep at *due_at* if that is later than *now*."""
    event_id = inbox.request_fetch(tx.conn, item_id, why=why, now=now, due_at=due_at)
    if due_at is None or due_at <= now:
        tx.after_commit(queue.HANDLE_EVENT, event_id)


def fetch_once(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Have the Item fetched as `fetch` does, unless it is to be fetched for the same reason already."""
    if not inbox.is_fetch_requested(tx.conn, item_id, why=why):
        fetch(tx, item_id, why=why, now=now, due_at=due_at)


def fetch_again(tx: Transaction, item_id: str, *, now: datetime) -> None:
    """Have the Item fetched again a little later, because Pluggy's answer contradicts an event."""
    fetch_once(tx, item_id, why=CONTRADICTION, now=now, due_at=now + backoff.wait(0))
