"""
Rows of Pluggy that could not be read, as they came, until a later read succeeds. Callers own the transaction.

A stored version of such a row stays as it was last read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync import wire
from pluggy_sync.pluggy.unreadable import MAX_KEPT, Unreadable, UnreadableRow
from pluggy_sync.store import erased
from pluggy_sync.store.tables import unreadable_rows

# Of rows that belong to no Item.
NO_ITEM = ""
# A longer row is cut to this many characters of its JSON. They show what is wrong as well.
MAX_RAW_LENGTH = 65_536


@dataclass(frozen=True, kw_only=True)
class StoredUnreadableRow:
    """A row for an operator. `raw` is bank data; it is a text if the row was too long."""

    item_id: str
    what: str
    key: str
    parent_id: str
    raw: Any
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime


_OF_ITEM = unreadable_rows.c.item_id == sa.bindparam("item")
_KNOWN = sa.select(unreadable_rows.c.what, unreadable_rows.c.key).where(_OF_ITEM)


def known(conn: Connection, item_id: str) -> frozenset[tuple[str, str]]:
    """Return kind and key of each of the Item's rows that could not be read."""
    rows = conn.execute(_KNOWN, {"item": item_id})
    return frozenset((row.what, row.key) for row in rows)


def save(conn: Connection, item_id: str, found: Unreadable, *, now: datetime) -> None:
    """Keep the rows that were *found*, unless the Item was erased; remove those that could be read."""
    if found.rows and erased.is_item(conn, item_id):
        return
    _remove(conn, item_id, found.healed)
    _upsert(conn, item_id, found.rows, now=now)


_REMOVE_OTHERS_OF_LIST = sa.delete(unreadable_rows).where(
    _OF_ITEM,
    unreadable_rows.c.what == sa.bindparam("kind"),
    unreadable_rows.c.parent_id == sa.bindparam("parent"),
    unreadable_rows.c.key != sa.func.all(sa.bindparam("kept", type_=sa.ARRAY(sa.Text))),
)


def replace_list(
    conn: Connection, item_id: str, what: str, parent_id: str, rows: Sequence[UnreadableRow], *, now: datetime
) -> None:
    """Keep the unreadable *rows* of a list of *what* that was read as a whole, and remove all others of that list."""
    kept = rows[:MAX_KEPT]
    of_list = {"item": item_id, "kind": what, "parent": parent_id}
    conn.execute(_REMOVE_OTHERS_OF_LIST, {**of_list, "kept": [row.key for row in kept]})
    _upsert(conn, item_id, kept, now=now)


_REMOVE_UNSEEN = sa.delete(unreadable_rows).where(
    _OF_ITEM, unreadable_rows.c.what == sa.bindparam("kind"), unreadable_rows.c.last_seen_at < sa.bindparam("before")
)


def remove_unseen(conn: Connection, item_id: str, what: str, *, before: datetime) -> None:
    """Remove the Item's rows of *what* that were last seen *before*: a read of everything did not show them again."""
    conn.execute(_REMOVE_UNSEEN, {"item": item_id, "kind": what, "before": before})


def newest(conn: Connection, item_id: str | None, *, limit: int) -> Sequence[StoredUnreadableRow]:
    """Return the rows of one Item, or of all for None, that were seen last."""
    stmt = sa.select(unreadable_rows).order_by(unreadable_rows.c.last_seen_at.desc(), unreadable_rows.c.key)
    if item_id is not None:
        stmt = stmt.where(unreadable_rows.c.item_id == item_id)
    return [StoredUnreadableRow(**row) for row in conn.execute(stmt.limit(limit)).mappings()]


def counts(conn: Connection) -> Sequence[tuple[str, int]]:
    """Return how many rows of each kind cannot be read now."""
    rows = conn.execute(
        sa.select(unreadable_rows.c.what, sa.func.count()).group_by(unreadable_rows.c.what).order_by("what")
    )
    return [(what, number) for what, number in rows]


def _upsert(conn: Connection, item_id: str, rows: Sequence[UnreadableRow], *, now: datetime) -> None:
    if not rows:
        return
    values = {
        (row.what, row.key): {
            "item_id": item_id,
            "what": row.what,
            "key": row.key,
            "parent_id": row.parent_id,
            "raw": _bounded(row.raw),
            "reason": row.reason,
            "first_seen_at": now,
            "last_seen_at": now,
        }
        for row in rows
    }
    new = insert(unreadable_rows).values(list(values.values()))
    conn.execute(
        new.on_conflict_do_update(
            index_elements=list(unreadable_rows.primary_key.columns),
            set_={name: new.excluded[name] for name in ("parent_id", "raw", "reason", "last_seen_at")},
        )
    )
    _drop_oldest(conn, item_id)


def _bounded(raw: Any) -> Any:
    text = wire.encode(raw).decode()
    return raw if len(text) <= MAX_RAW_LENGTH else text[:MAX_RAW_LENGTH]


def _remove(conn: Connection, item_id: str, keys: Collection[tuple[str, str]]) -> None:
    if keys:
        conn.execute(
            sa.delete(unreadable_rows).where(
                unreadable_rows.c.item_id == item_id,
                sa.tuple_(unreadable_rows.c.what, unreadable_rows.c.key).in_(sorted(keys)),
            )
        )


def _drop_oldest(conn: Connection, item_id: str) -> None:
    surplus = (
        sa.select(unreadable_rows.c.what, unreadable_rows.c.key)
        .where(unreadable_rows.c.item_id == item_id)
        .order_by(unreadable_rows.c.last_seen_at.desc(), unreadable_rows.c.key)
        .offset(MAX_KEPT)
    )
    _remove(conn, item_id, [(what, key) for what, key in conn.execute(surplus)])
