"""How often the page may be used: a link that is guessed or passed around must not become a way to hammer a bank."""

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
# Links that are not ours, by the address they come from.
STRANGERS = parse("30/minute")


@cache
def _limiter(redis_url: str) -> MovingWindowRateLimiter:
    options = redis_options(redis_url)
    return MovingWindowRateLimiter(options.storage(prefix="LIMITS", connect_timeout_s=1, timeout_s=1))


@cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def allowed(res: Resources, limit: RateLimitItem, *who: str) -> bool:
    """Count one use by *who*; return whether it is within *limit*."""
    within = res.redis_breaker.call(lambda: _hit(res.settings.redis_url, limit, who))
    # Without Redis each process counts for itself.
    return _own().hit(limit, *who) if within is None else within


def _hit(redis_url: str, limit: RateLimitItem, who: tuple[str, ...]) -> bool | None:
    try:
        return _limiter(redis_url).hit(limit, *who)
    except RedisError:
        return None
