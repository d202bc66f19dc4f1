"""
Which Items reconciliation reads next. Callers own the transaction.

Tests: `engine/test_reconciliation.py`.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.store.inbox import SILENT
from pluggy_sync.store.tables import inbox, item_progress, items


def _last() -> sa.ColumnElement[datetime]:
    return sa.func.coalesce(items.c.reconciled_at, items.c.first_seen_at)


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
            items.c.deleted_at.is_(None),
            items.c.status == UPDATED,
            _last() < before,
            sa.or_(items.c.reconcile_after.is_(None), items.c.reconcile_after <= now),
        )
        .order_by(_last())
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")  # Read once, as in `inbox.take_due`.
    )
    taken = sa.update(items).where(items.c.id == due.c.id).values(reconcile_after=until)
    return list(conn.scalars(taken.returning(items.c.id)))


def is_due(conn: Connection, item_id: str, *, before: datetime) -> bool:
    """Return whether the Item was not reconciled since *before*."""
    return bool(conn.scalar(sa.select(sa.exists().where(items.c.id == item_id, _last() < before))))


def failures(conn: Connection, item_id: str) -> int:
    """Return how often in a row the Item's reconciliation failed."""
    return conn.scalar(sa.select(items.c.reconcile_failures).where(items.c.id == item_id)) or 0


def put_off(conn: Connection, item_id: str, *, until: datetime) -> None:
    """Record that the Item's reconciliation failed, and is not tried again before *until*."""
    conn.execute(
        sa.update(items)
        .where(items.c.id == item_id)
        .values(reconcile_after=until, reconcile_failures=items.c.reconcile_failures + 1)
    )


def silent(conn: Connection, *, due_before: datetime, limit: int) -> list[str]:
    """
    Return ids of Items whose next auto-sync is long past and which were not fetched since then.

    One that is to be fetched for that reason already, or because Pluggy's answer contradicts an event, is left out:
    Items that Pluggy cannot show do not stand in the way of the others.
    """
    contradicted = sa.exists().where(item_progress.c.item_id == items.c.id, item_progress.c.contradiction.is_not(None))
    requested = sa.exists().where(
        inbox.c.item_id == items.c.id,
        sa.text(f"inbox.state = 'stored' AND inbox.name = '{events.FETCH_REQUESTED}'"),
        inbox.c.payload["why"].astext == SILENT,
    )
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.deleted_at.is_(None),
                items.c.next_auto_sync_at < due_before,
                items.c.fetched_at < items.c.next_auto_sync_at,
                ~requested,
                ~contradicted,
            )
            .order_by(items.c.next_auto_sync_at)
            .limit(limit)
        )
    )
