"""
Counts and durations of what leaves no row in Postgres, kept in Redis, where all processes share them.

Who counts waits for nothing: a thread of the process adds its counts to Redis once a second. A process that is killed
takes at most that second with it, and everything begins at 0 again when Redis is emptied, as counters may. While Redis
is away they gather in the process: there are few of them, since no label is free text.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import redis
import structlog
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

FLUSH_EVERY_S = 1.0
# A label is a word of ours, a status or an endpoint. Anything else would be a new series, or say too much.
LONGEST_LABEL = 60
OTHER = "other"
# The lane of what a person waits for.
URGENT = "urgent"
_SEPARATOR = "|"
_SUM = "sum"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Something that is counted, by *labels*."""

    name: str
    help: str
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Timed(Counted):
    """Something that takes seconds; *buckets* are the upper bounds of its histogram."""

    buckets: tuple[float, ...]


_MOMENTS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
_MINUTE = 60.0
_HOUR = 3_600.0

DELIVERIES = Counted(
    name="deliveries", help="Webhooks of Pluggy, by what became of them.", labels=("outcome", "reason")
)
HANDLED_AFTER = Timed(
    name="event_handled_seconds", help="From the webhook to the handled event.", labels=("lane",), buckets=_MOMENTS
)
NOTIFIED_AFTER = Timed(
    name="notified_seconds",
    help="From the webhook to the product that took a notification of it.",
    labels=("lane",),
    buckets=_MOMENTS,
)
SYNC_TOOK = Timed(
    name="sync_seconds",
    help="How long sync runs took.",
    labels=("outcome",),
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900),
)
ROWS = Counted(name="rows", help="Transactions that sync runs changed here.", labels=("change",))
PLUGGY_REQUESTS = Counted(
    name="pluggy_requests", help="Requests to Pluggy, by status; none: no answer.", labels=("endpoint", "status")
)
PLUGGY_CHANGES = Counted(
    name="pluggy_changes", help="Signs that Pluggy's API changes (`radar.py`).", labels=("endpoint", "sign")
)
ATTEMPTS = Counted(name="attempts", help="Attempts to deliver a notification.", labels=("outcome",))
SETTLED_AFTER = Timed(
    name="action_settled_seconds",
    help="From the question to a person to its end.",
    labels=("kind", "state"),
    buckets=(
        30,
        _MINUTE,
        2 * _MINUTE,
        5 * _MINUTE,
        30 * _MINUTE,
        _HOUR,
        6 * _HOUR,
        24 * _HOUR,
        72 * _HOUR,
        168 * _HOUR,
    ),
)

ALL: tuple[Counted, ...] = (
    *(
        DELIVERIES,
        HANDLED_AFTER,
        NOTIFIED_AFTER,
        SYNC_TOOK,
        ROWS,
        PLUGGY_REQUESTS,
        PLUGGY_CHANGES,
        ATTEMPTS,
        SETTLED_AFTER,
    ),
)


class Tallies:
    """Counts for all threads of a process. Begins with its first count; `close` ends its thread."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        """*key*: of the hash in Redis. Connect to nothing yet."""
        self._redis = client
        self._key = key
        self._waiting: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, what: Counted, *labels: str, by: int = 1) -> None:
        """Count *what* with *labels*, *by* so many."""
        if by:
            with self._lock:
                self._waiting[_field(what, labels)] += by
                self._begin()

    def time(self, what: Timed, seconds: float, *labels: str) -> None:
        """Count that *what* took *seconds*."""
        bucket = sum(seconds > bound for bound in what.buckets)
        with self._lock:
            self._waiting[_field(what, labels, str(bucket))] += 1
            self._seconds[_field(what, labels, _SUM)] += max(0.0, seconds)  # type: ignore[assignment]  # it adds up floats as well
            self._begin()

    def flush(self) -> bool:
        """Add what was counted to Redis; return False if Redis does not answer, and keep it for the next time."""
        with self._lock:
            waiting, seconds = self._waiting, self._seconds
            self._waiting, self._seconds = Counter(), Counter()
        if not waiting:
            return True
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                for name, number in waiting.items():
                    pipeline.hincrby(self._key, name, number)
                for name, number in seconds.items():
                    pipeline.hincrbyfloat(self._key, name, number)
                pipeline.execute()
        except (RedisError, OSError) as exc:
            with self._lock:
                self._waiting.update(waiting)
                self._seconds.update(seconds)
            log.debug("tallies.wait", error=type(exc).__name__, next="they are added when Redis is back")
            return False
        return True

    def close(self) -> None:
        """Add what was counted, and end."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _begin(self) -> None:
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name="tallies", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_EVERY_S):
            self.flush()

    def read(self) -> Mapping[str, float]:
        """
        Return all counts of all processes by their fields, for `metrics`.

        Raises:
            RedisError: Redis does not answer.
        """
        found: Mapping[Any, Any] = self._redis.hgetall(self._key)
        return {name.decode(): float(value) for name, value in found.items()}


def _field(what: Counted, labels: Sequence[str], *more: str) -> str:
    if len(labels) != len(what.labels):
        raise ValueError(f"{what.name} has the labels {what.labels}")
    return _SEPARATOR.join([what.name, *map(_label, labels), *more])


def _label(text: str) -> str:
    return text if text.isprintable() and len(text) <= LONGEST_LABEL and _SEPARATOR not in text else OTHER


def metrics(found: Mapping[str, float], prefix: str) -> Iterator[Metric]:
    """Yield each of `ALL` as a metric whose name begins with *prefix*; one that was never counted has no series."""
    for what in ALL:
        of_it = {tuple(name.split(_SEPARATOR)[1:]): value for name, value in found.items() if _is_of(name, what)}
        if isinstance(what, Timed):
            yield _histogram(what, of_it, prefix)
            continue
        counter = CounterMetricFamily(prefix + what.name, what.help, labels=what.labels)
        for labels, value in sorted(of_it.items()):
            counter.add_metric(list(labels), value)
        yield counter


def _is_of(name: str, what: Counted) -> bool:
    more = 1 if isinstance(what, Timed) else 0
    parts = name.split(_SEPARATOR)
    return parts[0] == what.name and len(parts) == 1 + len(what.labels) + more


def _histogram(what: Timed, found: Mapping[tuple[str, ...], float], prefix: str) -> HistogramMetricFamily:
    family = HistogramMetricFamily(prefix + what.name, what.help, labels=what.labels)
    bounds = [*map(str, map(float, what.buckets)), "+Inf"]
    for labels in sorted({key[:-1] for key in found}):
        counts = [found.get((*labels, str(bucket)), 0.0) for bucket in range(len(bounds))]
        buckets = list(zip(bounds, accumulate(counts), strict=True))
        family.add_metric(list(labels), buckets, sum_value=found.get((*labels, _SUM), 0.0))
    return family


def of_endpoint(shape: str) -> str:
    """Return *shape*, a method and a path, without what is left of ids in it."""
    return "/".join(
        "{id}" if any(each.isdigit() for each in part) and part != "v2" else part for part in shape.split("/")
    )
