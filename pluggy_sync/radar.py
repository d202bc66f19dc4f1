"""
Signs that Pluggy's API changes: an endpoint that is gone (410), `Deprecation` and `Sunset` headers, fields and values
that are new. Each is counted by endpoint, and kept in Redis with the time when it was last seen, for the alert.

A process writes the same sign once an hour. Without Redis a sign is only in the log.

Tests: `test_radar.py`.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
import structlog
from redis.exceptions import RedisError

from pluggy_sync.breaker import Breaker
from pluggy_sync.pluggy.exchange import Answer, shape
from pluggy_sync.rules import novelties
from pluggy_sync.rules.alerts import SignOfChange
from pluggy_sync.rules.novelties import Known
from pluggy_sync.tallies import PLUGGY_CHANGES, Tallies, of_endpoint

log = structlog.get_logger(__name__)

GONE = "gone"
_HEADERS = ("deprecation", "sunset")
_AGAIN_AFTER_S = 3600.0
# A sign that was not seen for so long is over.
SEEN_FOR = timedelta(days=7)
# More kinds of signs than these say no more.
MOST = 200
_SEPARATOR = "|"
# Of a header, which is a date or a number: what is shown of it.
_LONGEST_HEADER = 60


class Radar:
    """Of one process."""

    def __init__(self, client: redis.Redis, breaker: Breaker, tallies: Tallies, key: str) -> None:
        """*key*: of the hash in Redis. Connect to nothing yet."""
        self._redis, self._breaker, self._tallies, self._key = client, breaker, tallies, key
        self._lock = threading.Lock()
        self._written: dict[tuple[str, str, str], float] = {}

    def look_at_answer(self, answer: Answer) -> None:
        """Note what an answer says of its endpoint."""
        signs = [
            (name, "".join(each for each in answer.headers[name] if each.isprintable())[:_LONGEST_HEADER])
            for name in _HEADERS
            if name in answer.headers
        ]
        if answer.status == 410:
            signs.append((GONE, ""))
        for sign, what in signs:
            self._note(of_endpoint(shape(answer.method, answer.path)), sign, what)

    def look_at(self, endpoint: str, raw: Mapping[str, Any], known: Known) -> None:
        """Note what is new in an object that *endpoint* gave."""
        for sign, what in novelties.of(raw, known):
            self._note(endpoint, sign, what)

    def _note(self, endpoint: str, sign: str, what: str) -> None:
        self._tallies.count(PLUGGY_CHANGES, endpoint, sign)
        seen, now = (endpoint, sign, what), time.monotonic()
        with self._lock:
            before = self._written.get(seen)
            if before is None and len(self._written) >= MOST:
                return
            if before is not None and now - before < _AGAIN_AFTER_S:
                return
            self._written[seen] = now
        log.warning("pluggy.changes", endpoint=endpoint, sign=sign, what=what, next="nothing is refused because of it")
        self._breaker.call(lambda: self._write(seen))

    def _write(self, seen: tuple[str, str, str]) -> bool | None:
        try:
            self._redis.hset(self._key, _SEPARATOR.join(seen), datetime.now(UTC).isoformat())
        except RedisError as exc:
            log.warning("radar.not_written", error=type(exc).__name__)
            return None
        return True

    def signs(self, now: datetime) -> list[SignOfChange]:
        """
        Return what was seen of late, and forget what was not.

        Raises:
            RedisError: Redis does not answer.
        """
        found = []
        for name, at in self._redis.hgetall(self._key).items():
            parts = _text(name).split(_SEPARATOR, 2)
            seen_at = datetime.fromisoformat(_text(at))
            if len(parts) != 3 or seen_at < now - SEEN_FOR:
                self._redis.hdel(self._key, name)
            else:
                found.append(SignOfChange(endpoint=parts[0], sign=parts[1], what=parts[2]))
        return sorted(found, key=lambda each: (each.endpoint, each.sign, each.what))


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
