"""Notifications waiting for the product, and every attempt to deliver one. Callers own the transaction."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import delivery_attempts, outbox


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
    now: datetime,
) -> None:
    """Store a notification, due now."""
    conn.execute(
        sa.insert(outbox).values(
            id=notification_id,
            type=type_,
            item_id=item_id,
            sequence=sequence,
            body=body,
            created_at=now,
            due_at=now,
        )
    )


def claim(conn: Connection, notification_id: str, *, now: datetime, until: datetime) -> sa.Row[Any] | None:
    """Return the notification if it is pending and due, and keep others off it *until* then; else None."""
    return conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == notification_id, outbox.c.state == "pending", outbox.c.due_at <= now)
        .values(due_at=until, attempts=outbox.c.attempts + 1)
        .returning(outbox)
    ).one_or_none()


def due(conn: Connection, *, now: datetime, limit: int) -> Sequence[str]:
    """Return the ids of notifications that are due, oldest first."""
    return conn.scalars(
        sa.select(outbox.c.id)
        .where(outbox.c.state == "pending", outbox.c.due_at <= now)
        .order_by(outbox.c.due_at)
        .limit(limit)
    ).all()


def record_attempt(
    conn: Connection,
    notification_id: str,
    *,
    started_at: datetime,
    duration_ms: int,
    status_code: int | None,
    error: str | None,
) -> None:
    """Keep the log of one attempt."""
    conn.execute(
        sa.insert(delivery_attempts).values(
            notification_id=notification_id,
            started_at=started_at,
            duration_ms=duration_ms,
            status_code=status_code,
            error=error,
        )
    )


def mark_delivered(conn: Connection, notification_id: str, *, now: datetime) -> None:
    """Record that the product took it."""
    conn.execute(sa.update(outbox).where(outbox.c.id == notification_id).values(state="delivered", delivered_at=now))


def reschedule(conn: Connection, notification_id: str, *, until: datetime) -> None:
    """Try again at *until*."""
    conn.execute(sa.update(outbox).where(outbox.c.id == notification_id).values(due_at=until))


def mark_dead(conn: Connection, notification_id: str) -> None:
    """Mark it as a dead letter: only an operator sends it again."""
    conn.execute(sa.update(outbox).where(outbox.c.id == notification_id).values(state="dead"))


def drop_of_item(conn: Connection, item_id: str) -> None:
    """Drop what was written about a person's Item."""
    conn.execute(sa.delete(outbox).where(outbox.c.item_id == item_id))


def newest(conn: Connection, *, state: str, limit: int) -> Sequence[sa.Row[Any]]:
    """Return the newest notifications in *state*, for an operator."""
    return conn.execute(
        sa.select(outbox).where(outbox.c.state == state).order_by(outbox.c.created_at.desc()).limit(limit)
    ).all()


def count(conn: Connection, *, state: str) -> int:
    """Return how many notifications are in *state*."""
    number: int = conn.execute(sa.select(sa.func.count()).where(outbox.c.state == state)).scalar_one()
    return number


def redrive(conn: Connection, notification_id: str, *, now: datetime) -> bool:
    """Make the notification due now, with all its attempts before it; return False if there is none."""
    revived = conn.execute(
        sa.update(outbox).where(outbox.c.id == notification_id).values(state="pending", attempts=0, due_at=now)
    )
    return revived.rowcount == 1
