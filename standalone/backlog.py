"""The work that the service has accepted and not finished."""

import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.tables import deliveries, inbox, item_progress, items


def counts(conn: sa.Connection) -> dict[str, int]:
    """Return how many events, syncs and notifications wait; nothing that is zero. Empty: the service is quiet."""
    count = sa.func.count()
    waiting = {
        # A fetch that the service has requested for later is not work yet.
        "events": sa.select(count).where(
            inbox.c.state == "stored",
            sa.or_(inbox.c.name != events.FETCH_REQUESTED, inbox.c.due_at <= sa.func.now()),
        ),
        "syncs": sa.select(count).where(
            SYNC_PENDING, item_progress.c.item_id == items.c.id, items.c.deleted_at.is_(None)
        ),
        "notifications": sa.select(count).where(deliveries.c.state == "pending"),
    }
    found = {name: conn.execute(stmt).scalar_one() for name, stmt in waiting.items()}
    return {name: number for name, number in found.items() if number}
