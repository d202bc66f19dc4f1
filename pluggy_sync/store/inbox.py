"""
Events as they came in, each once. Storing one raises its Item's `last_event_seq` in the same transaction.

The Items' `item_progress` rows are locked first, so that an Item's events are numbered in the order of their commits.
"""

import base64
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync import events, wire
from pluggy_sync.store import counters, erased, tables
from pluggy_sync.store.bounded_counts import count_rows
from pluggy_sync.store.database import run_alone
from pluggy_sync.store.tables import inbox

# The sweep sends an event again when it was not handled this long after it came in.
GRACE = timedelta(seconds=15)
# It sends it once more if whoever took it has died. With the sweep's own interval that is within promise 10.
RESEND_AFTER = timedelta(seconds=30)
RESEND_URGENT_AFTER = timedelta(seconds=20)

# An operator who counts wants to know whether it is a few or very many. There may be millions that are handled.
COUNTED = 1_000

# Why a fetch was requested that no delivery asked for.
SILENT = "silent past its auto-sync"
OPERATOR = "operator"
# Outcomes of a fetch that found something that no webhook had told.
_NEWS = frozenset({"sync", "ask", "purge"})


class Fate(StrEnum):
    """What became of an arrival."""

    STORED = "stored"
    REPEATED = "repeated"
    # Its id is stored already as that of another happening: another kind of event, Item or account.
    ANOTHER = "another"
    # Somebody holds its Item, or stored it at this moment. Nothing of it is stored; it is to be tried again.
    BUSY = "busy"


class Lock(StrEnum):
    """What to do about an Item that another transaction holds."""

    PASS_OVER = "SKIP LOCKED"  # noqa: S105 - no password
    WAIT = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """
    What is stored of a delivery. `state` is `handled` for one that is only kept for an operator, for `outcome`.

    `due_at`: when the sweep sends it if nobody handled it before. `raw`: the body as it came, if part of it could not
    be read.
    """

    event_id: str
    name: str
    received_at: datetime
    due_at: datetime
    item_id: str | None = None
    account_id: str | None = None
    payload: dict[str, Any] | None = None
    raw: bytes | None = None
    unread: tuple[str, ...] = ()
    state: str = "stored"
    outcome: str | None = None

    def as_another(self) -> "Arrival":
        """Return it under an id made from its own, which is that of a different happening."""
        return replace(self, event_id=events.id_of_another(self))


def arrival_of(
    event: events.Event, *, received_at: datetime, due_at: datetime | None = None, raw: bytes | None = None
) -> Arrival:
    """Return what is stored of *event*, which is to be handled. *due_at* None: after the grace."""
    return Arrival(
        event_id=event.event_id,
        name=event.name,
        item_id=event.item_id,
        account_id=event.account_id,
        payload=event.payload,
        raw=raw,
        unread=event.unread,
        received_at=received_at,
        due_at=due_at or received_at + GRACE,
    )


# One statement for any number of arrivals, since this is the busiest of all. Items are locked in the order of their
# ids, new ones and then events are inserted in the order of theirs: two such statements never wait for one another in
# a circle. Numbers follow the order of arrival, `n`. Arrivals without an Item are not numbered.
_STORE = """
    WITH arrived AS MATERIALIZED (
        SELECT *,
               -- Of an Item that was erased.
               EXISTS (
                   SELECT FROM erasure_tombstones AS tombstone WHERE tombstone.digest = ANY (arrived.digests)
               ) AS is_erased
        FROM json_to_recordset(%s::json) AS arrived (
            n int, event_id text, name text, item_id text, account_id text, payload jsonb, raw text, unread text[],
            received_at timestamptz, due_at timestamptz, state text, outcome text, digests bytea[]
        )
    ), given AS MATERIALIZED (
        SELECT n, event_id, name, item_id, account_id, payload, raw, unread, received_at, due_at, state, outcome
        FROM arrived WHERE NOT is_erased
        UNION ALL
        SELECT n, event_id, name, NULL, NULL, NULL, NULL, NULL, received_at, due_at, 'handled', 'erased'
        FROM arrived WHERE is_erased
    ), known AS MATERIALIZED (
        SELECT given.n,
               (given.name, given.item_id) IS DISTINCT FROM (inbox.name, inbox.item_id)
                   -- An account that cannot be read tells no event from another, nor does one that was removed by age.
                   OR (inbox.payload IS NOT NULL
                       AND given.account_id <> coalesce(inbox.payload ->> 'accountId', '')) IS TRUE AS is_another
        FROM given JOIN inbox USING (event_id)
    ), fresh AS MATERIALIZED (
        SELECT given.* FROM given LEFT JOIN known USING (n) WHERE known.n IS NULL
    ), wanted AS MATERIALIZED (
        SELECT item_id, count(*) AS events FROM fresh WHERE item_id IS NOT NULL GROUP BY item_id
    ), held AS MATERIALIZED (
        SELECT progress.item_id, progress.last_event_seq FROM item_progress AS progress
        WHERE progress.item_id IN (SELECT item_id FROM wanted)
        ORDER BY progress.item_id FOR UPDATE {lock}
    ), created AS (
        INSERT INTO item_progress (item_id, last_event_seq)
        SELECT item_id, events FROM wanted
        WHERE NOT EXISTS (SELECT FROM item_progress AS progress WHERE progress.item_id = wanted.item_id)
        ORDER BY item_id
        ON CONFLICT (item_id) DO NOTHING
        RETURNING item_id, 0::bigint AS last_event_seq
    ), ours AS (
        SELECT * FROM held UNION ALL SELECT * FROM created
    ), numbered AS MATERIALIZED (
        SELECT nextval('inbox_id_seq') AS id, ordered.* FROM (
            SELECT fresh.*,
                   ours.last_event_seq + row_number() OVER (PARTITION BY fresh.item_id ORDER BY fresh.n) AS item_seq
            FROM fresh LEFT JOIN ours USING (item_id)
            WHERE fresh.item_id IS NULL OR ours.item_id IS NOT NULL
            ORDER BY fresh.n
        ) AS ordered
    ), stored AS (
        INSERT INTO inbox (id, event_id, name, item_id, item_seq, payload, raw, unread, received_at, due_at,
                           scheduled_at, state, outcome, handled_at)
        SELECT id, event_id, name, item_id, item_seq, payload, decode(raw, 'base64'), unread, received_at, due_at,
               CASE state WHEN 'stored' THEN due_at END, state, outcome, CASE state WHEN 'handled' THEN received_at END
        FROM numbered
        ORDER BY event_id
        ON CONFLICT (event_id) DO NOTHING
        RETURNING event_id, item_id, item_seq
    ), raised AS (
        UPDATE item_progress AS progress SET last_event_seq = newest.item_seq
        FROM (SELECT item_id, max(item_seq) AS item_seq FROM stored GROUP BY item_id) AS newest
        JOIN held USING (item_id)
        WHERE progress.item_id = newest.item_id
    )
    SELECT CASE WHEN known.is_another THEN 'another'
                WHEN known.n IS NOT NULL THEN 'repeated'
                WHEN stored.event_id IS NOT NULL THEN 'stored'
                ELSE 'busy' END
    FROM given LEFT JOIN known USING (n) LEFT JOIN stored ON stored.event_id = given.event_id
    ORDER BY given.n
"""
# For the connection that stores. A plan made while the tables were small reads them whole, and is kept as they grow.
BY_INDEX = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
_STORE_OF_LOCK = {lock: _STORE.format(lock=lock.value) for lock in Lock}


def store_alone(conn: Connection, arrivals: Sequence[Arrival]) -> list[Fate]:
    """
    Store *arrivals*, each with an id of its own, and raise the `last_event_seq` of their Items, in one transaction.

    *conn* is of `connect_for`, with the settings `BY_INDEX`. Returns what became of each. A repeat changes nothing, and
    nobody who holds an Item is waited for.

    Raises:
        psycopg.Error: nothing is stored, unless the connection was lost.
    """
    rows = run_alone(conn, _STORE_OF_LOCK[Lock.PASS_OVER], [_parameter(conn, arrivals)])
    return [Fate(str(value)) for (value,) in rows]


def _parameter(conn: Connection, arrivals: Sequence[Arrival]) -> str:
    return wire.encode([_row(conn, n, each) for n, each in enumerate(arrivals)]).decode()


def _row(conn: Connection, n: int, arrival: Arrival) -> dict[str, Any]:
    digests = () if arrival.item_id is None else erased.digests(conn, erased.ITEM, arrival.item_id)
    return {
        "n": n,
        "event_id": arrival.event_id,
        "name": arrival.name,
        "item_id": arrival.item_id,
        "account_id": arrival.account_id,
        "payload": arrival.payload,
        "raw": None if arrival.raw is None else base64.b64encode(arrival.raw).decode(),
        "unread": list(arrival.unread) or None,
        "received_at": arrival.received_at.isoformat(),
        "due_at": arrival.due_at.isoformat(),
        "state": arrival.state,
        "outcome": arrival.outcome,
        "digests": [rf"\x{each.hex()}" for each in digests],
    }


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The id under which an event is stored, and whether it was not stored before."""

    event_id: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class WaitingEvent:
    """An event that is about to be handled. `attempts`: those before this one."""

    event_id: str
    name: str
    item_id: str | None
    # None without an Item.
    item_seq: int | None
    attempts: int
    received_at: datetime
    # JSON text.
    payload: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """An event as an operator sees it, without what it says."""

    event_id: str
    name: str
    item_id: str | None
    # stored, handled or dead
    state: str
    outcome: str | None
    error: str | None
    attempts: int
    # The parts that could not be read; None: all could.
    unread: list[str] | None
    received_at: datetime
    due_at: datetime


_STORED_EVENT = [inbox.c[each.name] for each in fields(StoredEvent)]


def record(
    conn: Connection,
    event: events.Event,
    *,
    received_at: datetime,
    due_at: datetime | None = None,
    raw: bytes | None = None,
) -> Recorded:
    """
    Store one *event*, waiting for its Item if somebody holds it. A repeat changes nothing.

    An `eventId` that is known as that of another happening (another kind of event, Item or account) swallows none:
    the event is stored under an id made from its own. The rest is as in `Arrival`.
    """
    arrival = arrival_of(event, received_at=received_at, due_at=due_at, raw=raw)
    while True:
        fate = Fate(conn.exec_driver_sql(_STORE_OF_LOCK[Lock.WAIT], (_parameter(conn, [arrival]),)).scalar_one())
        if fate in (Fate.STORED, Fate.REPEATED):
            return Recorded(event_id=arrival.event_id, is_new=fate is Fate.STORED)
        if fate is Fate.ANOTHER:
            arrival = arrival.as_another()


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


# The name stands in it, as in the index: Postgres uses it only for values that it knows when it plans.
_REQUEST_FETCHES = sa.text(
    """
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:item_ids AS text[]), CAST(:event_ids AS text[])) AS given (item_id, event_id)
        WHERE NOT EXISTS (
            SELECT FROM inbox
            WHERE inbox.item_id = given.item_id AND state = 'stored' AND name = 'local/fetch_requested'
              AND payload ->> 'why' = :why
        )
    ), raised AS (
        INSERT INTO item_progress (item_id, last_event_seq)
        SELECT item_id, 1 FROM wanted ORDER BY item_id
        ON CONFLICT (item_id) DO UPDATE SET last_event_seq = item_progress.last_event_seq + 1
        RETURNING item_id, last_event_seq
    )
    INSERT INTO inbox (event_id, name, item_id, item_seq, payload, received_at, due_at, scheduled_at)
    SELECT event_id, :name, item_id, last_event_seq,
           jsonb_build_object('event', :name, 'eventId', event_id, 'itemId', item_id, 'why', :why), :now, :due_at,
           :due_at
    FROM wanted JOIN raised USING (item_id)
    RETURNING event_id
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

    Return their event ids. An Item that is to be fetched for that reason already is left out, and one that was erased.
    The Items are locked in the order of their ids, so that no two transactions wait for each other in a circle.
    """
    item_ids = set(item_ids) - erased.items_among(conn, item_ids)
    if not item_ids:
        return []
    event_ids = [str(uuid.uuid4()) for _ in item_ids]
    row = {"item_ids": list(item_ids), "event_ids": event_ids, "name": events.FETCH_REQUESTED, "why": why}
    return list(conn.scalars(_REQUEST_FETCHES, {**row, "now": now, "due_at": now + GRACE}))


def first_received_at(conn: Connection, item_id: str) -> datetime | None:
    """Return when the Item's first event came in, or our first request to fetch it; None: none is kept."""
    moment: datetime | None = conn.scalar(sa.select(sa.func.min(inbox.c.received_at)).where(inbox.c.item_id == item_id))
    return moment


def fetches_waiting(conn: Connection, *, why: str, at_most: int) -> int:
    """Return how many requests to fetch an Item wait for that reason; counting stops at *at_most*."""
    # As in the index: Postgres uses it only for values that it knows when it plans the statement.
    waits = sa.literal_column(f"state = 'stored' AND name = '{events.FETCH_REQUESTED}'", sa.Boolean)
    return count_rows(conn, inbox, waits, inbox.c.payload["why"].astext == why, at_most=at_most)


_IS_FETCH_REQUESTED = sa.select(
    sa.exists().where(
        inbox.c.item_id == sa.bindparam("item"),
        # As in the index: Postgres uses it only for values that it knows when it plans the statement.
        sa.text(f"state = 'stored' AND name = '{events.FETCH_REQUESTED}'"),
        inbox.c.payload["why"].astext == sa.bindparam("why"),
    )
)


def is_fetch_requested(conn: Connection, item_id: str, *, why: str) -> bool:
    """Return whether the Item is to be fetched for that reason already."""
    return bool(conn.scalar(_IS_FETCH_REQUESTED, {"item": item_id, "why": why}))


_WAITING = (inbox.c.event_id == sa.bindparam("event"), inbox.c.state == "stored")

_BEGIN_ATTEMPT = (
    sa.update(inbox)
    .where(*_WAITING)
    .values(attempts=inbox.c.attempts + 1)
    .returning(
        inbox.c.event_id,
        inbox.c.name,
        inbox.c.item_id,
        inbox.c.item_seq,
        (inbox.c.attempts - 1).label("attempts"),
        inbox.c.received_at,
        sa.cast(inbox.c.payload, sa.Text).label("payload"),
    )
)


def begin_attempt(conn: Connection, event_id: str) -> WaitingEvent | None:
    """
    Count an attempt to handle the event, and return it; None if it does not wait.

    `payload` is text. The caller reads it after the count is committed: if reading it ends the process each time, the
    event still runs out of attempts.
    """
    row = conn.execute(_BEGIN_ATTEMPT, {"event": event_id}).one_or_none()
    return None if row is None else WaitingEvent(**row._mapping)


def get(conn: Connection, event_id: str) -> StoredEvent | None:
    """Return the stored event, or None."""
    row = conn.execute(sa.select(*_STORED_EVENT).where(inbox.c.event_id == event_id)).one_or_none()
    return None if row is None else StoredEvent(**row._mapping)


_FINISH = (
    sa.update(inbox)
    .where(inbox.c.event_id == sa.bindparam("event"))
    .values(state="handled", error=None)
    .returning(sa.and_(inbox.c.name == events.FETCH_REQUESTED, inbox.c.payload["why"].astext == SILENT))
)


def finish(conn: Connection, event_id: str, outcome: str, *, reason: str | None = None, now: datetime) -> None:
    """Mark the event as handled. *reason*: the code behind the outcome, for people."""
    was_silent = conn.scalar(_FINISH, {"event": event_id, "outcome": outcome, "reason": reason, "handled_at": now})
    if was_silent and outcome in _NEWS:
        counters.add(conn, counters.FOUND_BY_FETCHING, 1)


def finish_of_item(conn: Connection, item_id: str, outcome: str, *, now: datetime) -> None:
    """Mark all events of the Item that wait as handled."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.item_id == item_id, inbox.c.state == "stored")
        .values(state="handled", outcome=outcome, handled_at=now, error=None)
    )


_RESCHEDULE = sa.update(inbox).where(*_WAITING)


def reschedule(conn: Connection, event_id: str, error: str, *, until: datetime) -> None:
    """Leave the event stored, to be handled again when it is due."""
    conn.execute(_RESCHEDULE, {"event": event_id, "error": error, "due_at": until, "scheduled_at": until})


_AWAIT_BUDGET = _RESCHEDULE.values(attempts=sa.func.greatest(inbox.c.attempts - 1, 0))


def await_budget(conn: Connection, event_id: str, error: str, *, until: datetime) -> None:
    """Leave the event stored as `reschedule` does, as if it had not been tried."""
    conn.execute(_AWAIT_BUDGET, {"event": event_id, "error": error, "due_at": until, "scheduled_at": until})


def mark_dead(conn: Connection, event_id: str, error: str, *, now: datetime) -> None:
    """Mark the event as a dead letter: only an operator sends it again."""
    conn.execute(sa.update(inbox).where(inbox.c.event_id == event_id).values(state="dead", error=error, handled_at=now))


# As in the index: Postgres uses it only for values that it knows when it plans the statement.
URGENT = sa.literal_column(f"({tables.URGENT_EVENTS})", sa.Boolean)


def _taking(which: sa.ColumnElement[bool]) -> sa.Update:
    is_stored = inbox.c.state == sa.literal_column("'stored'", sa.Text)
    due = (
        sa.select(inbox.c.id)
        .where(is_stored, inbox.c.due_at <= sa.bindparam("now"), which)
        .order_by(inbox.c.due_at)
        .limit(sa.bindparam("limit"))
        .with_for_update(skip_locked=True)
        .cte("due")  # Read once. Postgres may read a subquery again for each row, and then takes more than *limit*.
    )
    return sa.update(inbox).where(inbox.c.id == due.c.id).returning(inbox.c.event_id)


_TAKE_URGENT = _taking(URGENT)
_TAKE_OTHERS = _taking(~URGENT)


def take_due_urgent(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Return ids of events that are due and that a person waits for, as `take_due` does."""
    return _take(conn, _TAKE_URGENT, now=now, until=now + RESEND_URGENT_AFTER, limit=limit)


def take_due(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """
    Return ids of events that are due and that nobody waits for.

    Each is due again later, so that one that waits in the queue is not sent over and over. `scheduled_at` stays: it
    says since when the event should have been handled.
    """
    return _take(conn, _TAKE_OTHERS, now=now, until=now + RESEND_AFTER, limit=limit)


def _take(conn: Connection, taking: sa.Update, *, now: datetime, until: datetime, limit: int) -> list[str]:
    return list(conn.scalars(taking, {"now": now, "limit": limit, "due_at": until}))


def remove_person(conn: Connection, item_id: str) -> None:
    """Take the person's id out of the Item's stored events; the events stay, so that repeats are recognised."""
    conn.execute(
        sa.update(inbox)
        .where(inbox.c.item_id == item_id)
        .values(payload=inbox.c.payload.op("-")("clientUserId"), raw=None)
    )


def newest(
    conn: Connection,
    *,
    state: str | None,
    unread: bool = False,
    item_id: str | None = None,
    since: datetime | None = None,
    limit: int,
) -> Sequence[StoredEvent]:
    """
    Return the newest events in *state*, or all; *unread*: only those of which something could not be read.

    *item_id*: only of that Item; *since*: only those that came in from then on.
    """
    matching = _matching(state, unread=unread, item_id=item_id, since=since)
    rows = conn.execute(sa.select(*_STORED_EVENT).where(*matching).order_by(inbox.c.id.desc()).limit(limit))
    return [StoredEvent(**row._mapping) for row in rows]


def count(
    conn: Connection,
    *,
    state: str | None,
    unread: bool = False,
    item_id: str | None = None,
    since: datetime | None = None,
) -> int:
    """Return how many events `newest` would return without a limit; `COUNTED` stands for as many or more."""
    matching = _matching(state, unread=unread, item_id=item_id, since=since)
    return count_rows(conn, inbox, *matching, at_most=COUNTED, order_by=[inbox.c.id.desc()])


def _matching(
    state: str | None, *, unread: bool, item_id: str | None, since: datetime | None
) -> list[sa.ColumnElement[bool]]:
    chosen = [] if state is None else [inbox.c.state == state]
    if unread:
        chosen.append(inbox.c.unread.is_not(None))
    if item_id is not None:
        chosen.append(inbox.c.item_id == item_id)
    if since is not None:
        chosen.append(inbox.c.received_at >= since)
    return chosen


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
        .values(state="stored", attempts=0, due_at=now, scheduled_at=now, handled_at=None)
    )
    return event_id


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which events are replayed: all of these together. None: any. Requests of our own are taken only by their ids."""

    event_ids: Collection[str] | None = None
    # stored, handled or dead
    state: str | None = None
    name: str | None = None
    item_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return them in SQL."""
        of_pluggy = inbox.c.name != events.FETCH_REQUESTED
        found: list[sa.ColumnElement[bool]] = [
            of_pluggy if self.event_ids is None else inbox.c.event_id.in_(self.event_ids)
        ]
        for column, value in ((inbox.c.state, self.state), (inbox.c.name, self.name), (inbox.c.item_id, self.item_id)):
            if value is not None:
                found.append(column == value)
        if self.since is not None:
            found.append(inbox.c.received_at >= self.since)
        if self.until is not None:
            found.append(inbox.c.received_at < self.until)
        return found


class Replayed(NamedTuple):
    """An event that is due once more."""

    id: int
    event_id: str
    name: str


def count_chosen(conn: Connection, chosen: Chosen) -> int:
    """Return how many events there are as *chosen*."""
    return conn.execute(sa.select(sa.func.count()).select_from(inbox).where(*chosen.conditions())).scalar_one()


def newest_id(conn: Connection) -> int:
    """Return the id of the row that was stored last; 0: there is none."""
    return conn.scalar(sa.select(sa.func.max(inbox.c.id))) or 0


def replay(
    conn: Connection, chosen: Chosen, *, after: int, through: int, limit: int, now: datetime
) -> Sequence[Replayed]:
    """
    Make up to *limit* events due now as if they came now, those with the lowest ids after *after* and up to *through*.

    Each takes the next number of its Item. What it told once and agreed with the Item then is not told anew: the Item
    would seem to be behind. The Items' `item_progress` rows are locked in the order of their ids, as when events are
    stored.
    """
    picked = (
        sa.select(inbox.c.id, inbox.c.item_id)
        .where(*chosen.conditions(), inbox.c.id > after, inbox.c.id <= through)
        .order_by(inbox.c.id)
        .limit(limit)
        .cte("picked")
        .prefix_with("MATERIALIZED")
    )
    progress = tables.item_progress
    held = (
        sa.select(progress.c.item_id, progress.c.last_event_seq, (~_is_unsettled()).label("is_settled"))
        .where(progress.c.item_id.in_(sa.select(picked.c.item_id)))
        .order_by(progress.c.item_id)
        .with_for_update()
        .cte("held")
        .prefix_with("MATERIALIZED")
    )
    following = sa.func.row_number().over(partition_by=picked.c.item_id, order_by=picked.c.id)
    numbered = (
        sa.select(
            picked.c.id, picked.c.item_id, (held.c.last_event_seq + following).label("item_seq"), held.c.is_settled
        )
        .select_from(picked.outerjoin(held, held.c.item_id == picked.c.item_id))
        .cte("numbered")
        .prefix_with("MATERIALIZED")
    )
    last = (
        sa.select(numbered.c.item_id, sa.func.max(numbered.c.item_seq).label("item_seq"), numbered.c.is_settled)
        .where(numbered.c.item_seq.is_not(None))
        .group_by(numbered.c.item_id, numbered.c.is_settled)
        .subquery("last")
    )
    raised = (
        sa.update(progress)
        .where(progress.c.item_id == last.c.item_id)
        .values(
            last_event_seq=last.c.item_seq,
            settled_seq=sa.case((last.c.is_settled, last.c.item_seq), else_=progress.c.settled_seq),
        )
        .returning(progress.c.item_id)
        .cte("raised")
    )
    again = {"state": "stored", "attempts": 0, "outcome": None, "error": None, "handled_at": None}
    stmt = (
        sa.update(inbox)
        .where(inbox.c.id == numbered.c.id)
        .values(
            **again,
            due_at=now,
            scheduled_at=now,
            item_seq=sa.func.coalesce(numbered.c.item_seq, inbox.c.item_seq),
        )
        .returning(inbox.c.id, inbox.c.event_id, inbox.c.name)
        .add_cte(raised)
    )
    return [Replayed._make(row) for row in conn.execute(stmt)]


def _is_unsettled() -> sa.ColumnElement[bool]:
    """Return whether an event of the Item tells of something that was not seen yet (`rules/contradictions.py`)."""
    other, progress = inbox.alias("other"), tables.item_progress
    return sa.exists().where(other.c.item_id == progress.c.item_id, other.c.item_seq > progress.c.settled_seq)


def _read_anew(raw: bytes) -> events.Event | None:
    try:
        event = events.parse(raw)
    except events.UnparsableError:
        return None
    return event if event.can_be_acted_on else None
