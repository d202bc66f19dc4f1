"""
Events as they came in, each once. Storing one raises its Item's `last_event_seq` in the same transaction.

The Item's `item_progress` row is locked first, so that an Item's events are numbered in the order of their commits.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB, insert

from pluggy_sync import events
from pluggy_sync.store import tables
from pluggy_sync.store.tables import inbox

# The sweep sends an event again when it was not handled this long after it came in.
GRACE = timedelta(seconds=15)
RESEND_AFTER = timedelta(seconds=60)
RESEND_URGENT_AFTER = timedelta(seconds=20)

# Why a fetch was requested that no delivery asked for.
SILENT = "silent past its auto-sync"
OPERATOR = "operator"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The id under which an event is stored, and whether it was not stored before."""

    event_id: str
    is_new: bool


# One statement, since this is the busiest of all. Without an Item nothing is counted.
_RECORD = sa.text(
    """
    WITH raised AS (
        INSERT INTO item_progress (item_id, last_event_seq)
        SELECT :item_id, 1
        WHERE :item_id IS NOT NULL AND NOT EXISTS (SELECT FROM inbox WHERE event_id = :event_id)
        ON CONFLICT (item_id) DO UPDATE SET last_event_seq = item_progress.last_event_seq + 1
        RETURNING last_event_seq
    )
    INSERT INTO inbox (event_id, name, item_id, item_seq, payload, raw, unread, received_at, due_at)
    SELECT :event_id, :name, :item_id, (SELECT last_event_seq FROM raised), :payload, :raw, :unread,
           :received_at, :due_at
    WHERE :item_id IS NULL OR EXISTS (SELECT FROM raised)
    ON CONFLICT (event_id) DO NOTHING
    RETURNING id
    """
).bindparams(
    sa.bindparam("item_id", type_=sa.Text),
    sa.bindparam("payload", type_=JSONB),
    sa.bindparam("raw", type_=sa.LargeBinary),
    sa.bindparam("unread", type_=sa.ARRAY(sa.Text)),
)


def record(
    conn: Connection,
    event: events.Event,
    *,
    received_at: datetime,
    due_at: datetime | None = None,
    raw: bytes | None = None,
) -> Recorded:
    """
    Store *event* and raise its Item's `last_event_seq`. A repeat changes nothing.

    An `eventId` that is known as that of another happening (another kind of event, Item or account) swallows none:
    the event is stored under an id made from its own.

    *due_at*: when the sweep sends it if nobody handled it before; None: after the grace. *raw*: the body as it came, if
    part of it could not be read.
    """
    due_at = due_at or received_at + GRACE
    if _record(conn, event, received_at=received_at, due_at=due_at, raw=raw):
        return Recorded(event_id=event.event_id, is_new=True)
    if _is_repeat(conn, event):
        return Recorded(event_id=event.event_id, is_new=False)
    another = replace(event, event_id=events.id_of_another(event))
    is_new = _record(conn, another, received_at=received_at, due_at=due_at, raw=raw)
    return Recorded(event_id=another.event_id, is_new=is_new)


def _record(
    conn: Connection, event: events.Event, *, received_at: datetime, due_at: datetime, raw: bytes | None
) -> bool:
    row = {
        "event_id": event.event_id,
        "name": event.name,
        "item_id": event.item_id,
        "payload": event.payload,
        "raw": raw,
        "unread": list(event.unread) or None,
        "received_at": received_at,
        "due_at": due_at,
    }
    return conn.execute(_RECORD, row).one_or_none() is not None


def _is_repeat(conn: Connection, event: events.Event) -> bool:
    """Return whether what is stored under the event's id is the same happening."""
    account_id = inbox.c.payload["accountId"].astext
    stored = conn.execute(
        sa.select(inbox.c.name, inbox.c.item_id, account_id).where(inbox.c.event_id == event.event_id)
    ).one_or_none()
    # An account that cannot be read tells no event from another.
    known = None if stored is None else (stored[0], stored[1], stored[2] if event.account_id is not None else None)
    return known is None or known == (event.name, event.item_id, event.account_id)


def record_kept(
    conn: Connection,
    event_id: str,
    name: str,
    outcome: str,
    *,
    received_at: datetime,
    payload: dict[str, Any] | None = None,
    raw: bytes | None = None,
    unread: Sequence[str] = (),
) -> bool:
    """Store a delivery that is only kept for an operator, as handled; return False if it is stored already."""
    row = {
        "event_id": event_id,
        "name": name,
        "payload": payload,
        "raw": raw,
        "unread": list(unread) or None,
        "received_at": received_at,
        "due_at": received_at,
        "handled_at": received_at,
        "state": "handled",
        "outcome": outcome,
    }
    stmt = insert(inbox).values(**row).on_conflict_do_nothing(index_elements=[inbox.c.event_id])
    return conn.scalar(stmt.returning(inbox.c.id)) is not None


def request_fetch(
    conn: Connection, item_id: str, *, why: str, urgent: bool = False, now: datetime, due_at: datetime | None = None
) -> str:
    """
    Store an event of our own that has the Item fetched, at *due_at* or soon; return its event id.

    *urgent*: a person waits for it, also if the sweep sends it.
    """
    event_id = str(uuid.uuid4())
    payload = {"event": events.FETCH_REQUESTED, "eventId": event_id, "itemId": item_id, "why": why}
    if urgent:
        payload["urgent"] = "true"
    record(
        conn,
        events.Event(event_id=event_id, name=events.FETCH_REQUESTED, item_id=item_id, payload=payload),
        received_at=now,
        due_at=due_at,
    )
    return event_id


_REQUEST_FETCHES = sa.text(
    """
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:item_ids AS text[]), CAST(:event_ids AS text[])) AS _ (item_id, event_id)
    ), raised AS (
        INSERT INTO item_progress (item_id, last_event_seq)
        SELECT item_id, 1 FROM wanted ORDER BY item_id
        ON CONFLICT (item_id) DO UPDATE SET last_event_seq = item_progress.last_event_seq + 1
        RETURNING item_id, last_event_seq
    )
    INSERT INTO inbox (event_id, name, item_id, item_seq, payload, received_at, due_at)
    SELECT event_id, :name, item_id, last_event_seq,
           jsonb_build_object('event', :name, 'eventId', event_id, 'itemId', item_id, 'why', :why), :now, :due_at
    FROM wanted JOIN raised USING (item_id)
    """
).bindparams(
    sa.bindparam("item_ids", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("event_ids", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("name", type_=sa.Text),
    sa.bindparam("why", type_=sa.Text),
)


def request_fetches(conn: Connection, item_ids: Collection[str], *, why: str, now: datetime) -> list[str]:
    """
    Store, for each of the Items, an event as `request_fetch` does, for something that nobody waits for.

    Return their event ids. The Items are locked in the order of their ids, so that no two transactions wait for each
    other in a circle.
    """
    if not item_ids:
        return []
    event_ids = [str(uuid.uuid4()) for _ in item_ids]
    row = {"item_ids": list(item_ids), "event_ids": event_ids, "name": events.FETCH_REQUESTED, "why": why}
    conn.execute(_REQUEST_FETCHES, {**row, "now": now, "due_at": now + GRACE})
    return event_ids


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
    """Return how many fetches of silent Items found news: their webhooks were missed."""
    count: int = conn.execute(
        sa.select(sa.func.count()).where(
            inbox.c.name == events.FETCH_REQUESTED,
            inbox.c.payload["why"].astext == SILENT,
            inbox.c.outcome.in_(["sync", "ask", "purge"]),
        )
    ).scalar_one()
    return count


def begin_attempt(conn: Connection, event_id: str) -> sa.Row[Any] | None:
    """
    Count an attempt to handle the event, and return it with `attempts` as they were before; None if it does not wait.

    `payload` is text. It is read when the count is committed: whatever reading it does, the attempts come to an end.
    """
    return conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id, inbox.c.state == "stored")
        .values(attempts=inbox.c.attempts + 1)
        .returning(
            inbox.c.event_id,
            inbox.c.name,
            inbox.c.item_id,
            inbox.c.item_seq,
            (inbox.c.attempts - 1).label("attempts"),
            sa.cast(inbox.c.payload, sa.Text).label("payload"),
        )
    ).one_or_none()


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
        .values(error=error, due_at=until)
    )


def await_budget(conn: Connection, event_id: str, error: str, *, until: datetime) -> None:
    """Leave the event stored as `reschedule` does, as if it had not been tried."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id, inbox.c.state == "stored")
        .values(error=error, due_at=until, attempts=sa.func.greatest(inbox.c.attempts - 1, 0))
    )


def mark_dead(conn: Connection, event_id: str, error: str, *, now: datetime) -> None:
    """Mark the event as a dead letter: only an operator sends it again."""
    conn.execute(sa.update(inbox).where(inbox.c.event_id == event_id).values(state="dead", error=error, handled_at=now))


def take_due_urgent(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Return ids of events that are due and that a person waits for, as `take_due` does."""
    return _take(conn, URGENT, now=now, until=now + RESEND_URGENT_AFTER, limit=limit)


def take_due(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """
    Return ids of events that are due and that nobody waits for.

    Each is put off, so that one that waits in the queue is not sent at once.
    """
    return _take(conn, ~URGENT, now=now, until=now + RESEND_AFTER, limit=limit)


# As in the index, which is only used for values known as the statement is planned.
URGENT = sa.literal_column(f"({tables.URGENT_EVENTS})", sa.Boolean)


def _take(conn: Connection, which: sa.ColumnElement[bool], *, now: datetime, until: datetime, limit: int) -> list[str]:
    due = (
        sa.select(inbox.c.id)
        .where(inbox.c.state == sa.literal_column("'stored'", sa.Text), inbox.c.due_at <= now, which)
        .order_by(inbox.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = sa.update(inbox).where(inbox.c.id.in_(due)).values(due_at=until)
    return list(conn.scalars(taken.returning(inbox.c.event_id)))


def remove_person(conn: Connection, item_id: str) -> None:
    """Take the person's id out of the Item's stored events; the events stay, so that repeats are recognised."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.item_id == item_id)
        .values(payload=inbox.c.payload.op("-")("clientUserId"), raw=None)
    )


def newest(conn: Connection, *, state: str | None, unread: bool = False, limit: int) -> Sequence[sa.Row[Any]]:
    """Return the newest events in *state*, or all; *unread*: only those of which something could not be read."""
    wanted = _wanted(state, unread=unread)
    return conn.execute(sa.select(inbox).where(*wanted).order_by(inbox.c.id.desc()).limit(limit)).all()


def count(conn: Connection, *, state: str | None, unread: bool = False) -> int:
    """Return how many events `newest` would return without a limit."""
    number: int = conn.execute(sa.select(sa.func.count()).where(*_wanted(state, unread=unread))).scalar_one()
    return number


def _wanted(state: str | None, *, unread: bool) -> list[sa.ColumnElement[bool]]:
    in_state = [] if state is None else [inbox.c.state == state]
    return [*in_state, inbox.c.unread.is_not(None)] if unread else in_state


def redrive(conn: Connection, event_id: str, *, now: datetime) -> str | None:
    """
    Make an event that is not handled due now, with all its attempts before it. Return the id that it now has.

    What could not be read is read anew from the body as it came, also if it was only kept: a newer version of the
    service may be able to. None: there is no such event, or it is handled.
    """
    row = conn.execute(
        sa.select(inbox.c.state, inbox.c.raw, inbox.c.received_at).where(inbox.c.event_id == event_id).with_for_update()
    ).one_or_none()
    if row is None:
        return None
    event = None if row.raw is None else _read_anew(bytes(row.raw))
    if event is not None:
        conn.execute(sa.delete(inbox).where(inbox.c.event_id == event_id))
        raw = bytes(row.raw) if event.unread else None
        return record(conn, event, received_at=row.received_at, due_at=now, raw=raw).event_id
    if row.state == "handled":
        return None
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.event_id == event_id)
        .values(state="stored", attempts=0, due_at=now, handled_at=None)
    )
    return event_id


def _read_anew(raw: bytes) -> events.Event | None:
    try:
        event = events.parse(raw)
    except events.UnparsableError:
        return None
    return event if event.can_be_acted_on else None
