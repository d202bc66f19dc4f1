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

from pluggy_sync import queue, rejections, spill, tallies, worker_signs
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.resources import Resources
from pluggy_sync.rules import freshness_objective
from pluggy_sync.store import (
    alerts,
    freshness_counts,
    incomplete_parts,
    observations,
    pruning,
    schedule,
    unreadable_rows,
)
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
            settings = self._res.settings
            return [
                *_of_database(conn, now),
                *_of_reconciliation(conn, now, settings.reconcile_every_days),
                *_of_freshness(conn, now, settings.freshness_objective_percent),
                *_of_pruning(conn, now),
                *_of_schedule(conn, now),
            ]

    def _of_redis(self) -> list[Metric]:
        left = GaugeMetricFamily(
            "pluggy_sync_budget_left", "Requests that may still be made in this minute.", labels=["endpoint"]
        )
        for endpoint, requests in self._res.pluggy.budget.left(ENDPOINTS).items():
            left.add_metric([endpoint], requests)
        rejected = self._res.redis.get(rejections.TOTAL)
        value = int(rejected) if isinstance(rejected, bytes | str) else 0
        ahead = _one("clock_ahead_seconds", "How far our clock is ahead of Pluggy's.", self._res.pluggy_clock.ahead_s)
        rejected_total = CounterMetricFamily("pluggy_sync_rejected_deliveries", "Deliveries answered 401.", value)
        counted = tallies.metrics(self._res.tallies.read(), "pluggy_sync_")
        return [left, ahead, rejected_total, *counted, *self._of_workers()]

    def _of_workers(self) -> Iterator[Metric]:
        lengths = [(name, queue.length(self._res.redis, name)) for name in sorted(set(queue.QUEUE_OF_TASK.values()))]
        yield _gauge("queue_messages", "Messages that wait in Redis, by queue.", "queue", lengths)
        serving = worker_signs.serving(self._res.redis, self._res.now())
        yield _gauge("workers", "Workers that live, by the queue that they serve.", "queue", list(serving.items()))


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


def _of_freshness(conn: Connection, now: datetime, objective_percent: float) -> Iterator[Metric]:
    by_bank = GaugeMetricFamily(
        "pluggy_sync_items_by_freshness",
        "Items that are not deleted, counted every five minutes; connector -1: not seen yet.",
        labels=["connector", "freshness"],
    )
    for connector_id, state, number in freshness_counts.counted(conn):
        by_bank.add_metric([str(connector_id), state], number)
    yield by_bank
    labels = ["connector", "product"]
    ratio = GaugeMetricFamily(
        "pluggy_sync_freshness_ratio", "Share of the Items that were as fresh as promised, over 30 days.", labels=labels
    )
    left = GaugeMetricFamily(
        "pluggy_sync_freshness_budget_left_ratio",
        "What is left of the error budget of 30 days: 1 all, 0 none, below: the objective is missed.",
        labels=labels,
    )
    since = (now - freshness_objective.OVER).date()
    for (connector_id, product), share in freshness_counts.since(conn, since).items():
        if share.ratio is not None:
            ratio.add_metric([str(connector_id), product], share.ratio)
        budget = freshness_objective.budget_left(share, objective_percent)
        if budget is not None:
            left.add_metric([str(connector_id), product], budget)
    yield ratio
    yield left
    counted_at = freshness_counts.last_counted(conn)
    yield _one(
        "freshness_count_age_seconds", "How long ago the Items were counted by freshness.", _age(counted_at, now)
    )


def _of_schedule(conn: Connection, now: datetime) -> Iterator[Metric]:
    overdue = GaugeMetricFamily(
        "pluggy_sync_work_overdue_seconds",
        "How long the oldest work should have been done; what was rescheduled does not count before its time.",
        labels=["work"],
    )
    for work, since in observations.overdue_since(conn, now).items():
        overdue.add_metric([work.value.replace(" ", "_")], _age(since, now))
    yield overdue
    age = GaugeMetricFamily(
        "pluggy_sync_schedule_age_seconds", "How long ago what beat sends was last done.", labels=["task"]
    )
    for task, done_at in schedule.all_(conn).items():
        age.add_metric([task], _age(done_at, now))
    yield age


def _of_pruning(conn: Connection, now: datetime) -> Iterator[Metric]:
    removed = CounterMetricFamily("pluggy_sync_pruned_rows", "Rows that were removed by age.", labels=["tier"])
    age = GaugeMetricFamily(
        "pluggy_sync_pruning_age_seconds", "How long ago all rows of a tier were last visited.", labels=["tier"]
    )
    for each in pruning.passes(conn):
        removed.add_metric([each.tier.value], each.removed)
        age.add_metric([each.tier.value], _age(each.finished_at or each.began_at, now))
    yield removed
    yield age


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _one(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pluggy_sync_{name}", help_, value)


def _gauge(name: str, help_: str, label: str, values: Sequence[tuple[Any, int]]) -> Metric:
    family = GaugeMetricFamily(f"pluggy_sync_{name}", help_, labels=[label])
    for value, count in values:
        family.add_metric([str(value)], count)
    return family
