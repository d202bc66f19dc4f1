"""
The streams of notifications and of changes: rows in the order of their commits, without gaps.

A row is written without a position. Whoever reads the stream, and the sweep, give positions to the rows that are
committed by then, one after the other under a lock. So no row ever appears before a position that was read. The numbers
of transactions would not do: they say who began first, not who committed first, and mean nothing in a restored copy.

Callers own the transaction.
"""

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store import counters
from pluggy_sync.store.tables import change_stream, items, notification_stream, stream_positions

# Rows that get a position at a time.
BATCH = 5_000
# Any fixed number: it is no other lock's.
_LOCK = 5_830_042


def number(conn: Connection, *, limit: int = BATCH) -> int:
    """
    Give positions to up to *limit* new rows of each stream; return to how many.

    Does nothing while somebody else does it.
    """
    tables = (notification_stream, change_stream)
    is_new = [sa.exists().where(table.c.position.is_(None)) for table in tables]
    if not conn.scalar(sa.select(sa.or_(*is_new))):
        return 0
    # Until the commit: positions appear in their order.
    if not conn.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
        return 0
    return sum(_number(conn, table, limit) for table in tables)


def _number(conn: Connection, table: sa.Table, limit: int) -> int:
    new = sa.select(table.c.serial).where(table.c.position.is_(None)).order_by(table.c.serial).limit(limit).subquery()
    numbered = sa.select(new.c.serial, stream_positions.next_value().label("position")).cte("numbered")
    return conn.execute(
        sa.update(table).where(table.c.serial == numbered.c.serial).values(position=numbered.c.position)
    ).rowcount


def newest(conn: Connection) -> int:
    """Return the newest position of all streams; 0: there is none."""
    position: int = conn.execute(
        sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {stream_positions.name}")  # noqa: S608 - a name of ours
    ).scalar_one()
    return position


def removed_through(conn: Connection) -> int:
    """Return the newest position of the notifications that were removed by age; 0: none was."""
    return counters.value(conn, counters.NOTIFICATIONS_REMOVED_THROUGH)


def add_changes(conn: Connection, item_id: str) -> None:
    """Put the entries of the Item's change feed that are in no row yet in a row. The caller holds the Item's lock."""
    before = sa.select(sa.func.max(change_stream.c.through_seq)).where(change_stream.c.item_id == item_id)
    conn.execute(
        sa.insert(change_stream).from_select(
            ["item_id", "after_seq", "through_seq"],
            sa.select(items.c.id, sa.func.coalesce(before.scalar_subquery(), 0), items.c.change_seq).where(
                items.c.id == item_id
            ),
        )
    )
