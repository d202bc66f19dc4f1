"""
Redis as the workers read it. A message that is not ours is dropped before Celery sees it.

Celery ends when a message is not JSON, and prints the contents of a message that it does not know. Of our messages it
sees only what `queue.Sender` set, because it shows all of that to Flower. A dropped message loses nothing: Postgres has
what must be done.
"""

import base64
import json
import re
from datetime import datetime
from typing import Any

import structlog
from kombu.transport import redis

from pluggy_sync.queue import QUEUE_OF_TASK
from pluggy_sync.tracing import TRACEPARENT

log = structlog.get_logger(__name__)

_QUEUES = frozenset(QUEUE_OF_TASK.values())
# What an id looks like. Any other argument is passed on, but not shown.
_PLAIN = re.compile(r"[\w.@:/-]{1,200}", re.ASCII)


class NotOursError(Exception):
    """A message that `queue.Sender` did not send. The text says what is wrong and quotes nothing."""


class Channel(redis.Channel):
    """Reads queues, and drops bytes that are not JSON."""

    def _connparams(self, *args: Any, **more: Any) -> Any:
        # The channel has outlived its connection: Redis went away while its message was worked on. After this error
        # Celery waits for Redis. Without it kombu would raise an AttributeError, after which Celery ends.
        if self.connection.client is None:
            raise ConnectionError("the connection was closed")
        return super()._connparams(*args, **more)  # type: ignore[misc]  # the stubs lack it

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # the stubs lack it
        except (ValueError, RecursionError) as exc:
            log.warning("message.unreadable", error=type(exc).__name__, next="it is left out")
            return None


class Transport(redis.Transport):
    """Drops messages of work that are not ours. All others pass, such as commands to the workers."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> None:
        if queue not in _QUEUES:
            super()._deliver(message, queue)
            return
        try:
            ours = read(message)
        except NotOursError as exc:
            log.warning("message.refused", queue=queue, fault=str(exc), next="it is left out")
            return
        super()._deliver(ours, queue)


def read(message: Any) -> dict[str, Any]:
    """
    Return *message*, as it came from a queue of work, with nothing in it but what workers need.

    Raises:
        NotOursError: it is not a task of ours with one id or none.
    """
    match message:
        case {
            "body": str(body),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"id": str(id_), "task": str(task)} as headers,
            "properties": {
                "delivery_tag": str(tag),
                "delivery_info": {"exchange": str(exchange), "routing_key": str(routing_key)},
            },
        } if _PLAIN.fullmatch(id_) and _PLAIN.fullmatch(tag):
            pass
        case _:
            raise NotOursError("no envelope of ours")
    if task not in QUEUE_OF_TASK:
        raise NotOursError("an unknown task")
    args = _args(body)
    return {
        "body": _body(args),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py",
            "task": task,
            "id": id_,
            "root_id": id_,
            "parent_id": None,
            "retries": 0,
            "eta": None,
            "expires": _expires(headers.get("expires")),
            "timelimit": [None, None],
            "argsrepr": repr(tuple(each if _PLAIN.fullmatch(each) else "…" for each in args)),
            "kwargsrepr": "{}",
            "ignore_result": True,
            **_trace(headers.get("traceparent")),
        },
        "properties": {
            "correlation_id": id_,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_tag": tag,
            "delivery_info": {"exchange": exchange, "routing_key": routing_key},
            "priority": 0,
            "body_encoding": "base64",
        },
    }


def _trace(value: object) -> dict[str, str]:
    """Return the trace that the message carries on, if it is one; a wrong one costs no work."""
    return {"traceparent": value} if isinstance(value, str) and TRACEPARENT.fullmatch(value) else {}


def _args(body: str) -> list[str]:
    try:
        decoded = json.loads(base64.b64decode(body, validate=True))
    except (ValueError, RecursionError):
        raise NotOursError("an unreadable body") from None
    match decoded:
        case [[], dict(kwargs), dict()] | [[str(_)], dict(kwargs), dict()] if not kwargs:
            args: list[str] = decoded[0]
            return args
        case _:
            raise NotOursError("no single id")


def _body(args: list[str]) -> str:
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return base64.b64encode(json.dumps([args, {}, embed]).encode()).decode()


def _expires(value: object) -> str | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise NotOursError("an end that is no date") from None
