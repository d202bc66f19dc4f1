"""
Whether Redis is as we need it. Nothing is only in Redis: emptied, it costs seconds. Full, read-only or evicting, it
costs more.
"""

from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError, ResponseError

from console.checkup.results import Result, heads_up, passed, problem
from pluggy_sync.resources import Resources

_KEY = "pluggy-sync:doctor"
_LOW = 0.1


def answers(res: Resources) -> Iterator[Result]:
    """Whether it answers, and takes writes."""
    try:
        res.redis.ping()
    except RedisError as exc:
        yield problem(
            "Redis",
            f"does not answer ({type(exc).__name__})",
            "Start it, or mend REDIS_URL. Meanwhile the sweep's work, and all queues, stand still",
        )
        return
    try:
        res.redis.set(_KEY, "1", ex=10)
    except ResponseError as exc:
        yield problem(
            "Redis writes",
            f"refuses them ({type(exc).__name__})",
            "OutOfMemoryError: raise maxmemory. ReadOnlyError: name the primary in REDIS_URL. Else: see its log",
        )
        return
    yield passed("Redis writes", "takes writes")


def persistence(res: Resources) -> Iterator[Result]:
    """Whether it keeps what waits over a restart."""
    found: dict[str, Any] = res.redis.info("persistence")
    if str(found.get("rdb_last_bgsave_status")) not in ("ok", "None") or (
        int(found.get("aof_enabled", 0)) and str(found.get("aof_last_write_status")) != "ok"
    ):
        yield problem("Redis persistence", "it could not write to its disk", "Make room on its disk; see its log")
    elif int(found.get("aof_enabled", 0)):
        yield passed("Redis persistence", "append-only file")
    elif _saves(res):
        yield passed("Redis persistence", "snapshots")
    else:
        yield heads_up(
            "Redis persistence",
            "none: a restart empties it, and all that waits is queued anew by the sweep, within a minute or so",
            "CONFIG SET appendonly yes, if that is too long",
        )


def _saves(res: Resources) -> bool:
    return bool(_setting(res, "save"))


def _setting(res: Resources, name: str) -> str:
    """Return a setting of the server; empty if it does not say, as where a provider forbids it."""
    try:
        return str(res.redis.config_get(name).get(name, ""))
    except ResponseError:
        return ""


def memory(res: Resources) -> Iterator[Result]:
    """Whether it has room, and throws nothing away when it has none."""
    found: dict[str, Any] = res.redis.info("memory")
    most, used = int(found.get("maxmemory", 0)), int(found["used_memory"])
    policy = str(found.get("maxmemory_policy", "noeviction"))
    if most and policy != "noeviction":
        yield problem(
            "Redis eviction",
            f"{policy}: it throws away messages and counts of requests when it is full",
            "CONFIG SET maxmemory-policy noeviction",
        )
    else:
        yield passed("Redis eviction", policy if most else "no maxmemory")
    said = f"{used / 1024**2:,.0f} MB" + (f" of {most / 1024**2:,.0f} MB" if most else "")
    if most and most - used < most * _LOW:
        yield problem("Redis memory", said, "Raise maxmemory; see which queue is long (pluggy-sync status)")
    else:
        yield passed("Redis memory", said)
