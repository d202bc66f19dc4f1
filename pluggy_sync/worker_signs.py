"""
Signs of life of the workers, in Redis: which queues each serves, and when it last said so.

A worker that ends says so; one that is killed is forgotten after a minute.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec
import redis

from pluggy_sync.queue import QUEUE_OF_TASK

KEY = "pluggy-sync:workers"
SAID_EVERY = timedelta(seconds=10)
LIVES_FOR = timedelta(seconds=60)


class _Sign(msgspec.Struct):
    queues: list[str]
    at: float


def say(client: redis.Redis, worker: str, queues: list[str], now: datetime) -> None:
    """
    Say that *worker* lives and serves *queues*.

    Raises:
        RedisError: Redis does not answer.
    """
    client.hset(KEY, worker, msgspec.json.encode(_Sign(queues=queues, at=now.timestamp())))


def end(client: redis.Redis, worker: str) -> None:
    """
    Say that *worker* ends.

    Raises:
        RedisError: Redis does not answer.
    """
    client.hdel(KEY, worker)


def serving(client: redis.Redis, now: datetime) -> dict[str, int]:
    """
    Return how many living workers serve each queue, 0 included.

    Raises:
        RedisError: Redis does not answer.
    """
    signs: dict[Any, Any] = client.hgetall(KEY)
    found: Counter[str] = Counter(dict.fromkeys(sorted(set(QUEUE_OF_TASK.values())), 0))
    for worker, text in signs.items():
        try:
            sign = msgspec.json.decode(text, type=_Sign)
        except msgspec.DecodeError:
            continue
        if now.timestamp() - sign.at > LIVES_FOR.total_seconds():
            client.hdel(KEY, worker)
        else:
            found.update({name: 1 for name in sign.queues if name in found})
    return dict(found)
