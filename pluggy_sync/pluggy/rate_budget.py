"""
The request budget: what all workers together may ask of Pluggy, per endpoint and minute (Pluggy facts 6).

Pluggy counts per egress address, and so do we. Three lanes share the budget of an address. Requests that a person
waits for may use all of it. Syncs that an event asked for leave a share free for persons. Reconciliation leaves a share
free for both. A 429 pauses its endpoint for everybody. While Redis is away nothing is counted, and only Pluggy's own
limit holds.

Nobody waits for the budget unless asked to (`waiting`): a worker is told how long there is none, and reschedules.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
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
    """Who a request is made for."""

    PERSON = 0.0
    EVENTS = 0.1
    RECONCILIATION = 0.4

    @property
    def kept_free(self) -> float:
        """The share of the budget that its requests must leave free."""
        return self.value


# The name of the address of this machine, if the operator gave it none.
THIS_ADDRESS = ""
# Endpoints with a limit of their own; every other has the common one. `GET /items/{id}` is not published.
PATCH_ITEM = "PATCH /items/{id}"
PATCH_ITEM_PER_MINUTE = 20

# With nothing left, somebody else takes what becomes free first now and then.
_SHORTEST_WAIT_S = 1.0

_lane: ContextVar[Lane] = ContextVar("lane", default=Lane.EVENTS)
_patience_s: ContextVar[float] = ContextVar("patience_s", default=0.0)


@contextmanager
def lane(chosen: Lane) -> Iterator[None]:
    """Send the requests of the block in the lane *chosen*."""
    token = _lane.set(chosen)
    try:
        yield
    finally:
        _lane.reset(token)


@contextmanager
def waiting(seconds: float) -> Iterator[None]:
    """Let each request of the block wait so long for its turn: where somebody waits for the answer anyway."""
    token = _patience_s.set(seconds)
    try:
        yield
    finally:
        _patience_s.reset(token)


def patience_s() -> float:
    """Return how many seconds a request made now would wait for its turn."""
    return deadline.at_most(_patience_s.get())


class Budget:
    """Counts requests in Redis, for each of the *addresses* from which they may go out."""

    def __init__(self, client: redis.Redis, per_minute: int, addresses: Sequence[str] = (THIS_ADDRESS,)) -> None:
        self._redis = client
        self._addresses = tuple(addresses)
        # With the connections of *client*, and so with its time limits. The address only names the protocol.
        storage = RedisStorage("redis://", client.connection_pool, key_prefix="pluggy-sync:budget")
        self._limiter = MovingWindowRateLimiter(storage)
        self._common = RateLimitItemPerMinute(per_minute)
        self._special = {PATCH_ITEM: RateLimitItemPerMinute(min(PATCH_ITEM_PER_MINUTE, per_minute))}

    def take(self, endpoint: str) -> str:
        """
        Count a request to *endpoint*, made now in the present lane, and return the address from which it is to go out.

        Within `waiting`, wait for its turn.

        Raises:
            PluggyLimitedError: there is no budget for it, `retry_after_s` long.
        """
        chosen = _lane.get()
        give_up_at = time.monotonic() + patience_s()
        try:
            while True:
                # In any order, so that all are used alike.
                waits_s = []
                for address in random.sample(self._addresses, len(self._addresses)):
                    wait_s = self._take(address, endpoint, chosen)
                    if wait_s == 0:
                        return address
                    waits_s.append(wait_s)
                left_s = give_up_at - time.monotonic()
                if left_s <= 0 or min(waits_s) > left_s + _SHORTEST_WAIT_S:
                    raise PluggyLimitedError(f"no budget left for {endpoint}", retry_after_s=min(waits_s))
                time.sleep(random.uniform(0.02, 0.1))
        except RedisError as exc:
            log.warning("budget.not_counted", error=type(exc).__name__)
            return random.choice(self._addresses)

    def wait_s(self, endpoints: Iterable[str]) -> float:
        """Return for how many seconds one of *endpoints* has no budget in the present lane; 0: all have."""
        chosen = _lane.get()
        try:
            return max(
                (min(self._wait_s(address, each, chosen) for address in self._addresses) for each in endpoints),
                default=0.0,
            )
        except RedisError:
            return 0.0

    def _take(self, address: str, endpoint: str, chosen: Lane) -> float:
        """Count a request and return 0, or return for how many seconds there is no budget."""
        wait_s = self._wait_s(address, endpoint, chosen)
        if wait_s > 0:
            return wait_s
        return 0.0 if self._limiter.hit(self._limit(endpoint), *_key(address, endpoint)) else _SHORTEST_WAIT_S

    def _wait_s(self, address: str, endpoint: str, chosen: Lane) -> float:
        paused_ms = self._redis.pttl(self._pause_name(address, endpoint))
        if paused_ms > 0:
            return paused_ms / 1000
        limit = self._limit(endpoint)
        stats = self._limiter.get_window_stats(limit, *_key(address, endpoint))
        if stats.remaining > _kept(limit, chosen):
            return 0.0
        return max(_SHORTEST_WAIT_S, stats.reset_time - time.time())

    def _limit(self, endpoint: str) -> RateLimitItemPerMinute:
        return self._special.get(endpoint, self._common)

    def pause(self, endpoint: str, seconds: float, address: str | None = None) -> None:
        """Let nobody ask *endpoint* from *address* for so long, since Pluggy answered 429. None: from the first one."""
        address = self._addresses[0] if address is None else address
        try:
            self._redis.set(self._pause_name(address, endpoint), "1", px=max(1, int(seconds * 1000)))
        except RedisError as exc:
            log.warning("budget.not_paused", error=type(exc).__name__)
        log.warning("budget.paused", endpoint=endpoint, address=address, seconds=seconds)

    def left(self, endpoints: Iterable[str], chosen: Lane = Lane.PERSON) -> dict[str, int]:
        """Return how many requests each endpoint may still take in this minute in a lane, from all addresses."""
        return {each: sum(self._left(address, each, chosen) for address in self._addresses) for each in endpoints}

    def _left(self, address: str, endpoint: str, chosen: Lane) -> int:
        if self._redis.exists(self._pause_name(address, endpoint)):
            return 0
        limit = self._limit(endpoint)
        remaining = self._limiter.get_window_stats(limit, *_key(address, endpoint)).remaining
        return max(0, remaining - _kept(limit, chosen))

    @staticmethod
    def _pause_name(address: str, endpoint: str) -> str:
        return ":".join(("pluggy-sync:budget:pause", *_key(address, endpoint)))


def _key(address: str, endpoint: str) -> tuple[str, ...]:
    return (endpoint,) if address == THIS_ADDRESS else (address, endpoint)


def _kept(limit: RateLimitItemPerMinute, chosen: Lane) -> int:
    """Return how many requests a lane leaves free."""
    return int(limit.amount * chosen.kept_free)
