"""Signs of life of this worker, for the metrics: with its heartbeat it says now and then which queues it serves."""

import time
from datetime import UTC, datetime
from typing import Any

import structlog
from celery import signals
from redis.exceptions import RedisError

from pluggy_sync import worker_signs
from pluggy_sync.redis_options import redis_options
from workers.app import app, settings

log = structlog.get_logger(__name__)

# Of the parent process. A Redis that is slow must not hold up its messages.
_redis = redis_options(settings.redis_url).client(connect_timeout_s=0.5, timeout_s=0.5)
_said_at = [0.0]


@signals.heartbeat_sent.connect
def say(sender: Any, **_: Any) -> None:
    """Say it, unless it was said a moment ago. Without Redis it is said later."""
    if time.monotonic() - _said_at[0] < worker_signs.SAID_EVERY.total_seconds():
        return
    _said_at[0] = time.monotonic()
    try:
        worker_signs.say(_redis, sender.eventer.hostname, sorted(app.amqp.queues.consume_from), datetime.now(UTC))
    except RedisError as exc:
        log.debug("worker.sign_not_said", error=type(exc).__name__)


@signals.worker_shutdown.connect
def end(sender: Any, **_: Any) -> None:
    """Say that it ends."""
    try:
        worker_signs.end(_redis, sender.hostname)
    except RedisError:
        return
