"""How often the page may be used: a link that is guessed or passed around must not become a way to hammer a bank."""

from functools import cache

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter

# Tries to settle one action; every one may reach the bank.
TRIES = parse("10/minute")
# Pages, streams and repaints of one action, over all its tabs.
READS = parse("240/minute")
# Links that are not ours, by the address they come from.
STRANGERS = parse("30/minute")


@cache
def _limiter(redis_url: str) -> MovingWindowRateLimiter:
    storage: Storage
    if redis_url.startswith("unix:"):
        storage = MemoryStorage()
    else:
        # Redis away: each process counts for itself.
        storage = RedisStorage(redis_url, socket_connect_timeout=1, socket_timeout=1, wrap_exceptions=True)
    return MovingWindowRateLimiter(storage)


@cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def allowed(redis_url: str, limit: RateLimitItem, *who: str) -> bool:
    """Count one use by *who*; return whether it is within *limit*."""
    try:
        return _limiter(redis_url).hit(limit, *who)
    except StorageError:
        return _own().hit(limit, *who)
