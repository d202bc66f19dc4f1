"""
Deliveries: each notification on its way to each endpoint, and every attempt. Callers own the transaction.

To one endpoint the notifications of an Item go in order. What happens at one endpoint changes nothing at another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.bounded_counts import count_rows
from pluggy_sync.store.inbox import COUNTED
from pluggy_sync.store.tables import INSTANT, deliveries, delivery_attempts, endpoints, outbox


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A notification for one endpoint. *attempts* counts from the last redrive."""

    id: int
    endpoint_id: str
    notification_id: str
    type: str
    # When the webhook came that caused it; None: none did.
    received_at: datetime | None
    item_id: str | None
    # Rising per Item; None for what is about no Item.
    sequence: int | None
    body: str = field(repr=False)
    # pending, delivered or dead
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    first_tried_at: datetime | None
    delivered_at: datetime | None


class First(NamedTuple):
    """An Item's first delivery to an endpoint that is not settled. Urgent if it, or a later one of the Item, is."""

    id: int
    is_urgent: bool


_OF_OUTBOX = (outbox.c.type, outbox.c.body, outbox.c.received_at)
_COLUMNS = (
    *(
        deliveries.c[name]
        for name in ("id", "endpoint_id", "notification_id", "item_id", "sequence", "state", "attempts")
    ),
    *(deliveries.c[name] for name in ("created_at", "due_at", "first_tried_at", "delivered_at")),
    *_OF_OUTBOX,
)


def _is(state: str, table: sa.FromClause = deliveries) -> sa.ColumnElement[bool]:
    # Part of the statement: for a parameter Postgres would not use the partial index.
    return table.c.state == sa.literal_column(f"'{state}'", sa.Text)


_PENDING = _is("pending")
_DEAD = _is("dead")
_NOW = sa.bindparam("now", type_=INSTANT)
_OF_ENDPOINT = deliveries.c.endpoint_id == sa.bindparam("endpoint")
_UPDATE = sa.update(deliveries).where(deliveries.c.id == sa.bindparam("delivery"))

_ADD = sa.insert(deliveries).returning(deliveries.c.id)


def add(
    conn: Connection,
    *,
    endpoint_id: str,
    notification_id: str,
    item_id: str | None,
    sequence: int | None,
    due_at: datetime,
    now: datetime,
) -> int:
    """Let the notification be delivered to the endpoint; return the id of the delivery."""
    delivery_id: int = conn.execute(
        _ADD,
        {
            "endpoint_id": endpoint_id,
            "notification_id": notification_id,
            "item_id": item_id,
            "sequence": sequence,
            "created_at": now,
            "due_at": due_at,
        },
    ).scalar_one()
    return delivery_id


_ENDPOINT_OF = sa.select(deliveries.c.endpoint_id).where(deliveries.c.id == sa.bindparam("delivery"))


def endpoint_of(conn: Connection, delivery_id: int) -> str | None:
    """Return the id of the endpoint that the delivery is for; None: there is no such delivery."""
    endpoint_id: str | None = conn.scalar(_ENDPOINT_OF, {"delivery": delivery_id})
    return endpoint_id


_UNDER_WAY = sa.select(sa.func.count()).where(_OF_ENDPOINT, deliveries.c.claimed_until > _NOW, _PENDING)


def under_way(conn: Connection, endpoint_id: str, *, now: datetime) -> int:
    """Return how many deliveries to the endpoint are claimed at this moment."""
    return conn.execute(_UNDER_WAY, {"endpoint": endpoint_id, "now": now}).scalar_one()


_READY = (deliveries.c.due_at <= _NOW, sa.func.coalesce(deliveries.c.claimed_until, _NOW) <= _NOW)


def _claiming() -> sa.Update:
    delivery = sa.bindparam("delivery", type_=sa.BigInteger)
    asked_for = deliveries.alias("asked_for")
    first = deliveries.alias("first")
    first_of_item = (
        sa.select(first.c.id)
        .join(
            asked_for,
            sa.and_(first.c.endpoint_id == asked_for.c.endpoint_id, first.c.item_id == asked_for.c.item_id),
        )
        .where(asked_for.c.id == delivery, _is("pending", first))
        .order_by(first.c.sequence)
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.update(deliveries)
        .where(
            deliveries.c.id == sa.func.coalesce(first_of_item, delivery),
            _PENDING,
            *_READY,
            outbox.c.id == deliveries.c.notification_id,
        )
        .values(
            queued_until=None,
            attempts=deliveries.c.attempts + 1,
            first_tried_at=sa.func.coalesce(deliveries.c.first_tried_at, _NOW),
        )
        .returning(*_COLUMNS)
    )


_CLAIM = _claiming()


def claim(conn: Connection, delivery_id: int, *, now: datetime, until: datetime) -> Delivery | None:
    """
    Claim the delivery to make now until *until*, and return it; None: there is none.

    The notifications of an Item go to an endpoint in order: the claimed one is the first of the Item that is pending
    there. There is none if that one is not due yet, or is being delivered.
    """
    row = conn.execute(_CLAIM, {"delivery": delivery_id, "now": now, "claimed_until": until}).one_or_none()
    return None if row is None else Delivery(**row._mapping)


def _is_urgent() -> sa.ColumnElement[bool]:
    """Return whether the notification, or one of its Item that waits behind it, is of an urgent type."""
    behind = deliveries.alias("behind")
    told = outbox.alias("told")
    is_of_urgent_type = told.c.type == sa.func.any(sa.bindparam("urgent_types", type_=sa.ARRAY(sa.Text)))
    itself = sa.exists().where(told.c.id == deliveries.c.notification_id, is_of_urgent_type)
    waits = sa.exists().where(
        behind.c.endpoint_id == deliveries.c.endpoint_id,
        behind.c.item_id == deliveries.c.item_id,
        _is("pending", behind),
        told.c.id == behind.c.notification_id,
        is_of_urgent_type,
    )
    return sa.or_(itself, waits).label("is_urgent")


def _taking() -> sa.Update:
    before = deliveries.alias("before")
    first_of_item = ~sa.exists().where(
        before.c.endpoint_id == deliveries.c.endpoint_id,
        before.c.item_id == deliveries.c.item_id,
        before.c.sequence < deliveries.c.sequence,
        _is("pending", before),
    )
    due = (
        sa.select(deliveries.c.id)
        .where(
            _OF_ENDPOINT,
            _PENDING,
            *_READY,
            sa.func.coalesce(deliveries.c.queued_until, _NOW) <= _NOW,
            first_of_item,
        )
        .order_by(deliveries.c.due_at)
        .limit(sa.bindparam("limit"))
        .with_for_update(skip_locked=True, of=deliveries)
        .cte("due")
    )
    return sa.update(deliveries).where(deliveries.c.id == due.c.id).returning(deliveries.c.id, _is_urgent())


_TAKE_DUE = _taking()


def take_due(
    conn: Connection,
    endpoint_id: str,
    urgent_types: Collection[str],
    *,
    now: datetime,
    until: datetime,
    limit: int,
) -> list[First]:
    """
    Return deliveries to the endpoint that can be made now, those due longest first.

    They are not returned again before *until*: a queued delivery is not queued over and over.
    """
    asked = {"endpoint": endpoint_id, "urgent_types": sorted(urgent_types), "now": now, "limit": limit}
    return [First._make(row) for row in conn.execute(_TAKE_DUE, {**asked, "queued_until": until})]


def count_none_as_queued(conn: Connection, endpoint_id: str) -> None:
    """Let queued deliveries be queued again: workers have dropped their messages while the endpoint failed."""
    conn.execute(
        sa.update(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, _PENDING, deliveries.c.queued_until.is_not(None))
        .values(queued_until=None)
    )


_NEXT_OF_ITEM = (
    sa.select(deliveries.c.id, _is_urgent())
    .where(_OF_ENDPOINT, _PENDING, deliveries.c.item_id == sa.bindparam("item"))
    .order_by(deliveries.c.sequence)
    .limit(1)
)


def next_of_item(conn: Connection, endpoint_id: str, item_id: str, urgent_types: Collection[str]) -> First | None:
    """Return the Item's first pending delivery to the endpoint, or None."""
    asked = {"endpoint": endpoint_id, "item": item_id, "urgent_types": sorted(urgent_types)}
    row = conn.execute(_NEXT_OF_ITEM, asked).one_or_none()
    return None if row is None else First._make(row)


_IS_PENDING = sa.select(sa.exists().where(deliveries.c.notification_id == sa.bindparam("notification"), _PENDING))


def is_settled(conn: Connection, notification_id: str) -> bool:
    """Return whether every delivery of the notification was made or given up."""
    return not conn.execute(_IS_PENDING, {"notification": notification_id}).scalar_one()


_MARK_DELIVERED = _UPDATE.values(state="delivered", claimed_until=None)


def mark_delivered(conn: Connection, delivery_id: int, *, now: datetime) -> None:
    """Record that the endpoint took it."""
    conn.execute(_MARK_DELIVERED, {"delivery": delivery_id, "delivered_at": now})


_RESCHEDULE = _UPDATE.where(_PENDING, deliveries.c.attempts == sa.bindparam("attempt")).values(claimed_until=None)


def reschedule(conn: Connection, claimed: Delivery, *, due_at: datetime) -> None:
    """End the claim of *claimed* and try again at *due_at*. If another worker has claimed it since, change nothing."""
    conn.execute(_RESCHEDULE, {"delivery": claimed.id, "attempt": claimed.attempts, "due_at": due_at})


def mark_dead(conn: Connection, delivery_id: int) -> None:
    """Mark it as a dead letter, unless it was made after all: only an operator redrives it."""
    conn.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id, _PENDING).values(state="dead", claimed_until=None)
    )


def try_all_anew(conn: Connection, endpoint_id: str, *, now: datetime) -> None:
    """Make what waits for the endpoint due, as if it had never been tried."""
    conn.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.endpoint_id == endpoint_id,
            _PENDING,
            sa.or_(deliveries.c.attempts > 0, deliveries.c.queued_until.is_not(None)),
        )
        .values(_ANEW | {"due_at": sa.func.least(deliveries.c.due_at, now)})
    )


_ANEW: dict[str, Any] = {
    "state": "pending",
    "attempts": 0,
    "first_tried_at": None,
    "delivered_at": None,
    "claimed_until": None,
    "queued_until": None,
}


def redrive(conn: Connection, notification_id: str, *, endpoint_id: str | None = None, now: datetime) -> Sequence[int]:
    """Make the notification's deliveries due now, as if never tried; return their ids. *endpoint_id*: only that one."""
    where = [deliveries.c.notification_id == notification_id]
    if endpoint_id is not None:
        where.append(deliveries.c.endpoint_id == endpoint_id)
    stmt = sa.update(deliveries).where(*where, _OF_ENDPOINTS).values(_ANEW | {"due_at": now})
    return conn.scalars(stmt.returning(deliveries.c.id)).all()


_OF_ENDPOINTS = sa.exists().where(endpoints.c.id == deliveries.c.endpoint_id, endpoints.c.deleted_at.is_(None))


def redrive_range(
    conn: Connection,
    *,
    only_dead: bool,
    since: datetime,
    until: datetime,
    endpoint_id: str | None,
    after: int,
    now: datetime,
    limit: int,
) -> Sequence[int]:
    """
    Make up to *limit* deliveries due now that are not pending, of notifications written in [since, until).

    Return their ids, which are above *after*. The sweep queues them.
    """
    where = _in_range(only_dead=only_dead, since=since, until=until, endpoint_id=endpoint_id)
    chosen = (
        sa.select(deliveries.c.id)
        .where(deliveries.c.id > after, *where)
        .order_by(deliveries.c.id)
        .limit(limit)
        .cte("chosen")
    )
    stmt = sa.update(deliveries).where(deliveries.c.id == chosen.c.id).values(_ANEW | {"due_at": now})
    return conn.scalars(stmt.returning(deliveries.c.id)).all()


def _in_range(
    *, only_dead: bool, since: datetime, until: datetime, endpoint_id: str | None
) -> list[sa.ColumnElement[bool]]:
    settled = _DEAD if only_dead else ~_PENDING
    where = [settled, deliveries.c.created_at >= since, deliveries.c.created_at < until, _OF_ENDPOINTS]
    return where if endpoint_id is None else [*where, deliveries.c.endpoint_id == endpoint_id]


def count_range(
    conn: Connection, *, only_dead: bool, since: datetime, until: datetime, endpoint_id: str | None, at_most: int
) -> int:
    """Return how many deliveries `redrive_range` would make due; counting stops at *at_most*."""
    where = _in_range(only_dead=only_dead, since=since, until=until, endpoint_id=endpoint_id)
    return count_rows(conn, deliveries, *where, at_most=at_most)


def _missing(
    endpoint_id: str, *, types: Sequence[str] | None, since: datetime, until: datetime
) -> list[sa.ColumnElement[bool]]:
    known = sa.exists().where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.notification_id == outbox.c.id)
    of_types = ~outbox.c.type.like("endpoint.%") if types is None else outbox.c.type.in_(types)
    return [outbox.c.created_at >= since, outbox.c.created_at < until, ~known, of_types]


def count_missing(
    conn: Connection, endpoint_id: str, *, types: Sequence[str] | None, since: datetime, until: datetime, at_most: int
) -> int:
    """Return how many notifications `recover` would let be delivered; counting stops at *at_most*."""
    where = _missing(endpoint_id, types=types, since=since, until=until)
    some = sa.select(outbox.c.id).where(*where).limit(at_most).subquery()
    number: int = conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return number


def recover(
    conn: Connection,
    endpoint_id: str,
    *,
    types: Sequence[str] | None,
    since: datetime,
    until: datetime,
    now: datetime,
    limit: int,
) -> int:
    """
    Let up to *limit* notifications written in [since, until) be delivered to the endpoint that it was never sent.

    Return how many. *types*: only these; None: all but those about endpoints. The sweep queues them.
    """
    missing = sa.select(
        sa.literal(endpoint_id),
        outbox.c.id,
        outbox.c.item_id,
        outbox.c.sequence,
        outbox.c.created_at,
        sa.literal(now, sa.DateTime(timezone=True)),
    ).where(*_missing(endpoint_id, types=types, since=since, until=until))
    names = ["endpoint_id", "notification_id", "item_id", "sequence", "created_at", "due_at"]
    chosen = missing.order_by(outbox.c.created_at, outbox.c.sequence).limit(limit)
    stmt = insert(deliveries).from_select(names, chosen).on_conflict_do_nothing()
    return len(conn.scalars(stmt.returning(deliveries.c.id)).all())


_RECORD_ATTEMPT = sa.insert(delivery_attempts).from_select(
    ["notification_id", "endpoint_id", "started_at", "duration_ms", "status_code", "error", "answer"],
    sa.select(
        outbox.c.id,
        sa.bindparam("endpoint", type_=sa.Text),
        sa.bindparam("began_at", type_=INSTANT),
        sa.bindparam("took_ms", type_=sa.Integer),
        sa.bindparam("code", type_=sa.Integer),
        sa.bindparam("trouble", type_=sa.Text),
        sa.bindparam("answered", type_=sa.Text),
    )
    .where(outbox.c.id == sa.bindparam("notification"))
    .with_for_update(key_share=True),
)


def record_attempt(
    conn: Connection,
    made: Delivery,
    *,
    started_at: datetime,
    duration_ms: int,
    status_code: int | None,
    error: str | None,
    answer: str | None,
) -> None:
    """Log one attempt, unless the notification was dropped meanwhile."""
    conn.execute(
        _RECORD_ATTEMPT,
        {
            "notification": made.notification_id,
            "endpoint": made.endpoint_id,
            "began_at": started_at,
            "took_ms": duration_ms,
            "code": status_code,
            "trouble": error,
            "answered": answer,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to deliver. *answer* is how the answer's body began, for the operator only."""

    id: int
    notification_id: str
    type: str
    started_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    answer: str | None = field(repr=False)


def attempts_before(conn: Connection, endpoint_id: str, before: int | None, *, limit: int) -> Sequence[Attempt]:
    """Return the endpoint's next *limit* attempts, newest first, from those before the one with the id *before*."""
    of_attempt = ("id", "notification_id", "started_at", "duration_ms", "status_code", "error", "answer")
    stmt = sa.select(*(delivery_attempts.c[name] for name in of_attempt), outbox.c.type).where(
        delivery_attempts.c.endpoint_id == endpoint_id, outbox.c.id == delivery_attempts.c.notification_id
    )
    if before is not None:
        stmt = stmt.where(delivery_attempts.c.id < before)
    return [Attempt(**row._mapping) for row in conn.execute(stmt.order_by(delivery_attempts.c.id.desc()).limit(limit))]


NEWEST = (deliveries.c.created_at.desc(), deliveries.c.id.desc())


def newest(
    conn: Connection, *, state: str, item_id: str | None = None, since: datetime | None = None, limit: int
) -> Sequence[Delivery]:
    """Return the newest deliveries in *state*, for an operator; *since*: of notifications written from then on."""
    rows = conn.execute(
        sa.select(*_COLUMNS)
        .where(*_matching(state, item_id, since), outbox.c.id == deliveries.c.notification_id)
        .order_by(*NEWEST)
        .limit(limit)
    )
    return [Delivery(**row._mapping) for row in rows]


def count(conn: Connection, *, state: str, item_id: str | None = None, since: datetime | None = None) -> int:
    """Return how many deliveries `newest` would return without a limit; `COUNTED` stands for as many or more."""
    return count_rows(conn, deliveries, *_matching(state, item_id, since), at_most=COUNTED, order_by=NEWEST)


def _matching(state: str, item_id: str | None, since: datetime | None) -> list[sa.ColumnElement[bool]]:
    chosen = [deliveries.c.state == state]
    if item_id is not None:
        chosen.append(deliveries.c.item_id == item_id)
    if since is not None:
        chosen.append(deliveries.c.created_at >= since)
    return chosen


def pending_by_endpoint(conn: Connection) -> dict[str, int]:
    """Return how many deliveries wait for each endpoint that some wait for."""
    number = sa.func.count().label("number")
    rows = conn.execute(sa.select(deliveries.c.endpoint_id, number).where(_PENDING).group_by(deliveries.c.endpoint_id))
    return {row.endpoint_id: row.number for row in rows}
