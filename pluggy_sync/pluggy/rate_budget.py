"""
The request budget: what all workers together may ask of Pluggy, per endpoint and minute (Pluggy facts 6).

Pluggy counts per egress address, and one Redis stands for one address. Three lanes share a budget. Requests that a
person waits for may use all of it. Syncs that an event asked for leave a share free for persons. Reconciliation
leaves a share free for both. A 429 pauses its endpoint for everybody. While Redis is away nothing is counted, and
only Pluggy's own limit holds.
"""

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

import redis
import structlog
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from pluggy_sync.pluggy import deadline
from pluggy_sync.pluggy.errors import PluggyLimitedError

log = structlog.get_logger(__name__)


class Lane(Enum):
    """Who waits for a request: the share of the budget that it must leave free, and how long it waits, in seconds."""

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
    """Send the requests of the block in the lane *chosen*."""
    token = _lane.set(chosen)
    try:
        yield
    finally:
        _lane.reset(token)


class Budget:
    """Counts requests in Redis and lets callers wait for their turn."""

    def __init__(self, client: redis.Redis, per_minute: int) -> None:
        self._redis = client
        # With the connections of *client*, and so with its time limits. The address only names the protocol.
        storage = RedisStorage("redis://", client.connection_pool, key_prefix="pluggy-sync:budget")
        self._limiter = MovingWindowRateLimiter(storage)
        self._common = RateLimitItemPerMinute(per_minute)
        self._special = {PATCH_ITEM: RateLimitItemPerMinute(min(PATCH_ITEM_PER_MINUTE, per_minute))}

    def take(self, endpoint: str) -> None:
        """
        Wait until a request to *endpoint* may be made in the present lane, and count it.

        Raises:
            PluggyLimitedError: it may not within the lane's patience, or before the deadline.
        """
        chosen = _lane.get()
        give_up_at = time.monotonic() + deadline.at_most(chosen.patience_s)
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
        """Let nobody ask *endpoint* for so long, since Pluggy answered 429."""
        try:
            self._redis.set(self._pause_name(endpoint), "1", px=max(1, int(seconds * 1000)))
        except RedisError as exc:
            log.warning("budget.not_paused", error=type(exc).__name__)
        log.warning("budget.paused", endpoint=endpoint, seconds=seconds)

    def left(self, endpoints: Iterable[str]) -> dict[str, int]:
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
