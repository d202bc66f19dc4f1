"""
How far each consumer of an Item's events is: fetched, sync requested, synced. Callers own the transaction.

Every number is a value of `last_event_seq`, the offset of the Item's newest event.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.inbox import GRACE
from pluggy_sync.store.tables import item_progress, items


@dataclass(frozen=True, kw_only=True)
class ItemProgress:
    """The counts of an Item's `item_progress` row."""

    last_event_seq: int
    fetched_seq: int
    sync_requested_seq: int
    synced_seq: int
    sync_attempts: int


def get(conn: Connection, item_id: str) -> ItemProgress:
    """Return the Item's counts; all are 0 when no event of it was stored."""
    row = conn.execute(sa.select(item_progress).where(item_progress.c.item_id == item_id)).one_or_none()
    if row is None:
        return ItemProgress(last_event_seq=0, fetched_seq=0, sync_requested_seq=0, synced_seq=0, sync_attempts=0)
    return ItemProgress(
        last_event_seq=row.last_event_seq,
        fetched_seq=row.fetched_seq,
        sync_requested_seq=row.sync_requested_seq,
        synced_seq=row.synced_seq,
        sync_attempts=row.sync_attempts,
    )


def mark_fetched(conn: Connection, item_id: str, *, through: int) -> None:
    """Record that the Item was fetched when `last_event_seq` stood at *through*."""
    conn.execute(
        sa.update(item_progress)
        .where(item_progress.c.item_id == item_id)
        .values(fetched_seq=sa.func.greatest(item_progress.c.fetched_seq, through))
    )


def request_sync(conn: Connection, item_id: str, *, through: int, now: datetime) -> None:
    """
    Record that there is something to sync as of *through*.

    The caller queues it; the sweep does if it was not begun within the grace.
    """
    conn.execute(
        sa.update(item_progress)
        .where(item_progress.c.item_id == item_id, item_progress.c.sync_requested_seq < through)
        .values(sync_requested_seq=through, due_at=now + GRACE)
    )


def mark_synced(conn: Connection, item_id: str, *, through: int) -> bool:
    """Record that a run that began at *through* is done; return whether more is wanted by now."""
    row = conn.execute(
        sa.update(item_progress)
        .where(item_progress.c.item_id == item_id)
        .values(synced_seq=sa.func.greatest(item_progress.c.synced_seq, through), sync_attempts=0)
        .returning(item_progress.c.sync_requested_seq, item_progress.c.synced_seq)
    ).one()
    return bool(row.sync_requested_seq > row.synced_seq)


def reschedule_sync(conn: Connection, item_id: str, *, until: datetime, failed: bool) -> None:
    """Let the sweep start the Item's sync at *until*."""
    attempts = item_progress.c.sync_attempts + 1 if failed else item_progress.c.sync_attempts
    conn.execute(
        sa.update(item_progress).where(item_progress.c.item_id == item_id).values(due_at=until, sync_attempts=attempts)
    )


def take_due_syncs(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Return ids of Items whose sync is due and that no run holds, and put each off *until* then."""
    due = (
        sa.select(item_progress.c.item_id)
        .join(items, items.c.id == item_progress.c.item_id)
        .where(
            item_progress.c.sync_requested_seq > item_progress.c.synced_seq,
            item_progress.c.due_at <= now,
            sa.or_(items.c.lease_until.is_(None), items.c.lease_until <= now),
            items.c.deleted_at.is_(None),
        )
        .order_by(item_progress.c.due_at)
        .limit(limit)
        .with_for_update(of=item_progress, skip_locked=True)
    )
    taken = (
        sa.update(item_progress)
        .where(item_progress.c.item_id.in_(due))
        .values(due_at=until)
        .returning(item_progress.c.item_id)
    )
    return list(conn.scalars(taken))
