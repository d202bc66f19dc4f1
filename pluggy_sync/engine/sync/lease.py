"""
A run's lease of its Item, which a heartbeat renews for as long as the process lives.

The run's id is the fencing token: under the Item's write lock, every write first checks that the lease is still this
run's. The heartbeat only keeps others away: a process that was stopped for longer than the lease can write nothing.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync.engine.errors import LeaseLostError
from pluggy_sync.resources import Resources
from pluggy_sync.store import item_lease
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# Of the lease: two heartbeats may fail before it ends.
HEARTBEAT_SHARE = 1 / 3


def end_of(res: Resources, now: datetime) -> datetime:
    """Return when a lease ends that is acquired or renewed *now*."""
    return now + timedelta(seconds=res.settings.sync_lease_s)


@contextmanager
def writing(res: Resources, item_id: str, run_id: uuid.UUID) -> Iterator[Transaction]:
    """
    Open a transaction in which the run still has the Item's lease; it is renewed.

    Raises:
        LeaseLostError: it does not.
    """
    with res.begin() as tx:
        if not item_lease.renew(tx.conn, item_id, run_id, until=end_of(res, res.now())):
            raise LeaseLostError
        yield tx


@contextmanager
def heartbeat(res: Resources, item_id: str, run_id: uuid.UUID, lost: threading.Event) -> Iterator[None]:
    """Renew the lease in a thread of its own until the block ends; set *lost* once the Item is no longer the run's."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(res.settings.sync_lease_s * HEARTBEAT_SHARE):
            if not _renewed(res, item_id, run_id):
                lost.set()
                return

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renewed(res: Resources, item_id: str, run_id: uuid.UUID) -> bool:
    """Return False if the Item is no longer the run's; without an answer of Postgres it still may be."""
    try:
        with res.database.begin() as conn:
            return item_lease.renew(conn, item_id, run_id, until=end_of(res, res.now()))
    except SQLAlchemyError as exc:
        # The next beat may come through; if none does, another run takes the Item over.
        log.warning("sync.heartbeat_failed", item_id=item_id, error=type(exc).__name__)
        return True
