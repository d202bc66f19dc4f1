"""
Events as they came in, each once. Storing one raises its Item's `wanted` in the same transaction.

The Item's `item_progress` row is locked first, so that an Item's events are numbered in the order of their commits.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync import events
from pluggy_sync.store.tables import inbox, item_progress

# The sweep sends an event again when it was not handled this long after it came in.
GRACE = timedelta(seconds=15)
RESEND_AFTER = timedelta(seconds=60)

# Why a look was asked for that no delivery asked for.
SILENT = "silent past its auto-sync"


def record(conn: Connection, event: events.Event, *, received_at: datetime, due_at: datetime | None = None) -> bool:
    """
    Store *event* and raise its Item's `wanted`; return False if it is stored already.

    *due_at*: when the sweep sends it if nobody handled it before; None: after the grace.
    """
    item_seq = None if event.item_id is None else _next_event_seq(conn, event, received_at)
    if event.item_id is not None and item_seq is None:
        return False
    row = {
        "event_id": event.event_id,
        "name": event.name,
        "item_id": event.item_id,
        "item_seq": item_seq,
        "payload": event.payload,
        "received_at": received_at,
        "due_at": due_at or received_at + GRACE,
    }
    return _insert(conn, row)


def _next_event_seq(conn: Connection, event: events.Event, now: datetime) -> int | None:
    """Return the raised count, or None if the event is stored already."""
    new = insert(item_progress).values(item_id=event.item_id, last_event_seq=1, due_at=now)
    stored_already = sa.exists().where(inbox.c.event_id == event.event_id)
    raised: int | None = conn.scalar(
        new.on_conflict_do_update(
            index_elements=[item_progress.c.item_id],
            set_={"last_event_seq": item_progress.c.last_event_seq + 1},
            where=~stored_already,
        ).returning(item_progress.c.last_event_seq)
    )
    return raised


def record_kept(
    conn: Connection,
    event_id: str,
    name: str,
    outcome: str,
    *,
    received_at: datetime,
    payload: dict[str, Any] | None = None,
    raw: bytes | None = None,
) -> bool:
    """Store a delivery that is only kept for an operator, as handled; return False if it is stored already."""
    row = {
        "event_id": event_id,
        "name": name,
        "payload": payload,
        "raw": raw,
        "received_at": received_at,
        "due_at": received_at,
        "handled_at": received_at,
        "state": "handled",
        "outcome": outcome,
    }
    return _insert(conn, row)


def _insert(conn: Connection, row: dict[str, Any]) -> bool:
    stmt = insert(inbox).values(**row).on_conflict_do_nothing(index_elements=[inbox.c.event_id])
    return conn.scalar(stmt.returning(inbox.c.id)) is not None


def request_fetch(conn: Connection, item_id: str, *, why: str, now: datetime, due_at: datetime | None = None) -> str:
    """Store an event of our own that asks to look at the Item, at *due_at* or soon; return its event id."""
    event_id = str(uuid.uuid4())
    payload = {"event": events.FETCH_REQUESTED, "eventId": event_id, "itemId": item_id, "why": why}
    record(
        conn,
        events.Event(event_id=event_id, name=events.FETCH_REQUESTED, item_id=item_id, payload=payload),
        received_at=now,
        due_at=due_at,
    )
    return event_id


def is_fetch_requested(conn: Connection, item_id: str, *, why: str) -> bool:
    """Return whether the Item is to be fetched for that reason already."""
    return bool(
        conn.scalar(
            sa.select(
                sa.exists().where(
                    inbox.c.item_id == item_id,
                    # As in the index, which is only used for values known as the statement is planned.
                    sa.text(f"state = 'stored' AND name = '{events.FETCH_REQUESTED}'"),
                    inbox.c.payload["why"].astext == why,
                )
            )
        )
    )


def found_by_fetching(conn: Connection) -> int:
    """Return how many looks at silent Items found news: their webhooks were missed."""
    count: int = conn.execute(
        sa.select(sa.func.count()).where(
            inbox.c.name == events.FETCH_REQUESTED,
            inbox.c.payload["why"].astext == SILENT,
            inbox.c.outcome.in_(["sync", "ask", "purge"]),
        )
    ).scalar_one()
    return count


def get(conn: Connection, event_id: str) -> sa.Row[Any] | None:
    """Return the stored event, or None."""
    return conn.execute(sa.select(inbox).where(inbox.c.event_id == event_id)).one_or_none()


def finish(conn: Connection, event_id: str, outcome: str, *, now: datetime) -> None:
    """Mark the event as handled."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id)
        .values(state="handled", outcome=outcome, handled_at=now, error=None)
    )


def reschedule(conn: Connection, event_id: str, error: str, *, until: datetime) -> None:
    """Leave the event stored, to be handled again when it is due."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id, inbox.c.state == "stored")
        .values(attempts=inbox.c.attempts + 1, error=error, due_at=until)
    )


def mark_dead(conn: Connection, event_id: str, error: str, *, now: datetime) -> None:
    """Mark the event as a dead letter: only an operator sends it again."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id)
        .values(state="dead", error=error, handled_at=now, attempts=inbox.c.attempts + 1)
    )


def take_due(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Return ids of events that are due, and put each off so that one that waits in the queue is not sent at once."""
    due = (
        sa.select(inbox.c.id)
        .where(inbox.c.state == "stored", inbox.c.due_at <= now)
        .order_by(inbox.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = sa.update(inbox).where(inbox.c.id.in_(due)).values(due_at=now + RESEND_AFTER).returning(inbox.c.event_id)
    return list(conn.scalars(taken))


def transaction_events(conn: Connection, item_id: str, *, after_seq: int, through_seq: int) -> list[events.Event]:
    """Return the Item's `transactions/created` and `transactions/updated` events between two counts."""
    payloads = conn.scalars(
        sa.select(inbox.c.payload).where(
            inbox.c.item_id == item_id,
            inbox.c.item_seq > after_seq,
            inbox.c.item_seq <= through_seq,
            inbox.c.name.in_([events.TRANSACTIONS_CREATED, events.TRANSACTIONS_UPDATED]),
        )
    )
    return [events.of_payload(payload) for payload in payloads]


def newest_of_item(conn: Connection, item_id: str, *, through_seq: int) -> sa.Row[Any, Any] | None:
    """Return name and payload of the Item's newest event up to a count, or None."""
    return conn.execute(
        sa.select(inbox.c.name, inbox.c.payload)
        .where(inbox.c.item_id == item_id, inbox.c.item_seq <= through_seq)
        .order_by(inbox.c.item_seq.desc())
        .limit(1)
    ).one_or_none()


def remove_person(conn: Connection, item_id: str) -> None:
    """Take the person's id out of the Item's stored events; the events stay, so that repeats are recognised."""
    conn.execute(
        sa.update(inbox).where(inbox.c.item_id == item_id).values(payload=inbox.c.payload.op("-")("clientUserId"))
    )


def newest(conn: Connection, *, state: str, limit: int) -> Sequence[sa.Row[Any]]:
    """Return the newest events in *state*, for an operator."""
    return conn.execute(sa.select(inbox).where(inbox.c.state == state).order_by(inbox.c.id.desc()).limit(limit)).all()


def count(conn: Connection, *, state: str) -> int:
    """Return how many events are in *state*."""
    number: int = conn.execute(sa.select(sa.func.count()).where(inbox.c.state == state)).scalar_one()
    return number


def redrive(conn: Connection, event_id: str, *, now: datetime) -> bool:
    """Make an event that is not handled due now, with all its attempts before it; return False if there is none."""
    revived = conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id, inbox.c.state != "handled")
        .values(state="stored", attempts=0, due_at=now, handled_at=None)
    )
    return revived.rowcount == 1
