"""
Requests of our own to fetch an Item. Each is an event, handled like every other.

`fetch_once` makes no second request for the same reason while the first one waits.

Tests: `engine/test_items.py`, `engine/test_outages.py`, `engine/test_reconciliation.py`.
"""

from datetime import datetime

from pluggy_sync import queue
from pluggy_sync.rules import backoff
from pluggy_sync.store import inbox
from pluggy_sync.transaction import Transaction

# Why the Item is fetched. The event keeps it, and operators see it.
CONTRADICTION = "Pluggy's answer contradicts an event"
BANK_IS_BACK = "the bank is back"


def fetch(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Request a fetch of the Item, which runs soon, or at *due_at* if that is later than *now*."""
    event_id = inbox.request_fetch(tx.conn, item_id, why=why, now=now, due_at=due_at)
    if due_at is None or due_at <= now:
        tx.after_commit(queue.HANDLE_EVENT, event_id)


def fetch_once(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Request a fetch as `fetch` does, unless one for the same reason waits already."""
    if not inbox.is_fetch_requested(tx.conn, item_id, why=why):
        fetch(tx, item_id, why=why, now=now, due_at=due_at)


def fetch_again(tx: Transaction, item_id: str, *, now: datetime) -> None:
    """Request a fetch a little later, because Pluggy's answer contradicts an event."""
    fetch_once(tx, item_id, why=CONTRADICTION, now=now, due_at=now + backoff.wait(0))
