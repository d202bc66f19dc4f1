"""
Who may write an Item: a sync run with a lease. Its id is the fencing token. Callers own the transaction.

Tests: `engine/sync/test_lease.py`.
"""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import items


def lock(conn: Connection, item_id: str) -> bool:
    """Take the Item's write lock until the transaction ends; return False if the Item is not known here."""
    return conn.scalar(sa.select(items.c.id).where(items.c.id == item_id).with_for_update(key_share=True)) is not None


def is_held(conn: Connection, item_id: str, *, now: datetime) -> bool:
    """Return whether a run holds the Item."""
    return bool(conn.scalar(sa.select(sa.exists().where(items.c.id == item_id, items.c.lease_until > now))))


def acquire(conn: Connection, item_id: str, run_id: uuid.UUID, *, until: datetime) -> None:
    """Lease the Item to a run. The caller holds its write lock and has checked that no run has a lease."""
    conn.execute(sa.update(items).where(items.c.id == item_id).values(run_id=run_id, lease_until=until))


def renew(conn: Connection, item_id: str, run_id: uuid.UUID, *, until: datetime) -> bool:
    """Take the write lock and renew the lease; return False if this run no longer has it."""
    held = conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, items.c.run_id == run_id, items.c.deleted_at.is_(None))
        .values(lease_until=until)
    )
    return held.rowcount == 1


def release(conn: Connection, item_id: str, run_id: uuid.UUID) -> None:
    """End the lease, if this run still has it."""
    conn.execute(
        sa.update(items).where(items.c.id == item_id, items.c.run_id == run_id).values(run_id=None, lease_until=None)
    )
