"""
Requests of our own to fetch an Item. Each is an event, handled like every other.

`fetch_once` makes no second request for the same reason while the first one waits.

Tests: `engine/test_items.py`, `engine/test_outages.py`, `engine/test_reconciliation.py`.
"""

from collections.abc import Collection
from datetime import datetime

from pluggy_sync import queue
from pluggy_sync.rules import backoff
from pluggy_sync.store import inbox
from pluggy_sync.transaction import Transaction

# Why the Item is fetched. The event keeps it, and operators see it.
CONTRADICTION = "Pluggy's answer contradicts an event"
URGENT_CONTRADICTION = "Pluggy's answer contradicts an event that a person waits for"
BANK_IS_BACK = "the bank is back"
WATCHED = "its person watches"
DEADLINE_PASSED = "the time that its person had is over"
REGISTERED = "registered by the product"
LISTED = "Pluggy lists it, and it was not known here"
UNLISTED = "Pluggy does not list it"
PERSON_IS_BACK = "its person, who is being erased, has connected it since"
LINK_UNDONE = "a link to another Item was undone"
# Any other reason is something that a person did, or a refresh.
_NOBODY_WAITS = frozenset(
    {
        CONTRADICTION,
        BANK_IS_BACK,
        REGISTERED,
        PERSON_IS_BACK,
        LINK_UNDONE,
        LISTED,
        UNLISTED,
        inbox.SILENT,
        inbox.OPERATOR,
    }
)


def _task(why: str) -> str:
    return queue.HANDLE_EVENT if why in _NOBODY_WAITS else queue.HANDLE_URGENT_EVENT


def fetch(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Request a fetch of the Item, which runs soon, or at *due_at* if that is later than *now*."""
    urgent = why not in _NOBODY_WAITS
    event_id = inbox.request_fetch(tx.conn, item_id, why=why, urgent=urgent, now=now, due_at=due_at)
    if due_at is None or due_at <= now:
        tx.after_commit(_task(why), event_id)


def fetch_many(tx: Transaction, item_ids: Collection[str], *, why: str, now: datetime) -> None:
    """Have the Items fetched soon, as `fetch` does, with one statement, which locks them in the order of their ids."""
    for event_id in inbox.request_fetches(tx.conn, item_ids, why=why, now=now):
        tx.after_commit(_task(why), event_id)


def fetch_once(tx: Transaction, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> None:
    """Request a fetch as `fetch` does, unless one for the same reason waits already."""
    if not inbox.is_fetch_requested(tx.conn, item_id, why=why):
        fetch(tx, item_id, why=why, now=now, due_at=due_at)


def fetch_again(tx: Transaction, item_id: str, told: Collection[str], *, now: datetime) -> None:
    """Request a fetch a little later, because Pluggy's answer contradicts the events named in *told*."""
    urgent = any(queue.task_of_event(name) == queue.HANDLE_URGENT_EVENT for name in told)
    why = URGENT_CONTRADICTION if urgent else CONTRADICTION
    fetch_once(tx, item_id, why=why, now=now, due_at=now + backoff.wait(0))


def is_of_contradiction(why: object) -> bool:
    """Return whether a request was made by `fetch_again`."""
    return why in (CONTRADICTION, URGENT_CONTRADICTION)
