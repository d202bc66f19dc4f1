"""Requests to fetch an Item that no delivery asked for: an event of our own, handled like every other."""

from datetime import datetime

from pluggy_sync import queue
from pluggy_sync.store import inbox
from pluggy_sync.transaction import Transaction


def fetch(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Have the Item fetched soon, or by the sweep at *due_at* if that is later than *now*."""
    event_id = inbox.request_fetch(tx.conn, item_id, why=why, now=now, due_at=due_at)
    if due_at is None or due_at <= now:
        tx.after_commit(queue.HANDLE_EVENT, event_id)
