"""Workers and queues: what waits where, and who works. Workers are asked through Redis, and answer within a second."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import celery
import structlog
from flask import Blueprint, render_template
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from console.pages.page_resources import resources
from pluggy_sync import queue

blueprint = Blueprint("workers", __name__)

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S = 1.0
QUEUES = tuple(sorted(set(queue.QUEUE_OF_TASK.values())))


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue: how much waits in it, and how many workers read it. None: Redis does not answer."""

    name: str
    length: int | None
    workers: int


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker that answered."""

    name: str
    queues: list[str]
    active: int
    pool: int | None
    uptime_s: int | None


@blueprint.get("/workers")
def show() -> str:
    """Show the page; what takes a second comes after it."""
    return render_template("workers.html")


@blueprint.get("/workers/now")
def now() -> str:
    """Return the part of the page for which workers are asked."""
    workers = _workers()
    lengths = _lengths()
    queues = [
        Queue(
            name=name,
            length=None if lengths is None else lengths[name],
            workers=sum(name in each.queues for each in workers or ()),
        )
        for name in QUEUES
    ]
    return render_template("workers_now.html", workers=workers, queues=queues, redis_answers=lengths is not None)


def _lengths() -> dict[str, int] | None:
    try:
        return {name: queue.length(resources().redis, name) for name in QUEUES}
    except RedisError as exc:
        log.warning("console.redis_failed", error=type(exc).__name__)
        return None


def _workers() -> list[Worker] | None:
    """Return the workers that answer, by name; None: Redis does not."""
    inspect = _app(resources().settings.redis_url).control.inspect(timeout=ANSWER_WITHIN_S)
    try:
        queues, stats, active = inspect.active_queues(), inspect.stats(), inspect.active()
    except (OperationalError, RedisError, OSError) as exc:
        log.warning("console.redis_failed", error=type(exc).__name__)
        return None
    return [
        Worker(
            name=name,
            queues=sorted(each["name"] for each in of_worker),
            active=len((active or {}).get(name, ())),
            **_of_stats((stats or {}).get(name, {})),
        )
        for name, of_worker in sorted((queues or {}).items())
    ]


def _of_stats(stats: Mapping[str, Any]) -> dict[str, int | None]:
    return {"pool": (stats.get("pool") or {}).get("max-concurrency"), "uptime_s": stats.get("uptime")}


@cache
def _app(redis_url: str) -> celery.Celery:
    return queue.celery_app(redis_url)
