"""
Notifications for the product, as they were written. Callers own the transaction.

Tests: `store/test_deliveries.py`, `store/test_streams.py`.
"""

import functools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import deliveries, notification_stream, outbox


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A notification as it is stored. *body* is sent byte for byte."""

    id: str
    type: str
    item_id: str | None
    # Rising per Item; None for what is about no Item.
    sequence: int | None
    body: str = field(repr=False)
    created_at: datetime


_COLUMNS = tuple(outbox.c[each.name] for each in fields(Notification))


def new_id() -> str:
    """Return a notification id, the same on every attempt."""
    return "msg_" + secrets.token_urlsafe(18)


_ADD = sa.insert(outbox)
_ADD_TO_STREAM = sa.insert(notification_stream)


def add(
    conn: Connection,
    *,
    notification_id: str,
    type_: str,
    item_id: str | None,
    sequence: int | None,
    body: str,
    received_at: datetime | None = None,
    now: datetime,
) -> None:
    """
    Store a notification. Who writes one of an Item holds the Item's lock.

    *received_at*: when the webhook came that caused it; None: none did.
    """
    conn.execute(
        _ADD,
        {
            "id": notification_id,
            "type": type_,
            "item_id": item_id,
            "sequence": sequence,
            "body": body,
            "received_at": received_at,
            "created_at": now,
        },
    )
    conn.execute(_ADD_TO_STREAM, {"notification_id": notification_id})


_GET = sa.select(*_COLUMNS).where(outbox.c.id == sa.bindparam("notification"))
_LOCK = _GET.with_for_update(key_share=True)


def get(conn: Connection, notification_id: str) -> Notification | None:
    """Return the notification; None: there is none."""
    row = conn.execute(_GET, {"notification": notification_id}).one_or_none()
    return None if row is None else Notification(**row._mapping)


def lock(conn: Connection, notification_id: str) -> Notification | None:
    """Return the notification, and lock it until the transaction ends; None: there is none."""
    row = conn.execute(_LOCK, {"notification": notification_id}).one_or_none()
    return None if row is None else Notification(**row._mapping)


def replace_body(conn: Connection, notification_id: str, body: str) -> None:
    """Replace the body that was sent by *body*."""
    conn.execute(sa.update(outbox).where(outbox.c.id == notification_id).values(body=body))


def drop_of_item(conn: Connection, item_id: str) -> datetime | None:
    """
    Drop the notifications of a person's Item.

    Return when the claims end of those that are being delivered at this moment; None: there is none.
    """
    claims = conn.scalars(
        sa.delete(deliveries).where(deliveries.c.item_id == item_id).returning(deliveries.c.claimed_until)
    ).all()
    conn.execute(sa.delete(outbox).where(outbox.c.item_id == item_id))
    return max((claim for claim in claims if claim is not None), default=None)


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A notification and its place in the stream."""

    position: int
    id: str
    body: str = field(repr=False)


@functools.cache
def _after(wanted: frozenset[str]) -> sa.Select[Any]:
    """Return the statement for a page; *wanted*: columns whose value is given."""
    stmt = sa.select(notification_stream.c.position, outbox.c.id, outbox.c.body).where(
        notification_stream.c.position > sa.bindparam("from_position"),
        outbox.c.id == notification_stream.c.notification_id,
        *[outbox.c[name] == sa.bindparam(name) for name in sorted(wanted)],
    )
    return stmt.order_by(notification_stream.c.position).limit(sa.bindparam("limit"))


def after(conn: Connection, position: int, *, type_: str | None, item_id: str | None, limit: int) -> Sequence[Streamed]:
    """Return the next *limit* notifications after *position*, in the order of their commits (`store/streams.py`)."""
    given = {name: value for name, value in (("type", type_), ("item_id", item_id)) if value is not None}
    rows = conn.execute(_after(frozenset(given)), {**given, "from_position": position, "limit": limit})
    return [Streamed(**row._mapping) for row in rows]
