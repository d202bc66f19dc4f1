"""
The names of tasks and queues, and how a task is sent. It is sent by its name: a sender imports no worker.

Sending fails fast and may fail: Postgres has what must be done, and the sweep sends it again.
"""

import base64
import re
import threading
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import redis
import structlog
from redis.exceptions import RedisError

from pluggy_sync import events
from pluggy_sync.breaker import Breaker
from pluggy_sync.redis_options import redis_options

if TYPE_CHECKING:
    import celery

HANDLE_EVENT = "handle_event"
# The same, for what a person waits for.
HANDLE_URGENT_EVENT = "handle_urgent_event"
SYNC_ITEM = "sync_item"
DELIVER = "deliver"
DELIVER_URGENT = "deliver_urgent"
SWEEP = "sweep"
REMIND = "remind"
RECONCILE = "reconcile"
# The same, whenever it was done last: an operator wants it.
RECONCILE_NOW = "reconcile_now"
FIND_MISSED = "find_missed"
FIND_PREDECESSORS = "find_predecessors"
READ_STATUS_PAGE = "read_status_page"
WATCH = "watch"
WATCH_PLUGGY = "watch_pluggy"
PRUNE = "prune"
ERASE = "erase"
COUNT_FRESHNESS = "count_freshness"

EVENTS = "events"
# Has workers that nothing else can fill, whatever waits elsewhere.
URGENT = "urgent"
SYNCS = "syncs"
NOTIFICATIONS = "notifications"
# Taken in turn with the other notifications, so that it does not wait behind them.
URGENT_NOTIFICATIONS = "urgent_notifications"
RECONCILIATIONS = "reconciliations"
# What beat sends. Nothing else is in this queue: what is due is found, however much waits elsewhere.
SCHEDULE = "schedule"

QUEUE_OF_TASK = {
    HANDLE_EVENT: EVENTS,
    HANDLE_URGENT_EVENT: URGENT,
    SYNC_ITEM: SYNCS,
    DELIVER: NOTIFICATIONS,
    DELIVER_URGENT: URGENT_NOTIFICATIONS,
    RECONCILE: RECONCILIATIONS,
    ERASE: EVENTS,
    RECONCILE_NOW: RECONCILIATIONS,
    FIND_PREDECESSORS: SYNCS,
    SWEEP: SCHEDULE,
    REMIND: SCHEDULE,
    READ_STATUS_PAGE: SCHEDULE,
    FIND_MISSED: SCHEDULE,
    WATCH: SCHEDULE,
    WATCH_PLUGGY: SCHEDULE,
    PRUNE: SCHEDULE,
    COUNT_FRESHNESS: SCHEDULE,
}

# A worker that is killed leaves its message unacknowledged; Redis gives it to another one after this long.
# The sweep usually comes first; this is the second net. It must exceed the hard time limit of a task.
VISIBILITY_TIMEOUT_S = 3600

# Messages of one round trip to Redis.
AT_ONCE = 1000
# Messages that wait for a Redis that is slow. What is more is left to the sweep.
MOST_WAITING = 10_000

log = structlog.get_logger(__name__)


def task_of_event(event_name: str) -> str:
    """Return the task that handles an event of this name."""
    return HANDLE_URGENT_EVENT if event_name in events.URGENT else HANDLE_EVENT


def celery_app(redis_url: str) -> "celery.Celery":
    """
    Return the Celery app that the workers' app is made from.

    Raises:
        ValueError: *redis_url* cannot be used (`redis_options`).
    """
    import celery  # noqa: PLC0415 - half a second that those who only send tasks do without

    options = redis_options(redis_url)
    app = celery.Celery("pluggy_sync", broker=options.url)
    app.conf.update(
        # Without options of its own, Celery verifies nothing behind rediss://.
        broker_use_ssl=dict(options.tls) or None,
        task_routes={task: {"queue": queue} for task, queue in QUEUE_OF_TASK.items()},
        task_ignore_result=True,
        task_publish_retry=False,
        # With Redis down, publishing blocked for 6 s, and past 20 s with Redis silent, before these.
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "max_retries": 0,
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
        },
        broker_connection_timeout=1,
    )
    return app


def length(client: redis.Redis, queue: str) -> int:
    """
    Return how many messages wait in *queue*.

    Raises:
        RedisError: Redis does not answer.
    """
    return client.llen(queue)


# Where kombu keeps messages that a worker has taken and not acknowledged.
_TAKEN, _TAKEN_INDEX = "unacked", "unacked_index"


def forget(client: redis.Redis, ids: Collection[str]) -> int:
    """
    Remove the keys whose names hold one of *ids*, and the messages that carry one; return how many.

    Raises:
        RedisError: Redis does not answer; some may be removed.
    """
    words = [each.encode() for each in ids]
    if not words:
        return 0
    named = [key for key in client.scan_iter(count=AT_ONCE) if any(word in key for word in words)]
    removed: int = client.delete(*named) if named else 0
    for name in sorted(set(QUEUE_OF_TASK.values())):
        for message in _found(client, name, words):
            removed += client.lrem(name, 0, message)  # type: ignore[arg-type]  # it takes bytes as well
    for tag, message in client.hscan_iter(_TAKEN, count=AT_ONCE):
        if _carries(message, words):
            removed += client.hdel(_TAKEN, tag)
            client.zrem(_TAKEN_INDEX, tag)
    return removed


def _found(client: redis.Redis, name: str, words: Sequence[bytes]) -> set[bytes | str]:
    """
    Return the messages of the queue that carry one of *words*.

    They are read from the front, where others are added meanwhile: that shows some twice, and passes none over. Nothing
    is removed before all are read.
    """
    found: set[bytes | str] = set()
    first = 0
    while page := client.lrange(name, first, first + AT_ONCE - 1):
        found |= {each for each in page if _carries(each, words)}
        first += AT_ONCE
    return found


def _carries(message: bytes | str, words: Sequence[bytes]) -> bool:
    """Return whether the body of *message*, in base64, or anything else of it, holds one of *words*."""
    whole = message.encode() if isinstance(message, str) else message
    bodies = [base64.b64decode(each) for each in _BODY.findall(whole)]
    return any(word in text for text in (whole, *bodies) for word in words)


_BODY = re.compile(rb'"body":\s*"([A-Za-z0-9+/=]*)"')


class Message(NamedTuple):
    """
    A task to be done soon, with the one id that it is about, or none.

    *traceparent*: the trace that goes on in it (`tracing.present`); None while nothing is traced.
    """

    task: str
    argument: str | None = None
    traceparent: str | None = None

    @property
    def queue(self) -> str:
        """Where it waits."""
        return QUEUE_OF_TASK[self.task]


def encoded(message: Message) -> bytes:
    """
    Return *message* as Celery and kombu write it to Redis.

    Asking Celery for it takes 28 % of the processor time of a webhook. A worker takes from a message what is set here
    (`workers/transport.py`), and a test holds it against what Celery sends.
    """
    args = [] if message.argument is None else [message.argument]
    id_ = str(uuid.uuid4())
    trace = {} if message.traceparent is None else {"traceparent": message.traceparent}
    body = base64.b64encode(_encoder.encode([args, {}, _EMBED])).decode()
    return _encoder.encode(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": message.task, "id": id_, "root_id": id_, **trace},
            "properties": {
                "correlation_id": id_,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": message.queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )


_encoder = msgspec.json.Encoder()
_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class Sender:
    """Sends tasks to Redis. For all threads of a process."""

    def __init__(self, redis_url: str) -> None:
        """
        Connect to nothing yet.

        Raises:
            ValueError: *redis_url* cannot be used (`redis_options`).
        """
        self._redis = redis_options(redis_url).client(connect_timeout_s=1, timeout_s=1)

    def send(self, messages: Sequence[Message]) -> bool:
        """
        Queue *messages* in their order, in as few round trips as possible.

        Returns False when Redis did not take all of them, which costs time but loses nothing.
        """
        try:
            for first in range(0, len(messages), AT_ONCE):
                self._push(messages[first : first + AT_ONCE])
        except (RedisError, OSError) as exc:
            # A Redis that is away, and one that is full or may not write.
            log.warning(
                "queue.unreachable",
                tasks=sorted({each.task for each in messages}),
                count=len(messages),
                error=type(exc).__name__,
                next="the sweep queues it when it is due",
            )
            return False
        return True

    def _push(self, messages: Sequence[Message]) -> None:
        by_queue = [(name, [encoded(each) for each in some]) for name, some in groupby(messages, _queue_of)]
        if len(by_queue) == 1:
            ((name, texts),) = by_queue
            self._redis.lpush(name, *texts)
            return
        with self._redis.pipeline(transaction=False) as pipeline:
            for name, texts in by_queue:
                pipeline.lpush(name, *texts)
            pipeline.execute()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _queue_of(message: Message) -> str:
    return message.queue


class Publisher:
    """
    Sends from a thread of its own, for whoever must not wait for Redis. It sends what has come in meanwhile together.
    """

    def __init__(self, sender: Sender, breaker: Breaker) -> None:
        self._sender = sender
        self._breaker = breaker
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._thread: threading.Thread | None = None
        self._sending = self._closed = False

    def publish(self, messages: Iterable[Message]) -> None:
        """Have *messages* sent, and return at once. What Redis does not take, the sweep sends later."""
        with self._changed:
            if self._closed:
                return
            for each in messages:
                if len(self._waiting) >= MOST_WAITING:
                    log.warning("queue.full", task=each.task, next="the sweep queues it when it is due")
                    break
                self._waiting.append(each)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, *, within_s: float) -> bool:
        """Wait until everything is sent or given up; return False if that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._sending, within_s)

    def close(self) -> None:
        """Send what waits, as far as Redis takes it, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while messages := self._next():
            try:
                self._breaker.call(partial(self._send, messages))
            except Exception as exc:
                log.exception("queue.failed", exc_info=exc, next="the sweep queues it when it is due")

    def _send(self, messages: Sequence[Message]) -> bool | None:
        return self._sender.send(messages) or None

    def _next(self) -> list[Message]:
        """Return what waits; nothing at the end."""
        with self._changed:
            self._sending = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
            self._sending = bool(taken)
            return taken
