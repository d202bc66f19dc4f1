"""
Whether what was fetched of an Item agrees with what its events told. Callers own the transaction.

The counts are in the Item's `item_progress` row.

Tests: `engine/test_items.py`, `engine/test_deletion.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events
from pluggy_sync.rules.contradictions import Contradiction, Settled, Told, View
from pluggy_sync.store.tables import INSTANT, inbox, item_progress, items


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """
    Up to which event the Item agreed with its events, and its moments then.

    `contradiction`: how Pluggy's last answer contradicts the events since; None: it does not. `refetches`: how often
    the Item was fetched again because of it.
    """

    settled_seq: int
    settled: Settled
    contradiction: Contradiction | None
    refetches: int


_NOTHING_TOLD = Settlement(
    settled_seq=0, settled=Settled(updated_at=None, last_updated_at=None), contradiction=None, refetches=0
)


_OF_ITEM = item_progress.c.item_id == sa.bindparam("item")
_GET = sa.select(item_progress).where(_OF_ITEM)
_LOCK = _GET.with_for_update()


def lock(conn: Connection, item_id: str) -> Settlement:
    """Return how far the Item's events are settled, and hold its progress row until the transaction ends."""
    return _read(conn, _LOCK, item_id)


def get(conn: Connection, item_id: str) -> Settlement:
    """Return how far the Item's events are settled."""
    return _read(conn, _GET, item_id)


def _read(conn: Connection, stmt: sa.Select[tuple[object, ...]], item_id: str) -> Settlement:
    row = conn.execute(stmt, {"item": item_id}).one_or_none()
    return _NOTHING_TOLD if row is None else _of_row(row)


def _of_row(row: sa.Row[Any]) -> Settlement:
    return Settlement(
        settled_seq=row.settled_seq,
        settled=Settled(updated_at=row.settled_updated_at, last_updated_at=row.settled_last_updated_at),
        contradiction=None if row.contradiction is None else Contradiction(row.contradiction),
        refetches=row.refetches,
    )


_WAITING = sa.and_(
    inbox.c.item_id == item_progress.c.item_id,
    inbox.c.item_seq > item_progress.c.settled_seq,
    inbox.c.item_seq <= sa.bindparam("through"),
)
_GET_WITH_TOLD = (
    sa.select(
        item_progress,
        inbox.c.name,
        sa.func.count(inbox.c.id).label("number"),
        sa.func.max(inbox.c.received_at).label("newest_at"),
    )
    .select_from(item_progress.outerjoin(inbox, _WAITING))
    .where(_OF_ITEM)
    .group_by(item_progress.c.item_id, inbox.c.name)
)


def get_with_told(conn: Connection, item_id: str, *, through_seq: int) -> tuple[Settlement, Mapping[str, Told]]:
    """Return how far the Item's events are settled, and its events from there up to *through_seq*, by name."""
    rows = conn.execute(_GET_WITH_TOLD, {"item": item_id, "through": through_seq}).all()
    told = {row.name: Told(count=row.number, newest_at=row.newest_at) for row in rows if row.name is not None}
    return (_of_row(rows[0]) if rows else _NOTHING_TOLD), told


_TOLD = (
    sa.select(inbox.c.name, sa.func.count().label("number"), sa.func.max(inbox.c.received_at).label("newest_at"))
    .where(
        inbox.c.item_id == sa.bindparam("item"),
        inbox.c.item_seq > sa.bindparam("after"),
        inbox.c.item_seq <= sa.bindparam("through"),
    )
    .group_by(inbox.c.name)
)


def told(conn: Connection, item_id: str, *, after_seq: int, through_seq: int) -> Mapping[str, Told]:
    """Return the Item's events between two offsets, by name."""
    rows = conn.execute(_TOLD, {"item": item_id, "after": after_seq, "through": through_seq})
    return {row.name: Told(count=row.number, newest_at=row.newest_at) for row in rows}


_UPDATE = sa.update(item_progress).where(_OF_ITEM)

# What `settled` gives the values of. The greatest of a moment and NULL is the moment.
SETTLED: Mapping[str, object] = {
    "settled_seq": sa.func.greatest(item_progress.c.settled_seq, sa.bindparam("agrees_through", type_=sa.BigInteger)),
    "settled_updated_at": sa.func.greatest(
        item_progress.c.settled_updated_at, sa.bindparam("agrees_at", type_=INSTANT)
    ),
    "settled_last_updated_at": sa.func.greatest(
        item_progress.c.settled_last_updated_at, sa.bindparam("agrees_as_updated_at", type_=INSTANT)
    ),
    "contradiction": None,
    "refetches": 0,
}
_SETTLE = _UPDATE.values(SETTLED)


def settle(conn: Connection, item_id: str, view: View | None, *, through: int, told: Mapping[str, Told]) -> None:
    """Record that the events up to *through* agree with *view*, or count as such; None: the Item is gone."""
    conn.execute(_SETTLE, {"item": item_id, **settled(view, through=through, told=told)})


def settled(view: View | None, *, through: int, told: Mapping[str, Told]) -> Mapping[str, object]:
    """Return the values of `SETTLED`, for a statement that writes more of the Item's progress."""
    at, as_updated_at = None, None
    if view is not None and any(name.startswith("item/") for name in told):
        at = view.updated_at
    if view is not None and {events.ITEM_CREATED, events.ITEM_UPDATED} & told.keys():
        as_updated_at = view.last_updated_at
    return {"agrees_through": through, "agrees_at": at, "agrees_as_updated_at": as_updated_at}


def contradict(conn: Connection, item_id: str, contradiction: Contradiction, *, refetches: int) -> None:
    """Record that Pluggy's answer contradicts the events, also after *refetches*."""
    conn.execute(_UPDATE, {"item": item_id, "contradiction": contradiction.value, "refetches": refetches})


def others_to_ask(conn: Connection, item_id: str, *, limit: int) -> list[str]:
    """
    Return ids of other Items that Pluggy should show if our credentials are right: seen before, not told as deleted.

    They are the next ones by id: any choice would do, and this one reads a few index entries.
    """
    return [*_next(conn, items.c.id > item_id, limit=limit), *_next(conn, items.c.id < item_id, limit=limit)][:limit]


def _next(conn: Connection, where: sa.ColumnElement[bool], *, limit: int) -> list[str]:
    told_deleted = sa.exists().where(
        inbox.c.item_id == items.c.id,
        inbox.c.item_seq > item_progress.c.settled_seq,
        inbox.c.name == events.ITEM_DELETED,
    )
    return list(
        conn.scalars(
            sa.select(items.c.id)
            .join(item_progress, item_progress.c.item_id == items.c.id)
            .where(where, items.c.deleted_at.is_(None), items.c.status.is_not(None), ~told_deleted)
            .order_by(items.c.id)
            .limit(limit)
        )
    )
