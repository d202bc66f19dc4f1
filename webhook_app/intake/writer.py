"""
The writer: one thread of a process stores what all its requests brought.

While a batch is committed the next one gathers, so nothing waits longer than for the commit before. Whoever brought a
delivery is told once it is committed; then its event is queued, by another thread, since Redis may be slow.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync import tallies
from pluggy_sync.engine.intake import STORED, Batch, Delivery, Result, messages
from pluggy_sync.resources import Resources
from pluggy_sync.spill import SpillError
from pluggy_sync.store import inbox
from pluggy_sync.store.database import INTAKE, connect_for, run_alone
from pluggy_sync.store.inbox import Arrival, Fate
from webhook_app.intake.spilling import Spill

log = structlog.get_logger(__name__)

# Deliveries that wait for their turn. What is more would not be stored in time.
MOST_WAITING = 1000
# A batch: so many deliveries, and bytes unless a single one has more.
MOST_AT_ONCE = 64
BYTES_AT_ONCE = 4 * 1024 * 1024
# A delivery whose Item is held by somebody is tried again so often, and so long.
BUSY_AGAIN_S = 0.01
BUSY_FOR_S = 1.5
# A batch that failed on an old connection is tried on a new one if there is time for both.
AGAIN_WITHIN_S = 1.0
# Whoever waits so long behind a batch that Postgres does not answer waits for it no more.
WAITS_FOR_S = 2.0
# How often it is looked at who waits, and whether a Postgres that is away is back.
LOOKS_EVERY_S = 0.5

Told = asyncio.Future[Result | None] | Future[Result | None]


class FullError(Exception):
    """So many wait already that one more would not be stored in time."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A delivery, and who is told what became of it: None when it is not stored. *loop*: of an asyncio future."""

    delivery: Delivery
    told: Told
    loop: asyncio.AbstractEventLoop | None
    since: float = field(default_factory=time.monotonic)


class Writer:
    """
    Stores deliveries. For all threads of a process; `close` ends its own.

    While Postgres is away nobody waits for it: deliveries go into *spill* if there is one, and a second thread looks
    whether Postgres is back.
    """

    def __init__(self, res: Resources, spill: Spill | None) -> None:
        self._res = res
        self._spill = spill
        lock = threading.Lock()
        # Something came in; something is wrong. Both threads end when it is closed.
        self._changed, self._trouble = threading.Condition(lock), threading.Condition(lock)
        self._queue: deque[_Waiting] = deque()
        # Whose Item was held at the last try. They came before all in the queue.
        self._busy: list[_Waiting] = []
        self._threads: list[threading.Thread] = []
        self._closed = self._away = False
        self._conn = _Kept(res)
        self._conn_of_watch = _Kept(res)
        if spill is not None:
            # Something may wait there from before.
            self._start()

    def put(self, delivery: Delivery) -> "Future[Result | None]":
        """
        Have *delivery* stored; the future has what became of it, None if it is not stored.

        Raises:
            FullError: it would not be stored in time.
        """
        told: Future[Result | None] = Future()
        self._put(_Waiting(delivery, told, None))
        return told

    def put_from_loop(self, delivery: Delivery) -> "asyncio.Future[Result | None]":
        """Do what `put` does, for the event loop that runs. All futures of a batch are set in one go."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Result | None] = loop.create_future()
        self._put(_Waiting(delivery, told, loop))
        return told

    def close(self) -> None:
        """Store what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._trouble.notify_all()
        for each in self._threads:
            each.join()
        if self._spill is not None:
            self._spill.close()

    def _start(self) -> None:
        for name, run in (("writer", self._run), ("watch", self._watch)):
            thread = threading.Thread(target=run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _put(self, waiting: _Waiting) -> None:
        with self._changed:
            if len(self._queue) >= MOST_WAITING or self._closed:
                raise FullError
            self._queue.append(waiting)
            if not self._threads:
                self._start()
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._next():
            self._busy = []
            try:
                self._handle(batch)
            except Exception as exc:
                log.exception("webhook.writer_failed", exc_info=exc, next="Pluggy sends it again")
                _tell([(each, None) for each in batch if not each.told.done()])
        self._conn.leave()

    def _next(self) -> list[_Waiting]:
        """Return the next batch, once there is one; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed, timeout=BUSY_AGAIN_S if self._busy else None)
            return self._taken(self._busy)

    def _taken(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Return *batch* with as many as it may have."""
        size = sum(len(each.delivery.body) for each in batch)
        while self._queue and len(batch) < MOST_AT_ONCE:
            size += len(self._queue[0].delivery.body)
            if size > BYTES_AT_ONCE and batch:
                break
            batch.append(self._queue.popleft())
        return batch

    def _handle(self, waiting: Sequence[_Waiting]) -> None:
        batch = Batch([each.delivery for each in waiting])
        error = None if self._away else self._store(batch, since=waiting[0].since)
        now = time.monotonic()
        told: list[tuple[_Waiting, Result | None]] = []
        left: list[_Waiting] = []
        for each, result in zip(waiting, batch.results, strict=True):
            if result in STORED:
                told.append((each, result))
            elif result is Result.BUSY and now - each.since < BUSY_FOR_S and not self._closed:
                self._busy.append(each)
            elif result is Result.REFUSED:
                told.append((each, None))
            else:
                left.append(each)
        for each, result in told:
            self._count(each.delivery, result)
        stored = [(each.delivery, result) for each, result in told if result is not None]
        try:
            # Before they are told: who has the answer finds the task on its way.
            self._res.publisher.publish(messages(stored))
        finally:
            _tell(told)
        _log(stored)
        self._put_aside(left, error)

    def _store(self, batch: Batch, *, since: float) -> Exception | None:
        """Store *batch*. An error means that Postgres is away."""
        had_connection = self._conn.is_open
        try:
            batch.store(self._conn.store)
        except (SQLAlchemyError, psycopg.Error) as exc:
            self._conn.leave()
            # The connection may have been to a server that is gone, or became read-only; a new one may be to another.
            if had_connection and time.monotonic() - since < AGAIN_WITHIN_S:
                return self._store(batch, since=since)
            with self._changed:
                self._away = True
            log.exception("postgres.away", exc_info=exc, next="it is asked until it is back")
            return exc
        return None

    def _put_aside(self, waiting: Sequence[_Waiting], error: Exception | None) -> None:
        """Spill what cannot be stored now; without a spill that takes it, Pluggy has to send it again."""
        if not waiting:
            return
        deliveries = [each.delivery for each in waiting]
        kept = self._spill is not None and self._spill.keep(deliveries)
        for each in deliveries:
            self._count(each, Result.SPILLED if kept else None)
        _tell([(each, Result.SPILLED if kept else None) for each in waiting])
        if not kept:
            about = [each.about() for each in deliveries]
            log.error("webhook.not_stored", deliveries=about, error=type(error).__name__, next="Pluggy sends it again")

    def _count(self, delivery: Delivery, result: Result | None) -> None:
        unread = delivery.is_event and bool(delivery.arrival.unread)
        reason = "unread" if unread else "none"
        self._res.tallies.count(tallies.DELIVERIES, "not_stored" if result is None else result.value, reason)

    def _watch(self) -> None:
        """Look after those who wait too long, after a Postgres that is away, and after the spill."""
        while not self._closed:
            self._put_aside(self._overdue(), None)
            try:
                if self._away:
                    self._conn_of_watch.probe()
                    self._away = False
                    log.warning("postgres.back")
                if self._spill is not None:
                    self._spill.drain(self._conn_of_watch.store)
            except (SQLAlchemyError, psycopg.Error):
                # Whoever needed it has said so.
                self._conn_of_watch.leave()
            except SpillError as exc:
                log.exception("spill.unusable", error=str(exc), next="what waits there stays, and is tried again")
            except Exception as exc:
                log.exception("webhook.watch_failed", exc_info=exc)
            with self._trouble:
                self._trouble.wait_for(lambda: self._closed, LOOKS_EVERY_S)
        self._conn_of_watch.leave()

    def _overdue(self) -> list[_Waiting]:
        with self._changed:
            now = time.monotonic()
            found = []
            while self._queue and now - self._queue[0].since > WAITS_FOR_S:
                found.append(self._queue.popleft())
            return found


class _Kept:
    """A connection that one thread keeps for storing."""

    def __init__(self, res: Resources) -> None:
        self._res = res
        self._conn: Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._conn is not None

    def store(self, arrivals: Sequence[Arrival]) -> list[Fate]:
        return inbox.store_alone(self._opened(), arrivals)

    def probe(self) -> None:
        """Return if Postgres takes writes; raise if it does not."""
        if run_alone(self._opened(), "SHOW transaction_read_only", []) != [("off",)]:
            raise psycopg.errors.ReadOnlySqlTransaction

    def _opened(self) -> Connection:
        if self._conn is None:
            self._conn = connect_for(self._res.database, INTAKE, inbox.BY_INDEX)
        return self._conn

    def leave(self) -> None:
        """Close the connection: it may be to a server that is of no use any more."""
        if self._conn is not None:
            with suppress(SQLAlchemyError, psycopg.Error):
                self._conn.invalidate()
                self._conn.close()
            self._conn = None


def _tell(results: Sequence[tuple[_Waiting, Result | None]]) -> None:
    """Tell each what became of it. Whoever left is not there any more."""
    of_loops: dict[asyncio.AbstractEventLoop, list[tuple[Told, Result | None]]] = {}
    for waiting, result in results:
        if waiting.loop is None:
            waiting.told.set_result(result)
        else:
            of_loops.setdefault(waiting.loop, []).append((waiting.told, result))
    for loop, told in of_loops.items():
        # A loop that is closed: the process ends.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_set, told)


def _set(told: Sequence[tuple[Told, Result | None]]) -> None:
    for future, result in told:
        if not future.done():
            future.set_result(result)


def _log(stored: Sequence[tuple[Delivery, Result]]) -> None:
    """Write one line for the batch, and one for each of which a part could not be read."""
    for delivery, result in stored:
        if delivery.is_event and delivery.arrival.unread and result is Result.RECORDED:
            unread = list(delivery.arrival.unread)
            log.warning("webhook.partly_unread", **delivery.about(), unread=unread, next="the rest is handled")
    if len(stored) == 1:
        ((delivery, result),) = stored
        log.info("webhook.stored", result=result, **delivery.about())
    elif stored:
        log.info("webhooks.stored", count=len(stored), events=[{**each.about(), "result": r} for each, r in stored])
