"""
The request budget: what all workers together may ask of Pluggy, per endpoint and minute (Pluggy facts 6).

Pluggy counts per egress address, so one Redis stands for one address. Three lanes share a budget: while a person
waits everything may be used, event-driven syncs leave a share free for persons, reconciliation leaves one for both.
A 429 pauses its endpoint for everybody. With Redis away nothing is counted, and Pluggy's own limit remains.
"""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

import redis
import structlog
from limits import RateLimitItemPerMinute
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from pluggy_sync.pluggy.errors import PluggyLimitedError
from pluggy_sync.redis_options import redis_options

log = structlog.get_logger(__name__)


class Lane(Enum):
    """Who is waiting: the share of a budget that must stay free for those before, and how long to wait, in seconds."""

    PERSON = (0.0, 10.0)
    EVENTS = (0.1, 90.0)
    RECONCILIATION = (0.4, 90.0)

    def __init__(self, kept_free: float, patience_s: float) -> None:
        self.kept_free = kept_free
        self.patience_s = patience_s


# Endpoints with a limit of their own; every other has the common one. `GET /items/{id}` is not published.
PATCH_ITEM = "PATCH /items/{id}"
PATCH_ITEM_PER_MINUTE = 20

_lane: ContextVar[Lane] = ContextVar("lane", default=Lane.EVENTS)


@contextmanager
def lane(chosen: Lane) -> Iterator[None]:
    """Let requests within the block go by *chosen*."""
    token = _lane.set(chosen)
    try:
        yield
    finally:
        _lane.reset(token)


class Budget:
    """Counts requests in Redis and lets callers wait for their turn."""

    def __init__(self, client: redis.Redis, redis_url: str, per_minute: int) -> None:
        self._redis = client
        self._limiter = MovingWindowRateLimiter(
            redis_options(redis_url).storage(prefix="pluggy-sync:budget", connect_timeout_s=1, timeout_s=2)
        )
        self._common = RateLimitItemPerMinute(per_minute)
        self._special = {PATCH_ITEM: RateLimitItemPerMinute(min(PATCH_ITEM_PER_MINUTE, per_minute))}

    def take(self, endpoint: str) -> None:
        """
        Wait until a request to *endpoint* may be made in the present lane, and count it.

        Raises:
            PluggyLimitedError: it may not within the lane's patience.
        """
        chosen = _lane.get()
        give_up_at = time.monotonic() + chosen.patience_s
        try:
            while not self._taken(endpoint, chosen):
                if time.monotonic() >= give_up_at:
                    raise PluggyLimitedError(f"no budget left for {endpoint}", retry_after_s=chosen.patience_s)
                time.sleep(random.uniform(0.02, 0.1))
        except RedisError as exc:
            log.warning("budget.not_counted", error=type(exc).__name__)

    def _taken(self, endpoint: str, chosen: Lane) -> bool:
        if self._redis.exists(self._pause_name(endpoint)):
            return False
        limit = self._special.get(endpoint, self._common)
        free = self._limiter.get_window_stats(limit, endpoint).remaining
        if free <= int(limit.amount * chosen.kept_free):
            return False
        return self._limiter.hit(limit, endpoint)

    def pause(self, endpoint: str, seconds: float) -> None:
        """Let nobody ask *endpoint* for so long: Pluggy answered 429."""
        try:
            self._redis.set(self._pause_name(endpoint), "1", px=max(1, int(seconds * 1000)))
        except RedisError as exc:
            log.warning("budget.not_paused", error=type(exc).__name__)
        log.warning("budget.paused", endpoint=endpoint, seconds=seconds)

    def left(self, endpoints: Mapping[str, None] | tuple[str, ...]) -> dict[str, int]:
        """Return how many requests each endpoint may still take in this minute; 0 while it is paused."""
        return {
            endpoint: 0
            if self._redis.exists(self._pause_name(endpoint))
            else max(0, self._limiter.get_window_stats(self._special.get(endpoint, self._common), endpoint).remaining)
            for endpoint in endpoints
        }

    @staticmethod
    def _pause_name(endpoint: str) -> str:
        return f"pluggy-sync:budget:pause:{endpoint}"
