"""
Events of Pluggy handled once more: by filter, in batches, whatever became of them.

An event that is replayed takes the next number of its Item, as if it came now. Without that, the fetch that covered it
before would cover it again.
"""

from collections.abc import Iterator

from pluggy_sync import queue
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox
from pluggy_sync.store.inbox import Chosen

BATCH = 500
# Of few, the messages are sent at once. Many are left to the sweep, which sends as many as the budget allows.
SENT_AT_ONCE = 500


def count(res: Resources, chosen: Chosen) -> int:
    """Return how many events `replay` would take."""
    with res.database.begin() as conn:
        return inbox.count_chosen(conn, chosen)


def replay(res: Resources, chosen: Chosen) -> Iterator[int]:
    """Make the events due now, the oldest first; yield after each batch how many it had."""
    with res.database.begin() as conn:
        through = inbox.newest_id(conn)
    after = total = 0
    while True:
        with res.begin() as tx:
            replayed = inbox.replay(tx.conn, chosen, after=after, through=through, limit=BATCH, now=res.now())
            total += len(replayed)
            for each in replayed if total <= SENT_AT_ONCE else ():
                tx.after_commit(queue.task_of_event(each.name), each.event_id)
        if not replayed:
            return
        yield len(replayed)
        after = max(each.id for each in replayed)
