"""
How the whole service stands, on one screen, for the console. Callers own the transaction.

Every query reads a small index or a count that is kept, as for the metrics: it costs the same whatever the history.

Tests: `store/test_overview.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from pluggy_sync import queue
from pluggy_sync.rules.alerts import PLUGGYS, Code, Work
from pluggy_sync.store import alerts, freshness_counts, incomplete_parts, metrics, observations, schedule
from pluggy_sync.store.alerts import Alert

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """
    Numbers of what waits, failed or is open. `overdue`: since when the oldest should have been done; None: all was.

    `items` is by status of Pluggy, `unseen` for those never fetched. `runs` are those begun in the last hour. All is
    counted now but `items` and `freshness`.
    """

    alerts: Sequence[Alert]
    # When the watchdog last looked at what is ours, and at Pluggy; None: never.
    watched_at: datetime | None
    watched_pluggy_at: datetime | None
    # What was rescheduled does not count.
    overdue: Mapping[Work, datetime | None]
    # When beat's work was done last; None: never.
    last_sweep_at: datetime | None
    events_waiting: int
    events_dead: int
    syncs_due: int
    runs: Mapping[str, int]
    notifications_waiting: int
    notifications_dead: int
    endpoints_failing: int
    endpoints_stopped: int
    open_actions: Mapping[str, int]
    # As counted at `items_counted_at`; None: never, or there was no Item.
    items: Mapping[str, int]
    items_counted_at: datetime | None
    # By freshness, as counted at `freshness_counted_at`; None: never, or there was no Item.
    freshness: Mapping[str, int]
    freshness_counted_at: datetime | None
    items_overdue: int
    items_stale: int
    incomplete_parts: int

    def looked_at(self, code: Code) -> datetime | None:
        """Return when the watchdog last looked for trouble of *code*; None: never."""
        return self.watched_pluggy_at if code in PLUGGYS else self.watched_at


def read(conn: Connection, *, now: datetime) -> Overview:
    """Return how the service stands at *now*."""
    metrics.prefer_indexes(conn)
    events = dict(metrics.events(conn))
    notifications = dict(metrics.notifications(conn))
    endpoints = dict(metrics.endpoints_in_trouble(conn))
    return Overview(
        alerts=alerts.open_(conn),
        watched_at=schedule.last_done(conn, queue.WATCH),
        watched_pluggy_at=schedule.last_done(conn, queue.WATCH_PLUGGY),
        overdue=observations.overdue_since(conn, now),
        last_sweep_at=schedule.last_done(conn, queue.SWEEP),
        events_waiting=events["stored"],
        events_dead=events["dead"],
        syncs_due=metrics.syncs_due(conn),
        runs=dict(metrics.runs_since(conn, now - _HOUR)),
        notifications_waiting=notifications["pending"],
        notifications_dead=notifications["dead"],
        endpoints_failing=endpoints["failing"],
        endpoints_stopped=endpoints["stopped"],
        open_actions=dict(metrics.open_actions(conn)),
        items=dict(metrics.items_by_status(conn)),
        items_counted_at=metrics.items_counted_at(conn),
        freshness=_freshness(conn),
        freshness_counted_at=freshness_counts.last_counted(conn),
        items_overdue=metrics.items_overdue(conn, now),
        items_stale=metrics.items_stale(conn),
        incomplete_parts=sum(number for _, number in incomplete_parts.counts(conn)),
    )


def _freshness(conn: Connection) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for _, state, number in freshness_counts.counted(conn):
        found[state] += number
    return dict(sorted(found.items()))
