"""
The names of tasks and queues, and how a task is sent. A task is sent by name, so a sender imports no worker.

Sending fails fast and is allowed to fail: what must be done stands in Postgres, and the sweep sends it again.
"""

import celery
import redis
import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from pluggy_sync import events
from pluggy_sync.redis_options import redis_options

HANDLE_EVENT = "handle_event"
# The same, for what a person waits for.
HANDLE_URGENT_EVENT = "handle_urgent_event"
SYNC_ITEM = "sync_item"
DELIVER = "deliver"
DELIVER_URGENT = "deliver_urgent"
SWEEP = "sweep"
REMIND = "remind"
RECONCILE = "reconcile"
FIND_MISSED = "find_missed"

EVENTS = "events"
# Has workers that nothing else can fill, whatever waits elsewhere.
URGENT = "urgent"
SYNCS = "syncs"
NOTIFICATIONS = "notifications"
# Taken in turn with the other notifications, so that it does not wait behind them.
URGENT_NOTIFICATIONS = "urgent_notifications"
RECONCILIATIONS = "reconciliations"
# What beat sends. Nothing else stands in its way, so that whatever is due is found, however much waits.
SCHEDULE = "schedule"

QUEUE_OF_TASK = {
    HANDLE_EVENT: EVENTS,
    HANDLE_URGENT_EVENT: URGENT,
    SYNC_ITEM: SYNCS,
    DELIVER: NOTIFICATIONS,
    DELIVER_URGENT: URGENT_NOTIFICATIONS,
    RECONCILE: RECONCILIATIONS,
    SWEEP: SCHEDULE,
    REMIND: SCHEDULE,
    FIND_MISSED: SCHEDULE,
}

# A person is asked for something, or something that a person gave was refused (Pluggy facts 2.3).
_URGENT_EVENTS = frozenset({events.ITEM_WAITING_USER_INPUT, events.ITEM_WAITING_USER_ACTION, events.ITEM_ERROR})

# A worker that is killed leaves its message unacknowledged; Redis gives it to another one after this long.
# The sweep usually comes first; this is the second net. It must exceed the hard time limit of a task.
VISIBILITY_TIMEOUT_S = 3600

log = structlog.get_logger(__name__)


def task_of_event(event_name: str) -> str:
    """Return the task that handles an event of this name."""
    return HANDLE_URGENT_EVENT if event_name in _URGENT_EVENTS else HANDLE_EVENT


def celery_app(redis_url: str) -> celery.Celery:
    """
    Return a Celery app that can send tasks. The workers' app is made from it.

    Raises:
        ValueError: *redis_url* cannot be used (`redis_options`).
    """
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


def send(app: celery.Celery, task: str, argument: str | None = None) -> bool:
    """Queue *task*; return False when Redis did not take it, which costs time but loses nothing."""
    try:
        app.send_task(task, args=[] if argument is None else [argument], retry=False)
    except (KombuError, RedisError, OSError) as exc:
        # A Redis that is away, and one that is full or may not write.
        log.warning("queue.unreachable", task=task, argument=argument, error=type(exc).__name__)
        return False
    return True
