"""
Who may write an Item: a sync run with a lease. Its id is the fencing token. Callers own the transaction.

Tests: `engine/sync/test_lease.py`.
"""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import items

_OF_ITEM = items.c.id == sa.bindparam("item")
_OF_RUN = (_OF_ITEM, items.c.run_id == sa.bindparam("run"))

_LOCK = sa.select(items.c.id).where(_OF_ITEM).with_for_update(key_share=True)


def lock(conn: Connection, item_id: str) -> bool:
    """Take the Item's write lock until the transaction ends; return False if the Item is not known here."""
    return conn.scalar(_LOCK, {"item": item_id}) is not None


_IS_HELD = sa.select(sa.exists().where(_OF_ITEM, items.c.lease_until > sa.bindparam("now")))


def is_held(conn: Connection, item_id: str, *, now: datetime) -> bool:
    """Return whether a run holds the Item."""
    return bool(conn.scalar(_IS_HELD, {"item": item_id, "now": now}))


_ACQUIRE = sa.update(items).where(_OF_ITEM)


def acquire(conn: Connection, item_id: str, run_id: uuid.UUID, *, until: datetime) -> None:
    """Lease the Item to a run. The caller holds its write lock and has checked that no run has a lease."""
    conn.execute(_ACQUIRE, {"item": item_id, "run_id": run_id, "lease_until": until})


_RENEW = sa.update(items).where(*_OF_RUN, items.c.deleted_at.is_(None))


def renew(conn: Connection, item_id: str, run_id: uuid.UUID, *, until: datetime) -> bool:
    """Take the write lock and renew the lease; return False if this run no longer has it."""
    return conn.execute(_RENEW, {"item": item_id, "run": run_id, "lease_until": until}).rowcount == 1


_RELEASE = sa.update(items).where(*_OF_RUN).values(run_id=None, lease_until=None)


def release(conn: Connection, item_id: str, run_id: uuid.UUID) -> None:
    """End the lease, if this run still has it."""
    conn.execute(_RELEASE, {"item": item_id, "run": run_id})
