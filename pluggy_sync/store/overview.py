"""
How the whole service stands, on one screen: for the console and `pluggy-sync status`. Callers own the transaction.

Every query reads a small index or a count that is kept, as for the metrics: it costs the same whatever the history.

Tests: `store/test_overview.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from pluggy_sync.store import incomplete_parts, metrics

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """
    Numbers of what waits, failed or is open, and since when the oldest of it waits; None: nothing does.

    `items` is by status of Pluggy, `unseen` for those never fetched. `runs` are those begun in the last hour.
    """

    events_waiting: int
    events_dead: int
    oldest_event: datetime | None
    # That a person waits for.
    oldest_urgent_event: datetime | None
    syncs_due: int
    oldest_sync: datetime | None
    runs: Mapping[str, int]
    notifications_waiting: int
    notifications_dead: int
    oldest_notification: datetime | None
    endpoints_failing: int
    endpoints_stopped: int
    open_actions: Mapping[str, int]
    items: Mapping[str, int]
    items_overdue: int
    items_stale: int
    incomplete_parts: int


def read(conn: Connection, *, now: datetime) -> Overview:
    """Return how the service stands at *now*."""
    metrics.prefer_indexes(conn)
    events = dict(metrics.events(conn))
    notifications = dict(metrics.notifications(conn))
    endpoints = dict(metrics.endpoints_in_trouble(conn))
    return Overview(
        events_waiting=events["stored"],
        events_dead=events["dead"],
        oldest_event=metrics.oldest_event(conn),
        oldest_urgent_event=metrics.oldest_urgent_event(conn),
        syncs_due=metrics.syncs_due(conn),
        oldest_sync=metrics.oldest_sync(conn),
        runs=dict(metrics.runs_since(conn, now - _HOUR)),
        notifications_waiting=notifications["pending"],
        notifications_dead=notifications["dead"],
        oldest_notification=metrics.oldest_notification(conn),
        endpoints_failing=endpoints["failing"],
        endpoints_stopped=endpoints["stopped"],
        open_actions=dict(metrics.open_actions(conn)),
        items=dict(metrics.items_by_status(conn)),
        items_overdue=metrics.items_overdue(conn, now),
        items_stale=metrics.items_stale(conn),
        incomplete_parts=sum(number for _, number in incomplete_parts.counts(conn)),
    )
