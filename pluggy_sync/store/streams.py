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


def _numbering(table: sa.Table) -> sa.Update:
    is_new, first = table.c.position.is_(None), sa.bindparam("limit", type_=sa.Integer)
    new = sa.select(table.c.serial).where(is_new).order_by(table.c.serial).limit(first).subquery()
    numbered = sa.select(new.c.serial, stream_positions.next_value().label("position")).cte("numbered")
    return sa.update(table).where(table.c.serial == numbered.c.serial).values(position=numbered.c.position)


_TABLES = (notification_stream, change_stream)
_NUMBER = [_numbering(table) for table in _TABLES]
_IS_NEW = sa.select(sa.or_(*[sa.exists().where(table.c.position.is_(None)) for table in _TABLES]))
_TRY_LOCK = sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))


def number(conn: Connection, *, limit: int = BATCH) -> int:
    """
    Give positions to up to *limit* new rows of each stream; return to how many.

    Does nothing while somebody else does it.
    """
    if not conn.scalar(_IS_NEW):
        return 0
    # Until the commit: positions appear in their order.
    if not conn.scalar(_TRY_LOCK):
        return 0
    return sum(conn.execute(numbering, {"limit": limit}).rowcount for numbering in _NUMBER)


_NEWEST = sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {stream_positions.name}")  # noqa: S608 - a name of ours


def newest(conn: Connection) -> int:
    """Return the newest position of all streams; 0: there is none."""
    position: int = conn.execute(_NEWEST).scalar_one()
    return position


def removed_through(conn: Connection) -> int:
    """Return the newest position of the notifications that were removed by age; 0: none was."""
    return counters.value(conn, counters.NOTIFICATIONS_REMOVED_THROUGH)


def _add_changes() -> sa.Insert:
    item = sa.bindparam("item", type_=sa.Text)
    before = sa.select(sa.func.max(change_stream.c.through_seq)).where(change_stream.c.item_id == item)
    return sa.insert(change_stream).from_select(
        ["item_id", "after_seq", "through_seq"],
        sa.select(items.c.id, sa.func.coalesce(before.scalar_subquery(), 0), items.c.change_seq).where(
            items.c.id == item
        ),
    )


_ADD_CHANGES = _add_changes()


def add_changes(conn: Connection, item_id: str) -> None:
    """Put the entries of the Item's change feed that are in no row yet in a row. The caller holds the Item's lock."""
    conn.execute(_ADD_CHANGES, {"item": item_id})
