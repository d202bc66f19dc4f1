"""Which Items reconciliation reads next. Callers own the transaction."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import items


def mark_reconciled(conn: Connection, item_id: str, *, now: datetime) -> None:
    """Record that the Item's whole stored year was compared with Pluggy's."""
    conn.execute(sa.update(items).where(items.c.id == item_id).values(reconciled_at=now))


def due_for_reconciliation(conn: Connection, *, before: datetime, limit: int) -> list[str]:
    """Return ids of good Items that were not reconciled since *before*, the longest waiting first."""
    reconciled = sa.func.coalesce(items.c.reconciled_at, items.c.first_seen_at)
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(items.c.deleted_at.is_(None), items.c.status == "UPDATED", reconciled < before)
            .order_by(reconciled)
            .limit(limit)
        )
    )


def silent(conn: Connection, *, due_before: datetime, limit: int) -> list[str]:
    """Return ids of Items whose next auto-sync is long past and which were not looked at since then."""
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .where(
                items.c.deleted_at.is_(None),
                items.c.next_auto_sync_at < due_before,
                items.c.fetched_at < items.c.next_auto_sync_at,
            )
            .order_by(items.c.next_auto_sync_at)
            .limit(limit)
        )
    )
