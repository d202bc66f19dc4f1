"""
Which Items reconciliation reads next. Callers own the transaction.

Tests: `engine/test_reconciliation.py`.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.store.inbox import SILENT
from pluggy_sync.store.tables import inbox, item_progress, items

# As in the index: Postgres uses it only for a value that it knows when it plans the statement.
_good = (items.c.deleted_at.is_(None), items.c.status == sa.literal_column(f"'{UPDATED}'", sa.Text))
_last = sa.func.coalesce(items.c.reconciled_at, items.c.first_seen_at)
# Requests that a round made are handled within minutes. What is rescheduled for longer waits for Pluggy and not for us.
_SOON = timedelta(minutes=2)


def mark_reconciled(conn: Connection, item_id: str, *, now: datetime) -> None:
    """Record that the Item's whole stored year was compared with Pluggy's."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id)
        .values(reconciled_at=now, reconcile_after=None, reconcile_failures=0)
    )


def take_due(conn: Connection, *, before: datetime, now: datetime, until: datetime, limit: int) -> list[str]:
    """
    Return ids of good Items that were not reconciled since *before*, the longest waiting first.

    Each is rescheduled *until* then, so that one that waits in the queue, or that Pluggy cannot show, is not taken by
    every round.
    """
    due = (
        sa.select(items.c.id)
        .where(
            *_good,
            items.c.replaced_by.is_(None),
            _last < before,
            sa.or_(items.c.reconcile_after.is_(None), items.c.reconcile_after <= now),
        )
        .order_by(_last)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")  # Read once, as in `inbox.take_due`.
    )
    taken = sa.update(items).where(items.c.id == due.c.id).values(reconcile_after=until)
    return list(conn.scalars(taken.returning(items.c.id)))


def is_due(conn: Connection, item_id: str, *, before: datetime) -> bool:
    """Return whether the Item was not reconciled since *before*."""
    return bool(conn.scalar(sa.select(sa.exists().where(items.c.id == item_id, _last < before))))


def failures(conn: Connection, item_id: str) -> int:
    """Return how often in a row the Item's reconciliation failed."""
    return conn.scalar(sa.select(items.c.reconcile_failures).where(items.c.id == item_id)) or 0


def record_failure(conn: Connection, item_id: str, *, before: datetime, until: datetime) -> bool:
    """
    Record that the Item's reconciliation failed, and is not tried again before *until*.

    Return False, and record nothing, if it was reconciled since *before*.
    """
    failed = conn.execute(
        sa.update(items)
        .where(items.c.id == item_id, _last < before)
        .values(reconcile_after=until, reconcile_failures=items.c.reconcile_failures + 1)
    )
    return failed.rowcount == 1


def reschedule(conn: Connection, item_id: str, *, before: datetime, until: datetime) -> None:
    """Let the Item be taken again at *until*, unless it was reconciled since *before*."""
    conn.execute(sa.update(items).where(items.c.id == item_id, _last < before).values(reconcile_after=until))


def overdue(conn: Connection, *, before: datetime) -> dict[str, int]:
    """Return how many good Items were not reconciled since *before*: `waiting` for their turn, or `failing`."""
    failing = sa.func.count().filter(items.c.reconcile_failures > 0)
    row = conn.execute(
        sa.select(sa.func.count(), failing).where(*_good, items.c.replaced_by.is_(None), _last < before)
    ).one()
    return {"waiting": row[0] - row[1], "failing": row[1]}


def oldest(conn: Connection) -> datetime | None:
    """Return when the good Item was reconciled, or first seen, that has gone without it for longest."""
    longest: datetime | None = conn.scalar(
        sa.select(_last).where(*_good, items.c.replaced_by.is_(None)).order_by(_last).limit(1)
    )
    return longest


def silent_waiting(conn: Connection, *, now: datetime) -> int:
    """Return how many requests to fetch silent Items wait for a worker."""
    count: int = conn.execute(
        sa.select(sa.func.count()).where(
            sa.text(f"state = 'stored' AND name = '{events.FETCH_REQUESTED}'"),
            inbox.c.payload["why"].astext == SILENT,
            inbox.c.due_at <= now + _SOON,
        )
    ).scalar_one()
    return count


def silent(conn: Connection, *, due_before: datetime, limit: int) -> list[str]:
    """
    Return ids of Items whose next auto-sync is long past and which were not fetched since then.

    One that is to be fetched for that reason already, or because Pluggy's answer contradicts an event, is left out:
    Items that Pluggy cannot show do not stand in the way of the others.
    """
    # Looked up for one Item after the other, however many there are: as EXISTS, Postgres may read all of the inbox.
    contradicted = (
        sa.select(sa.true())
        .where(item_progress.c.item_id == items.c.id, item_progress.c.contradiction.is_not(None))
        .limit(1)
        .scalar_subquery()
    )
    requested = (
        sa.select(sa.true())
        .where(
            inbox.c.item_id == items.c.id,
            sa.text(f"inbox.state = 'stored' AND inbox.name = '{events.FETCH_REQUESTED}'"),
            inbox.c.payload["why"].astext == SILENT,
        )
        .limit(1)
        .scalar_subquery()
    )
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.deleted_at.is_(None),
                items.c.replaced_by.is_(None),
                items.c.next_auto_sync_at < due_before,
                items.c.fetched_at < items.c.next_auto_sync_at,
                requested.is_(None),
                contradicted.is_(None),
            )
            .order_by(items.c.next_auto_sync_at)
            .limit(limit)
        )
    )
