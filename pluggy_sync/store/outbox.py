"""Notifications for the product, and every attempt to deliver one. Callers own the transaction."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import delivery_attempts, outbox

# As in `store/inbox.py`.
COUNTED = 1_000


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A notification as it is stored. *body* is sent byte for byte; *attempts* counts from the last redrive."""

    id: str
    type: str
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


@dataclass(frozen=True, kw_only=True)
class First:
    """The first notification of an Item that is not yet settled. Urgent if it, or a later one of its Item, is."""

    id: str
    is_urgent: bool


_COLUMNS = tuple(outbox.c[each.name] for each in fields(Notification))


def new_id() -> str:
    """Return a notification id, the same on every attempt."""
    return "msg_" + secrets.token_urlsafe(18)


def add(
    conn: Connection,
    *,
    notification_id: str,
    type_: str,
    item_id: str | None,
    sequence: int | None,
    body: str,
    due_at: datetime,
    now: datetime,
) -> None:
    """Store a notification."""
    conn.execute(
        sa.insert(outbox).values(
            id=notification_id,
            type=type_,
            item_id=item_id,
            sequence=sequence,
            body=body,
            created_at=now,
            due_at=due_at,
        )
    )


def claim(conn: Connection, notification_id: str, *, now: datetime, until: datetime) -> Notification | None:
    """
    Claim the notification to deliver now until *until*, and return it; None: there is none.

    The notifications of an Item are delivered in order: the claimed one is the first of the Item that is pending. There
    is none if that one is not due yet, or is being delivered.
    """
    asked_for = sa.select(outbox.c.item_id).where(outbox.c.id == notification_id).scalar_subquery()
    first_of_item = (
        sa.select(outbox.c.id)
        .where(_PENDING, outbox.c.item_id == asked_for)
        .order_by(outbox.c.sequence)
        .limit(1)
        .scalar_subquery()
    )
    row = conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == sa.func.coalesce(first_of_item, notification_id), _PENDING, *_ready(now))
        .values(
            claimed_until=until,
            queued_until=None,
            attempts=outbox.c.attempts + 1,
            first_tried_at=sa.func.coalesce(outbox.c.first_tried_at, now),
        )
        .returning(*_COLUMNS)
    ).one_or_none()
    return None if row is None else Notification(**row._mapping)


# Part of the statement: for a parameter Postgres would not use the partial index.
_PENDING = outbox.c.state == sa.literal_column("'pending'", sa.Text)


def _ready(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return outbox.c.due_at <= now, sa.func.coalesce(outbox.c.claimed_until, now) <= now


def take_due(
    conn: Connection, urgent_types: Collection[str], *, now: datetime, until: datetime, limit: int
) -> list[First]:
    """
    Return notifications that can be delivered now, those due longest first.

    They are not returned again before *until*: a queued notification is not queued over and over.
    """
    before = outbox.alias("before")
    first_of_item = ~sa.exists().where(
        before.c.item_id == outbox.c.item_id,
        before.c.sequence < outbox.c.sequence,
        before.c.state == sa.literal_column("'pending'", sa.Text),
    )
    due = (
        sa.select(outbox.c.id)
        .where(_PENDING, *_ready(now), sa.func.coalesce(outbox.c.queued_until, now) <= now, first_of_item)
        .order_by(outbox.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=outbox)
        .cte("due")
    )
    stmt = sa.update(outbox).where(outbox.c.id == due.c.id).values(queued_until=until)
    rows = conn.execute(stmt.returning(outbox.c.id, _is_urgent(urgent_types)))
    return [First(**row._mapping) for row in rows]


def _is_urgent(urgent_types: Collection[str]) -> sa.ColumnElement[bool]:
    """Return whether the notification, or one of its Item that waits behind it, is of an urgent type."""
    behind = outbox.alias("behind")
    waits = sa.exists().where(
        behind.c.item_id == outbox.c.item_id,
        behind.c.state == sa.literal_column("'pending'", sa.Text),
        behind.c.type.in_(sorted(urgent_types)),
    )
    return sa.or_(outbox.c.type.in_(sorted(urgent_types)), waits).label("is_urgent")


def count_none_as_queued(conn: Connection) -> None:
    """Let queued notifications be queued again: workers have dropped their messages while the endpoint failed."""
    conn.execute(sa.update(outbox).where(_PENDING, outbox.c.queued_until.is_not(None)).values(queued_until=None))


def next_of_item(conn: Connection, item_id: str, urgent_types: Collection[str]) -> First | None:
    """Return the Item's first pending notification, or None."""
    row = conn.execute(
        sa.select(outbox.c.id, _is_urgent(urgent_types))
        .where(_PENDING, outbox.c.item_id == item_id)
        .order_by(outbox.c.sequence)
        .limit(1)
    ).one_or_none()
    return None if row is None else First(**row._mapping)


def record_attempt(
    conn: Connection,
    notification_id: str,
    *,
    started_at: datetime,
    duration_ms: int,
    status_code: int | None,
    error: str | None,
) -> None:
    """Log one attempt, unless the notification was dropped meanwhile."""
    conn.execute(
        sa.insert(delivery_attempts).from_select(
            ["notification_id", "started_at", "duration_ms", "status_code", "error"],
            sa.select(
                outbox.c.id,
                sa.literal(started_at, sa.DateTime(timezone=True)),
                sa.literal(duration_ms, sa.Integer),
                sa.literal(status_code, sa.Integer),
                sa.literal(error, sa.Text),
            )
            .where(outbox.c.id == notification_id)
            .with_for_update(key_share=True),
        )
    )


def mark_delivered(conn: Connection, notification_id: str, *, now: datetime) -> None:
    """Record that the product took it."""
    conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == notification_id)
        .values(state="delivered", delivered_at=now, claimed_until=None)
    )


def reschedule(conn: Connection, claimed: Notification, *, due_at: datetime) -> None:
    """End the claim of *claimed* and try again at *due_at*. If another worker has claimed it since, change nothing."""
    conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == claimed.id, _PENDING, outbox.c.attempts == claimed.attempts)
        .values(due_at=due_at, claimed_until=None)
    )


def mark_dead(conn: Connection, notification_id: str) -> None:
    """Mark it as a dead letter, unless it was delivered after all: only an operator sends it again."""
    conn.execute(
        sa.update(outbox).where(outbox.c.id == notification_id, _PENDING).values(state="dead", claimed_until=None)
    )


def replace_body(conn: Connection, notification_id: str, body: str) -> None:
    """Replace the body that was sent by *body*."""
    conn.execute(sa.update(outbox).where(outbox.c.id == notification_id).values(body=body))


def drop_of_item(conn: Connection, item_id: str) -> datetime | None:
    """
    Drop the notifications of a person's Item.

    Return when the claim of the one ends that is being delivered at this moment; None: there is none.
    """
    claims = conn.scalars(sa.delete(outbox).where(outbox.c.item_id == item_id).returning(outbox.c.claimed_until)).all()
    return max((claim for claim in claims if claim is not None), default=None)


def newest(conn: Connection, *, state: str, limit: int) -> Sequence[Notification]:
    """Return the newest notifications in *state*, for an operator."""
    rows = conn.execute(
        sa.select(*_COLUMNS).where(outbox.c.state == state).order_by(outbox.c.created_at.desc()).limit(limit)
    )
    return [Notification(**row._mapping) for row in rows]


def count(conn: Connection, *, state: str) -> int:
    """Return how many notifications are in *state*; `COUNTED` stands for as many or more."""
    some = sa.select(outbox.c.id).where(outbox.c.state == state).limit(COUNTED).subquery()
    number: int = conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return number


def redrive(conn: Connection, notification_id: str, *, now: datetime) -> bool:
    """Make the notification due now, as if it had never been tried; return False if there is none."""
    redriven = conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == notification_id)
        .values(
            state="pending",
            attempts=0,
            due_at=now,
            first_tried_at=None,
            delivered_at=None,
            claimed_until=None,
            queued_until=None,
        )
    )
    return redriven.rowcount == 1
