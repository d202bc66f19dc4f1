"""
Metrics, read from Postgres and Redis when Prometheus asks.

No process counts anything: web processes and workers come and go, and Postgres has what matters. Any web process gives
the same answer, and a restart resets nothing. Only rejected deliveries leave no row. They are counted in Redis, where
all web processes share one number. It starts at 0 again when Redis is emptied, as a counter may.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync import rejections, spill
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.resources import Resources
from pluggy_sync.store import alerts, incomplete_parts, unreadable_rows
from pluggy_sync.store import metrics as counts

log = structlog.get_logger(__name__)

# Scraping must not delay work.
STATEMENT_TIMEOUT_MS = 3000
# Those that syncs live on, and the scarce one.
ENDPOINTS = ("GET /items/{id}", "GET /accounts", "GET /v2/transactions", "GET /bills", rate_budget.PATCH_ITEM)
_HOUR = timedelta(hours=1)


class ServiceCollector(Collector):
    """Yields every metric of the service. A source that does not answer is left out, and `pluggy_sync_up` says so."""

    def __init__(self, res: Resources) -> None:
        self._res = res

    def describe(self) -> Sequence[Metric]:
        """Return nothing: asking for the names must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as of now."""
        up = GaugeMetricFamily("pluggy_sync_up", "Whether a source of these metrics answers.", labels=["source"])
        for source, read in (("postgres", self._of_postgres), ("redis", self._of_redis)):
            found = _answered(read)
            up.add_metric([source], 0 if found is None else 1)
            yield from found or []
        yield up
        yield from self._of_spill()

    def _of_spill(self) -> list[Metric]:
        """Return what waits in the spill of the machine that answers; nothing if it has none."""
        folder = self._res.settings.spill_folder
        if folder is None:
            return []
        waiting = spill.waiting(Path(folder))
        age = _age(waiting.oldest, self._res.now())
        return [
            _one("spilled_events", "Events in the spill of this machine.", waiting.deliveries),
            _one("oldest_spilled_event_age_seconds", "Age of the oldest event in the spill of this machine.", age),
        ]

    def _of_postgres(self) -> list[Metric]:
        now = self._res.now()
        with self._res.database.begin() as conn:
            conn.execute(sa.text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"))
            counts.prefer_indexes(conn)
            return [*_of_database(conn, now), *_of_reconciliation(conn, now, self._res.settings.reconcile_every_days)]

    def _of_redis(self) -> list[Metric]:
        left = GaugeMetricFamily(
            "pluggy_sync_budget_left", "Requests that may still be made in this minute.", labels=["endpoint"]
        )
        for endpoint, requests in self._res.pluggy.budget.left(ENDPOINTS).items():
            left.add_metric([endpoint], requests)
        rejected = CounterMetricFamily("pluggy_sync_rejected_deliveries", "Deliveries answered 401.", labels=["reason"])
        for reason, number in rejections.totals(self._res.redis).items():
            rejected.add_metric([reason], number)
        ahead = _one("clock_ahead_seconds", "How far our clock is ahead of Pluggy's.", self._res.pluggy_clock.ahead_s)
        return [left, ahead, rejected]


def _answered(read: Callable[[], list[Metric]]) -> list[Metric] | None:
    try:
        return read()
    except (SQLAlchemyError, RedisError) as exc:
        log.warning("metrics.source_failed", error=type(exc).__name__)
        return None


def _of_database(conn: Connection, now: datetime) -> Iterator[Metric]:
    yield _gauge("events", "Events that wait, and dead letters.", "state", counts.events(conn))
    yield _one("oldest_event_age_seconds", "Age of the oldest event that waits.", _age(counts.oldest_event(conn), now))
    urgent = _age(counts.oldest_urgent_event(conn), now)
    yield _one("oldest_urgent_event_age_seconds", "Age of the oldest event that a person waits for.", urgent)
    yield _gauge("notifications", "Notifications that wait, and dead letters.", "state", counts.notifications(conn))
    oldest = counts.oldest_notification(conn)
    yield _one("oldest_notification_age_seconds", "Age of the oldest notification that waits.", _age(oldest, now))
    yield _gauge(
        "endpoints", "Endpoints of the product that fail, or were stopped.", "state", counts.endpoints_in_trouble(conn)
    )
    due = counts.syncs_due(conn)
    yield _one("syncs_due", "Items with something to sync.", due)
    oldest = counts.oldest_sync(conn)
    yield _one("oldest_sync_overdue_seconds", "How long the sync that waits longest is overdue.", _age(oldest, now))
    yield _gauge("runs_last_hour", "Syncs begun in the last hour.", "outcome", counts.runs_since(conn, now - _HOUR))
    yield _gauge("items", "Items that are not deleted, counted once a minute.", "status", counts.items_by_status(conn))
    yield _one("items_overdue", "Items past their next auto-sync.", counts.items_overdue(conn, now))
    yield _one(
        "items_stale", "Items that the product was told are stale, and that still are.", counts.items_stale(conn)
    )
    yield _gauge(
        "items_contradicted",
        "Items whose last answer of Pluggy contradicts an event; ITEM_NOT_FOUND: it answers 404.",
        "contradiction",
        counts.items_contradicted(conn),
    )
    yield _gauge("unreadable_rows", "Rows of Pluggy that cannot be read.", "what", unreadable_rows.counts(conn))
    yield _gauge("incomplete_parts", "Parts of Items that cannot be read.", "product", incomplete_parts.counts(conn))
    yield _gauge("alerts", "Alerts of the watchdog that are open.", "code", list(alerts.open_by_code(conn).items()))
    yield _gauge("open_actions", "Actions that wait for a person.", "kind", counts.open_actions(conn))
    repaired, found = counts.missed(conn)
    yield CounterMetricFamily("pluggy_sync_rows_repaired", "Rows repaired by reconciliation.", repaired)
    yield CounterMetricFamily("pluggy_sync_found_by_fetching", "Fetches of silent Items that found news.", found)
    # The old names, for one more version.
    yield _one("syncs_wanted", "Old name of pluggy_sync_syncs_due.", due)
    yield CounterMetricFamily("pluggy_sync_found_by_looking", "Old name of pluggy_sync_found_by_fetching.", found)


def _of_reconciliation(conn: Connection, now: datetime, every_days: int) -> Iterator[Metric]:
    yield _gauge(
        "items_unreconciled",
        "Good Items that were not reconciled for RECONCILE_EVERY_DAYS; failing: it was tried.",
        "why",
        counts.items_unreconciled(conn, before=now - timedelta(days=every_days)),
    )
    oldest = counts.oldest_reconciliation(conn)
    yield _one("oldest_reconciliation_age_seconds", "How long a good Item was not reconciled.", _age(oldest, now))


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _one(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pluggy_sync_{name}", help_, value)


def _gauge(name: str, help_: str, label: str, values: Sequence[tuple[Any, int]]) -> Metric:
    family = GaugeMetricFamily(f"pluggy_sync_{name}", help_, labels=[label])
    for value, count in values:
        family.add_metric([str(value)], count)
    return family
