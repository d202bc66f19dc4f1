"""How often the page may be used: a link that is guessed or passed around must not become a way to hammer a bank."""

import ipaddress
import math
import time
from functools import cache

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from pluggy_sync.redis_options import redis_options
from pluggy_sync.resources import Resources

# Tries to settle one action; every one may reach the bank.
TRIES = parse("10/minute")
# Pages, streams and repaints of one action, over all its tabs.
READS = parse("240/minute")
# Links that are not ours, by the client who opens them (`TRUSTED_PROXY_HOPS`).
STRANGERS = parse("30/minute")


@cache
def _limiter(redis_url: str) -> MovingWindowRateLimiter:
    options = redis_options(redis_url)
    return MovingWindowRateLimiter(options.storage(prefix="LIMITS", connect_timeout_s=1, timeout_s=1))


@cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def wait_s(res: Resources, limit: RateLimitItem, *who: str) -> int:
    """Count one use by *who*; return 0 if it is within *limit*, else the seconds after which another one is."""
    told = res.redis_breaker.call(lambda: _hit(res.settings.redis_url, limit, who))
    # Without Redis each process counts for itself.
    return _wait_s(_own(), limit, who) if told is None else told


def _hit(redis_url: str, limit: RateLimitItem, who: tuple[str, ...]) -> int | None:
    try:
        return _wait_s(_limiter(redis_url), limit, who)
    except RedisError:
        return None


def _wait_s(limiter: MovingWindowRateLimiter, limit: RateLimitItem, who: tuple[str, ...]) -> int:
    if limiter.hit(limit, *who):
        return 0
    free_at = limiter.get_window_stats(limit, *who).reset_time
    return max(1, min(limit.get_expiry(), math.ceil(free_at - time.time())))


def client(address: str | None) -> str:
    """Return what stands for the client at *address*: of IPv6 its network, of which one client has all addresses."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
