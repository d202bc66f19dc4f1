"""
Following an Item while its person watches: marks of change as server-sent events, and a fetch now and then.

A stream holds a thread of the web process, so there are few and they are short; a page that gets none polls.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync.engine import requests
from pluggy_sync.resources import Resources

log = structlog.get_logger(__name__)

MAX_STREAMS = 3
STREAM_S = 25.0
CHECK_EVERY_S = 1.0
# Pluggy is asked at most this often about one Item, whatever the number of tabs and processes (Pluggy facts 4.5).
POLL_PLUGGY_MS = 3000

_streams = threading.BoundedSemaphore(MAX_STREAMS)


class Stream:
    """
    Yields the values of *version* as they change, as server-sent events.

    `close` gives its place back, also when nothing was ever read from it (a HEAD request, a reader that left).
    """

    def __init__(self, version: Callable[[], str]) -> None:
        self._lines = _changes(version)
        self._open = True

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def close(self) -> None:
        """Give the place back to others; once."""
        self._lines.close()
        if self._open:
            self._open = False
            _streams.release()


def open_stream(version: Callable[[], str]) -> Stream | None:
    """Return a stream of the values of *version* as they change; None if too many are open. The caller closes it."""
    return Stream(version) if _streams.acquire(blocking=False) else None


def _changes(version: Callable[[], str]) -> Generator[str, None, None]:
    yield "retry: 1000\n\n"
    end = time.monotonic() + STREAM_S
    seen = None
    while time.monotonic() < end:
        now = version()
        # The comment tells the browser, and us, that the other side is still there.
        yield ": still there\n\n" if now == seen else f"data: {now}\n\n"
        seen = now
        time.sleep(CHECK_EVERY_S)


def fetch_if_due(res: Resources, item_id: str) -> None:
    """
    Have a worker fetch the Item, unless somebody did so a moment ago.

    A code that rotates is only seen this way, and the end of an execution is seen even if its event is late. The
    request that watches never waits for Pluggy.
    """
    try:
        if not res.redis.set(f"pluggy-sync:followed:{item_id}", 1, nx=True, px=POLL_PLUGGY_MS):
            return
    except RedisError:
        # Without it, nothing would bound how often Pluggy is asked.
        return
    try:
        with res.begin() as tx:
            requests.fetch_once(tx, item_id, why=requests.WATCHED, now=res.now())
    except SQLAlchemyError as exc:
        log.info("item.not_followed", item_id=item_id, error=type(exc).__name__, next="tried again in a few seconds")
