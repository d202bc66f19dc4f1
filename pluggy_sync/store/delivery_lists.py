"""
Deliveries of notifications page by page, newest first, for operators. Callers own the transaction.

Tests: `console/pages/test_notifications.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.bounded_counts import count_rows
from pluggy_sync.store.deliveries import NEWEST
from pluggy_sync.store.tables import deliveries, delivery_attempts, outbox

STATES = ("pending", "delivered", "dead")

Position = tuple[datetime, int]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which deliveries are listed; None: all."""

    state: str | None = None
    endpoint_id: str | None = None
    # Written then or later.
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A delivery, without what it says."""

    id: int
    notification_id: str
    endpoint_id: str
    type: str
    item_id: str | None
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Deliveries, newest first. `next`: the position before which the next page begins; None: this is the last one."""

    deliveries: Sequence[Listed]
    next: Position | None


@dataclass(frozen=True, kw_only=True)
class AttemptMade:
    """One attempt to deliver a notification, and the answer."""

    endpoint_id: str
    started_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None


_OF_DELIVERY = tuple(name for name in Listed.__dataclass_fields__ if name != "type")
_COLUMNS = (*(deliveries.c[name] for name in _OF_DELIVERY), outbox.c.type)


def page(conn: Connection, before: Position | None, wanted: Filter, *, limit: int) -> Page:
    """Return up to *limit* deliveries as *wanted*, from those before *before* (created at, id)."""
    stmt = _of_outbox().where(*_matching(wanted))
    if before is not None:
        stmt = stmt.where(sa.tuple_(deliveries.c.created_at, deliveries.c.id) < before)
    rows = conn.execute(stmt.order_by(*NEWEST).limit(limit + 1))
    found = [Listed(**row._mapping) for row in rows]
    last = found[limit - 1] if len(found) > limit else None
    return Page(deliveries=found[:limit], next=None if last is None else (last.created_at, last.id))


def of_notification(conn: Connection, notification_id: str) -> Sequence[Listed]:
    """Return the deliveries of a notification, one for each of its endpoints."""
    rows = conn.execute(
        _of_outbox().where(deliveries.c.notification_id == notification_id).order_by(deliveries.c.endpoint_id)
    )
    return [Listed(**row._mapping) for row in rows]


def attempts_of(conn: Connection, notification_id: str, *, limit: int) -> Sequence[AttemptMade]:
    """Return the newest attempts to deliver a notification."""
    table = delivery_attempts
    rows = conn.execute(
        sa.select(*(table.c[name] for name in AttemptMade.__dataclass_fields__))
        .where(table.c.notification_id == notification_id)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return [AttemptMade(**row._mapping) for row in rows]


def count(conn: Connection, wanted: Filter, *, at_most: int) -> int:
    """Return how many deliveries are as *wanted*; counting stops at *at_most*."""
    return count_rows(conn, deliveries, *_matching(wanted), at_most=at_most, order_by=NEWEST)


def _of_outbox() -> sa.Select[Any]:
    return sa.select(*_COLUMNS).join(outbox, outbox.c.id == deliveries.c.notification_id)


def _matching(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.state in STATES:
        # Part of the statement: for a parameter Postgres would not use the partial index.
        found.append(deliveries.c.state == sa.literal_column(f"'{wanted.state}'", sa.Text))
    if wanted.endpoint_id is not None:
        found.append(deliveries.c.endpoint_id == wanted.endpoint_id)
    if wanted.since is not None:
        found.append(deliveries.c.created_at >= wanted.since)
    return found
