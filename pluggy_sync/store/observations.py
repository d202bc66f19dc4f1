"""
What the watchdog sees in Postgres, each with one query that reads little. Callers own the transaction.

Tests: `engine/test_watchdog.py`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.rules.alerts import DAYS_COMPARED, OfBank, Stopped, Work
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.store import inbox as inbox_queries
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.tables import (
    INSTANT,
    QUOTA_USED_UP,
    balances,
    connectors,
    counters,
    deliveries,
    endpoints,
    event_counts,
    inbox,
    item_counts,
    item_progress,
    items,
)

# Of the counts of events.
BUCKET = timedelta(minutes=10)
# Up to which row of the inbox the events are counted.
COUNTED_THROUGH = "events_counted_through"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)

_STORED = inbox.c.state == sa.literal_column("'stored'", sa.Text)
_PENDING = deliveries.c.state == sa.literal_column("'pending'", sa.Text)
_OF_PLUGGY = ~inbox.c.name.like("local/%")


_NOW = sa.bindparam("now", type_=INSTANT)


def overdue_since(conn: Connection, now: datetime) -> dict[Work, datetime | None]:
    """
    Return, for each kind of work, since when the oldest should have been done that was not; None: all was.

    What was rescheduled (a retry, the budget, an endpoint that fails) does not count before its time.
    """
    return {work: conn.execute(oldest, {"now": now}).scalar_one_or_none() for work, oldest in _OLDEST.items()}


def _oldest_event(which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.min(inbox.c.scheduled_at)).where(_STORED, inbox.c.scheduled_at <= _NOW, which)


def _oldest_sync() -> sa.Select[Any]:
    is_leased = sa.exists().where(items.c.id == item_progress.c.item_id, items.c.lease_until > _NOW)
    is_gone = sa.exists().where(items.c.id == item_progress.c.item_id, items.c.deleted_at.is_not(None))
    return (
        sa.select(item_progress.c.scheduled_at)
        .where(SYNC_PENDING, item_progress.c.scheduled_at <= _NOW, ~is_leased, ~is_gone)
        .order_by(item_progress.c.scheduled_at)
        .limit(1)
    )


def _oldest_delivery() -> sa.Select[Any]:
    before = deliveries.alias("before")
    is_first_of_item = ~sa.exists().where(
        before.c.endpoint_id == deliveries.c.endpoint_id,
        before.c.item_id == deliveries.c.item_id,
        before.c.sequence < deliveries.c.sequence,
        before.c.state == sa.literal_column("'pending'", sa.Text),
    )
    of_endpoint = (
        sa.select(deliveries.c.due_at)
        .where(
            deliveries.c.endpoint_id == endpoints.c.id,
            _PENDING,
            deliveries.c.due_at <= _NOW,
            sa.func.coalesce(deliveries.c.claimed_until, _NOW) <= _NOW,
            is_first_of_item,
        )
        .order_by(deliveries.c.due_at)
        .limit(1)
        .lateral("of_endpoint")
    )
    works = (endpoints.c.enabled, endpoints.c.stopped_at.is_(None), endpoints.c.failing_since.is_(None))
    is_there = endpoints.c.deleted_at.is_(None)
    return (
        sa.select(sa.func.min(of_endpoint.c.due_at))
        .select_from(endpoints.join(of_endpoint, sa.true()))
        .where(*works, is_there)
    )


_OLDEST = {
    Work.URGENT_EVENTS: _oldest_event(inbox_queries.URGENT),
    Work.EVENTS: _oldest_event(~inbox_queries.URGENT),
    Work.SYNCS: _oldest_sync(),
    Work.NOTIFICATIONS: _oldest_delivery(),
}


def given_up(conn: Connection, *, since: datetime) -> dict[Work, int]:
    """Return how many events and notifications became dead letters since *since*, roughly for notifications."""
    # They are tried for three days. When one was given up is not stored.
    written = since - timedelta(days=3, hours=3)
    return {
        Work.EVENTS: _count(conn, inbox.c.state == sa.literal_column("'dead'", sa.Text), inbox.c.handled_at >= since),
        Work.NOTIFICATIONS: _count(
            conn, deliveries.c.state == sa.literal_column("'dead'", sa.Text), deliveries.c.created_at >= written
        ),
    }


def _count(conn: Connection, *where: sa.ColumnElement[bool]) -> int:
    number: int = conn.execute(sa.select(sa.func.count()).where(*where)).scalar_one()
    return number


def stopped_endpoints(conn: Connection) -> list[Stopped]:
    """Return the endpoints that are stopped, and how much waits for each."""
    waiting = sa.select(sa.func.count()).where(deliveries.c.endpoint_id == endpoints.c.id, _PENDING).scalar_subquery()
    rows = conn.execute(
        sa.select(endpoints.c.id, endpoints.c.stop_reason, endpoints.c.stopped_at, waiting.label("waiting"))
        .where(endpoints.c.stopped_at.is_not(None), endpoints.c.deleted_at.is_(None), endpoints.c.enabled)
        .order_by(endpoints.c.id)
    )
    return [
        Stopped(endpoint_id=row.id, reason=row.stop_reason or "stopped", at=row.stopped_at, waiting=row.waiting)
        for row in rows
    ]


def items_overdue(conn: Connection, *, before: datetime) -> tuple[int, int]:
    """
    Return how many good Items were to be updated before *before* and were not, and how many Items there are.

    One that was replaced is updated no more.
    """
    kept = (items.c.deleted_at.is_(None), items.c.replaced_by.is_(None))
    overdue = _count(conn, items.c.next_auto_sync_at < before, *kept, items.c.status == UPDATED)
    total = conn.scalar(sa.select(sa.func.sum(item_counts.c.number)))
    return overdue, int(total or 0)


def drifting(conn: Connection, *, since: datetime) -> list[OfBank]:
    """Return, for each bank, of how many accounts collected since *since* the balance moved beyond its rows."""
    drifts = sa.func.count().filter(sa.func.coalesce(balances.c.drift, 0) != 0).label("number")
    return _of_banks(
        conn,
        sa.select(items.c.connector_id, drifts, sa.func.count().label("total"))
        .select_from(balances.join(items, items.c.id == balances.c.item_id))
        .where(balances.c.collected_at >= since)
        .group_by(items.c.connector_id),
    )


def quota_used_up(conn: Connection) -> list[OfBank]:
    """Return, for each bank, of how many Items the month's requests are used up."""
    number = sa.func.count()
    return _of_banks(
        conn,
        sa.select(items.c.connector_id, number.label("number"), number.label("total"))
        .where(sa.text(f"deleted_at IS NULL AND {QUOTA_USED_UP}"))
        .group_by(items.c.connector_id),
    )


def _of_banks(conn: Connection, found: sa.Select[tuple[int, int, int]]) -> list[OfBank]:
    of_bank = found.subquery("of_bank")
    rows = conn.execute(
        sa.select(of_bank, connectors.c.name)
        .select_from(of_bank.outerjoin(connectors, connectors.c.id == of_bank.c.connector_id))
        .where(of_bank.c.connector_id.is_not(None), of_bank.c.number > 0)
        .order_by(of_bank.c.connector_id)
    )
    return [OfBank(**row._mapping) for row in rows]


def count_events(conn: Connection, *, now: datetime) -> None:
    """
    Count the events of Pluggy's that came since the last call, each once, by the time at which they came.

    Counts older than the days that are compared are removed.
    """
    # Whoever counts at the same time waits here, and then finds less.
    conn.execute(insert(counters).values(name=COUNTED_THROUGH, value=0).on_conflict_do_nothing())
    of_counter = counters.c.name == COUNTED_THROUGH
    through: int = conn.execute(sa.select(counters.c.value).where(of_counter).with_for_update()).scalar_one()
    newest = inbox_queries.newest_id(conn)
    if not through:
        # The first time: no more than the days that are compared.
        oldest = sa.select(sa.func.min(inbox.c.id)).where(inbox.c.received_at >= now - DAYS_COMPARED * _DAY)
        through = (conn.scalar(oldest) or newest + 1) - 1
    began_at = sa.func.date_bin(BUCKET, inbox.c.received_at, _EPOCH)
    counted = (
        sa.select(began_at, sa.func.count())
        .where(inbox.c.id > through, inbox.c.id <= newest, _OF_PLUGGY)
        .group_by(began_at)
    )
    new = insert(event_counts).from_select(["began_at", "number"], counted)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[event_counts.c.began_at], set_={"number": event_counts.c.number + new.excluded.number}
        )
    )
    conn.execute(sa.update(counters).where(of_counter).values(value=newest))
    conn.execute(sa.delete(event_counts).where(event_counts.c.began_at < now - (DAYS_COMPARED + 1) * _DAY))


def last_delivery(conn: Connection) -> datetime | None:
    """Return when the newest delivery of Pluggy's came that is stored, and so was taken; None: there is none."""
    moment: datetime | None = conn.scalar(
        sa.select(inbox.c.received_at).where(_OF_PLUGGY).order_by(inbox.c.id.desc()).limit(1)
    )
    return moment


def last_event(conn: Connection) -> datetime | None:
    """Return when the last counted events of Pluggy's came, to ten minutes: the end of their count; None: none did."""
    began_at = conn.scalar(sa.select(sa.func.max(event_counts.c.began_at)).where(event_counts.c.number > 0))
    return None if began_at is None else began_at + BUCKET


def events_on_days_before(conn: Connection, since: datetime, now: datetime) -> Sequence[int]:
    """
    Return how many events came on each of the days before between the times of day of *since* and *now*.

    Days before the first event that is counted are left out.
    """
    first = conn.scalar(sa.select(sa.func.min(event_counts.c.began_at)))
    days = [days for days in range(1, DAYS_COMPARED + 1) if first is not None and first <= since - days * _DAY]
    number = sa.func.coalesce(sa.func.sum(event_counts.c.number), 0)
    return [
        int(
            conn.scalar(
                sa.select(number).where(
                    event_counts.c.began_at >= since - each * _DAY, event_counts.c.began_at < now - each * _DAY
                )
            )
            or 0
        )
        for each in days
    ]


def data_folder(conn: Connection) -> str | None:
    """
    Return the folder of Postgres's data; None: this role may not know it.

    It is one of this machine only if Postgres runs here too.
    """
    folder: str | None = conn.scalar(
        sa.text(
            "SELECT setting FROM pg_settings WHERE name = 'data_directory' AND "
            "(inet_server_addr() IS NULL OR host(inet_server_addr()) IN ('127.0.0.1', '::1'))"
        )
    )
    return folder
