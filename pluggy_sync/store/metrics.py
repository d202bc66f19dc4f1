"""
Counts for the metrics. Every query reads a small index of what is open or failed, or a count that is kept.

Scraping costs the same whatever the history. A query that read all Items would one day take longer than a scrape waits.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.events import FETCH_REQUESTED
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.needs import Kind
from pluggy_sync.rules.statuses import RUNNING
from pluggy_sync.store import counters, item_notices, reconciliation
from pluggy_sync.store import inbox as inbox_queries
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.tables import (
    INSTANT,
    deliveries,
    endpoints,
    inbox,
    item_counts,
    item_progress,
    items,
    sync_runs,
    user_actions,
)

Counts = Sequence[tuple[str, int]]


def prefer_indexes(conn: Connection) -> None:
    """
    Have the transaction's queries use the index that each has.

    The planner expects a backlog where there is none, and would read a whole table.
    """
    conn.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL jit = off")


def events(conn: Connection) -> Counts:
    """Return how many events wait, and how many are dead letters."""
    return [(state, _count(conn, inbox.c.state == _said(state))) for state in ("stored", "dead")]


def notifications(conn: Connection) -> Counts:
    """Return how many deliveries wait, and how many are dead letters."""
    return [(state, _count(conn, deliveries.c.state == _said(state))) for state in ("pending", "dead")]


def items_unreconciled(conn: Connection, *, before: datetime) -> Counts:
    """Return how many good Items were not reconciled since *before*: they wait for their turn, or fail."""
    return list(reconciliation.overdue(conn, before=before).items())


def oldest_reconciliation(conn: Connection) -> datetime | None:
    """Return when the Item was reconciled, or first seen, that has gone without it for longest."""
    return reconciliation.oldest(conn)


def endpoints_in_trouble(conn: Connection) -> Counts:
    """Return how many endpoints of the product fail, and how many were stopped."""
    is_there = endpoints.c.deleted_at.is_(None)
    is_stopped = endpoints.c.stopped_at.is_not(None)
    return [
        ("failing", _count(conn, is_there, ~is_stopped, endpoints.c.failing_since.is_not(None))),
        ("stopped", _count(conn, is_there, is_stopped)),
    ]


def _said(state: str) -> sa.ColumnElement[str]:
    """Return *state* as part of the statement: for a parameter Postgres would not use the partial index."""
    return sa.literal_column(f"'{state}'", sa.Text)


def _count(conn: Connection, *where: sa.ColumnElement[bool]) -> int:
    count: int = conn.execute(sa.select(sa.func.count()).where(*where)).scalar_one()
    return count


def _grouped(conn: Connection, column: sa.ColumnElement[str], *where: sa.ColumnElement[bool]) -> dict[str, int]:
    named = column.label("name")
    rows = conn.execute(sa.select(named, sa.func.count().label("number")).where(*where).group_by(named))
    return {row.name: row.number for row in rows}


def oldest_urgent_event(conn: Connection) -> datetime | None:
    """Return when the oldest event of Pluggy's came in that waits and that a person waits for, or None."""
    oldest: datetime | None = conn.scalar(
        sa.select(sa.func.min(inbox.c.received_at)).where(
            # Requests of our own may have to wait for the end of an execution.
            inbox.c.state == _said("stored"),
            inbox_queries.URGENT,
            inbox.c.name != FETCH_REQUESTED,
        )
    )
    return oldest


def oldest_event(conn: Connection) -> datetime | None:
    """Return when the oldest event that waits came in, or None."""
    oldest: datetime | None = conn.scalar(
        sa.select(sa.func.min(inbox.c.received_at)).where(inbox.c.state == _said("stored"))
    )
    return oldest


def oldest_notification(conn: Connection) -> datetime | None:
    """Return when the oldest notification was written that waits for an endpoint that is not stopped, or None."""
    # For each endpoint by itself: a million that wait for a stopped one cost nothing.
    of_endpoint = (
        sa.select(deliveries.c.created_at)
        .where(deliveries.c.endpoint_id == endpoints.c.id, deliveries.c.state == _said("pending"))
        .order_by(deliveries.c.created_at)
        .limit(1)
        .lateral("of_endpoint")
    )
    oldest: datetime | None = conn.scalar(
        sa.select(sa.func.min(of_endpoint.c.created_at))
        .select_from(endpoints.join(of_endpoint, sa.true()))
        .where(endpoints.c.enabled, endpoints.c.stopped_at.is_(None))
    )
    return oldest


def syncs_due(conn: Connection) -> int:
    """Return how many Items have something to sync."""
    return _count(conn, SYNC_PENDING)


def oldest_sync(conn: Connection) -> datetime | None:
    """Return since when the sync that waits longest is due, or None."""
    oldest: datetime | None = conn.scalar(sa.select(sa.func.min(item_progress.c.due_at)).where(SYNC_PENDING))
    return oldest


def runs_since(conn: Connection, moment: datetime) -> Counts:
    """Return how many runs began since *moment*, by outcome."""
    found = _grouped(conn, sync_runs.c.outcome, sync_runs.c.started_at >= moment)
    return [(outcome, found.get(outcome, 0)) for outcome in ("done", "failed", "rescheduled", "abandoned", "running")]


def items_by_status(conn: Connection) -> Counts:
    """Return how many Items are in each status as last counted; those never seen count as `unseen`."""
    rows = conn.execute(sa.select(item_counts.c.status, item_counts.c.number).order_by(item_counts.c.status))
    return [(status, number) for status, number in rows]


_COUNTED_AT = sa.select(sa.func.max(item_counts.c.counted_at))


def items_counted_at(conn: Connection) -> datetime | None:
    """Return when the Items were last counted by status; None: never, or there was none."""
    moment: datetime | None = conn.scalar(_COUNTED_AT)
    return moment


def _count_items() -> sa.Insert:
    status = sa.func.coalesce(items.c.status, "unseen").label("status")
    found = (
        sa.select(status, sa.func.count(), sa.bindparam("now", type_=INSTANT))
        .where(items.c.deleted_at.is_(None))
        .group_by(status)
        .order_by(status)
    )
    new = insert(item_counts).from_select(["status", "number", "counted_at"], found)
    changed = {"number": new.excluded.number, "counted_at": new.excluded.counted_at}
    return new.on_conflict_do_update(index_elements=[item_counts.c.status], set_=changed)


_COUNT_ITEMS = _count_items()
_REMOVE_OLDER_COUNTS = sa.delete(item_counts).where(item_counts.c.counted_at < sa.bindparam("now", type_=INSTANT))


def count_items(conn: Connection, *, now: datetime, unless_since: datetime) -> None:
    """Count the Items by status, unless that was done at *unless_since* or later. It reads all of them."""
    counted_at = items_counted_at(conn)
    if counted_at is not None and counted_at >= unless_since:
        return
    conn.execute(_COUNT_ITEMS, {"now": now})
    conn.execute(_REMOVE_OLDER_COUNTS, {"now": now})


def items_overdue(conn: Connection, now: datetime) -> int:
    """Return how many Items wait for an auto-sync that should have begun, and are not running; none was replaced."""
    return _count(
        conn,
        items.c.next_auto_sync_at < now,
        items.c.deleted_at.is_(None),
        items.c.replaced_by.is_(None),
        items.c.status.not_in(RUNNING),
    )


def items_stale(conn: Connection) -> int:
    """Return how many Items the product was told are stale and were not updated since."""
    return _count(
        conn,
        items.c.stale_told_of.is_not(None),
        items.c.stale_told_of == item_notices.told_of(),
        items.c.deleted_at.is_(None),
    )


def items_contradicted(conn: Connection) -> Counts:
    """Return of how many Items Pluggy's last answer contradicts an event, by how it does."""
    found = _grouped(conn, item_progress.c.contradiction, item_progress.c.contradiction.is_not(None))
    return [(contradiction, found.get(contradiction, 0)) for contradiction in Contradiction]


def open_actions(conn: Connection) -> Counts:
    """Return how many actions wait for a person, by kind."""
    found = _grouped(conn, user_actions.c.kind, user_actions.c.state == OPEN)
    return [(kind, found.get(kind, 0)) for kind in Kind]


def missed(conn: Connection) -> tuple[int, int]:
    """Return how many rows reconciliation repaired, and how many fetches of silent Items found news."""
    return counters.value(conn, counters.ROWS_REPAIRED), counters.value(conn, counters.FOUND_BY_FETCHING)
