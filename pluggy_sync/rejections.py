"""
Deliveries that were answered 401, counted in Redis, since they leave no row: all of them, and the latest by reason
and address.

Without Redis they are only in the log. After Redis was emptied the counts begin anew.

Tests: `engine/test_watchdog.py`, `webhook_app/test_metrics.py`.
"""

import re
from collections import Counter
from datetime import datetime, timedelta

import redis
import structlog
from redis.exceptions import RedisError

from pluggy_sync.resources import Resources
from pluggy_sync.rules.alerts import Rejected

log = structlog.get_logger(__name__)

TOTAL = "pluggy-sync:rejected-deliveries"
# Counts of ten minutes each; two of them are looked at.
BUCKET = timedelta(minutes=10)
_KEPT_S = 3600
# Strangers may come from anywhere. Those beyond are counted together.
MOST_ADDRESSES = 100
ELSEWHERE = "elsewhere"
_ADDRESS = re.compile(r"[0-9a-fA-F.:]{1,45}")

# Its secret was missing or wrong; its signature or the time in it was not good; it came from elsewhere.
MISSING = "missing"
WRONG = "wrong"
SIGNATURE = "signature"
TIMESTAMP = "timestamp"
ADDRESS = "address"


def count(res: Resources, *, why: str, address: str | None) -> None:
    """Count a delivery from *address* that was answered 401; *why*: one of these reasons."""
    known = address if address is not None and _ADDRESS.fullmatch(address) else ELSEWHERE
    bucket = _bucket(res.now())
    res.redis_breaker.call(lambda: _counted(res.redis, bucket, why, known))


def _counted(client: redis.Redis, bucket: str, why: str, address: str) -> bool | None:
    try:
        if client.hlen(bucket) >= MOST_ADDRESSES and not client.hexists(bucket, f"{why} {address}"):
            address = ELSEWHERE
        with client.pipeline(transaction=False) as pipeline:
            pipeline.incr(TOTAL)
            pipeline.hincrby(bucket, f"{why} {address}", 1)
            pipeline.expire(bucket, _KEPT_S)
            pipeline.execute()
    except RedisError as exc:
        log.warning("metrics.not_counted", error=type(exc).__name__)
        return None
    return True


def latest(client: redis.Redis, now: datetime) -> list[Rejected]:
    """
    Return what was rejected in the last ten to twenty minutes.

    Raises:
        RedisError: Redis does not answer.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for moment in (now, now - BUCKET):
        found = client.hgetall(_bucket(moment))
        for name, number in found.items():
            why, _, address = _text(name).partition(" ")
            counted[why, address] += int(number)
    return [Rejected(why=why, address=address, number=number) for (why, address), number in counted.most_common()]


def _bucket(moment: datetime) -> str:
    return f"{TOTAL}:{int(moment.timestamp() // BUCKET.total_seconds())}"


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode()
