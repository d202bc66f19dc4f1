"""
Pluggy's clock, by which the deadlines of persons pass.

If our clock is minutes ahead of Pluggy's, every code is past its deadline before anybody is asked for it. Each process
measures the difference from Pluggy's answers. A process without an answer yet takes what another one measured.
"""

import time
from collections.abc import Callable

import redis
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# `Date` has whole seconds, and an answer takes a while. Less than this counts as no difference.
NO_DIFFERENCE_S = 2.0
# A larger difference is logged for the operator: a person has two minutes for a code.
ALERT_ABOVE_S = 30.0

SHARED = "pluggy-sync:clock-ahead"
_SHARED_FOR_S = 3600
_EVERY_S = 60.0
_ALERT_EVERY_S = 600.0


class PluggyClock:
    """How far our clock is ahead of Pluggy's, as *measured* in this process, or by another one."""

    def __init__(self, client: redis.Redis, measured: Callable[[], float | None]) -> None:
        self._redis = client
        self._measured = measured
        self._of_others = 0.0
        self._shared_at = self._asked_at = self._alerted_at = float("-inf")

    @property
    def ahead_s(self) -> float:
        """Seconds by which our clock is ahead of Pluggy's, negative if it is behind; 0 while nothing is known."""
        measured = self._measured()
        if measured is None:
            return self._ask_others()
        ahead_s = measured if abs(measured) > NO_DIFFERENCE_S else 0.0
        self._share(ahead_s)
        self._alert(ahead_s)
        return ahead_s

    def _share(self, ahead_s: float) -> None:
        if time.monotonic() < self._shared_at + _EVERY_S:
            return
        self._shared_at = time.monotonic()
        try:
            self._redis.set(SHARED, ahead_s, ex=_SHARED_FOR_S)
        except RedisError as exc:
            log.warning("clock.not_shared", error=type(exc).__name__)

    def _ask_others(self) -> float:
        if time.monotonic() < self._asked_at + _EVERY_S:
            return self._of_others
        self._asked_at = time.monotonic()
        try:
            shared = self._redis.get(SHARED)
            self._of_others = float(shared) if isinstance(shared, bytes | str) else 0.0
        except (RedisError, ValueError) as exc:
            log.warning("clock.not_read", error=type(exc).__name__)
        return self._of_others

    def _alert(self, ahead_s: float) -> None:
        if abs(ahead_s) <= ALERT_ABOVE_S or time.monotonic() < self._alerted_at + _ALERT_EVERY_S:
            return
        self._alerted_at = time.monotonic()
        log.error(
            "clock.differs_from_pluggys", ahead_s=round(ahead_s, 1), next="deadlines are corrected by it; set the clock"
        )
