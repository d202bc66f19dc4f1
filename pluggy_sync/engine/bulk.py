"""
What operators do to many things at once: a batch at a time, each in one transaction with how far it is.

Whoever calls `step` does the next batch. If that process dies, another one goes on where it was. What needs Pluggy is
given out only as fast as workers take it: it must not stand before what persons and events need.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from redis.exceptions import RedisError

from pluggy_sync import queue
from pluggy_sync.engine import requests
from pluggy_sync.queue import Message
from pluggy_sync.resources import Resources
from pluggy_sync.rules.freshness import State
from pluggy_sync.store import bulk_operations, deliveries, event_lists, inbox, item_lists
from pluggy_sync.store.bulk_operations import BulkOperation
from pluggy_sync.store.event_lists import Which
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

BATCH = 100
# Of ours that may wait for a worker before more are given out.
MOST_WAITING = 200
# Counting stops there.
COUNTED = 10_000


class What(StrEnum):
    """What is done to each."""

    PROCESS_EVENTS = "process_events"
    SYNC_ITEMS = "sync_items"
    RECONCILE_ITEMS = "reconcile_items"
    RESEND_NOTIFICATIONS = "resend_notifications"


class Step(StrEnum):
    """What became of a call of `step`."""

    WORKED = "worked"
    WAITED = "waited"  # enough of it waits for workers, or Redis is away
    IDLE = "idle"  # nothing runs, or others work at it


@dataclass(frozen=True, kw_only=True)
class _Done:
    """How many a batch went through, up to *position*; None: there were no more."""

    number: int
    position: str | None


def count(res: Resources, what: What, wanted: Mapping[str, Any]) -> int:
    """Return how many things are as *wanted*; `COUNTED` stands for as many or more."""
    now = res.now()
    with res.database.begin() as conn:
        if what is What.PROCESS_EVENTS:
            return event_lists.count(conn, _events(wanted), at_most=COUNTED)
        if what is What.RESEND_NOTIFICATIONS:
            return deliveries.count_range(conn, **_range(wanted, now), at_most=COUNTED)
        found, after = 0, None
        while found < COUNTED:
            page = item_lists.page(conn, after, _items(wanted), now=now, grace=res.settings.stale_after, limit=1000)
            found, after = found + len(page.items), page.next
            if after is None:
                break
        return min(found, COUNTED)


def begin(res: Resources, what: What, wanted: Mapping[str, Any], *, operator: str) -> str:
    """Begin to do *what* to all that are as *wanted* now; return the id of the operation."""
    counted = count(res, what, wanted)
    now = res.now()
    with res.database.begin() as conn:
        # What comes later was not counted, and what is done may come again under a new number: it is not done twice.
        last = {"through": inbox.newest_id(conn)} if what is What.PROCESS_EVENTS else {}
        until = {"until": wanted.get("until") or now.isoformat()} if what is What.RESEND_NOTIFICATIONS else {}
        return bulk_operations.begin(
            conn, operator=operator, what=what.value, wanted={**wanted, **last, **until}, counted=counted, now=now
        )


def step(res: Resources) -> Step:
    """Do the next batch of the operation that began first of those that can go on."""
    with res.database.begin() as conn:
        ids = bulk_operations.running(conn)
    steps = [_step(res, id_) for id_ in ids]
    return next((each for each in (Step.WORKED, Step.WAITED) if each in steps), Step.IDLE)


def _step(res: Resources, id_: str) -> Step:
    with res.begin() as tx:
        operation = bulk_operations.lock(tx.conn, id_)
        if operation is None:
            return Step.IDLE
        done = _BATCHES[What(operation.what)](res, tx, operation)
        if done is None:
            return Step.WAITED
        if done.position is not None:
            bulk_operations.advance(tx.conn, id_, done=done.number, position=done.position)
        else:
            bulk_operations.finish(tx.conn, id_, "done", now=res.now())
    if done.position is None:
        log.info("bulk.done", operation_id=id_, what=operation.what)
    return Step.WORKED


def _process_events(res: Resources, tx: Transaction, operation: BulkOperation) -> _Done | None:
    through = operation.wanted["through"]
    found = event_lists.ids_after(
        tx.conn, int(operation.position or 0), _events(operation.wanted), through=through, limit=BATCH
    )
    for _, event_id in found:
        again = inbox.redrive(tx.conn, event_id, now=res.now())
        stored = None if again is None else inbox.get(tx.conn, again)
        if stored is not None:
            tx.after_commit(queue.task_of_event(stored.name), stored.event_id)
    return _Done(number=len(found), position=str(found[-1][0]) if found else None)


def _sync_items(res: Resources, tx: Transaction, operation: BulkOperation) -> _Done | None:
    if inbox.fetches_waiting(tx.conn, why=inbox.OPERATOR, at_most=MOST_WAITING) >= MOST_WAITING:
        return None
    ids, done = _next_items(res, tx, operation)
    requests.fetch_many(tx, ids, why=inbox.OPERATOR, now=res.now())
    return done


def _reconcile_items(res: Resources, tx: Transaction, operation: BulkOperation) -> _Done | None:
    try:
        if queue.length(res.redis, queue.RECONCILIATIONS) >= MOST_WAITING:
            return None
    except RedisError:
        return None
    ids, done = _next_items(res, tx, operation)
    # Not after the commit: what Redis did not take is not counted as done.
    if ids and not res.sender.send([Message(queue.RECONCILE_NOW, each) for each in ids]):
        return None
    return done


def _next_items(res: Resources, tx: Transaction, operation: BulkOperation) -> tuple[list[str], _Done]:
    page = item_lists.page(
        tx.conn,
        operation.position,
        _items(operation.wanted),
        now=res.now(),
        grace=res.settings.stale_after,
        limit=BATCH,
    )
    ids = [each.item.id for each in page.items if each.item.deleted_at is None]
    last = page.next or (ids[-1] if ids else None)
    return ids, _Done(number=len(ids), position=last)


def _resend(res: Resources, tx: Transaction, operation: BulkOperation) -> _Done | None:
    now = res.now()
    ids = deliveries.redrive_range(
        tx.conn,
        **_range(operation.wanted, now),
        # What was redriven may be delivered by the next round: it is not sent over and over.
        after=int(operation.position or 0),
        now=now,
        limit=BATCH,
    )
    return _Done(number=len(ids), position=str(max(ids)) if ids else None)


_BATCHES: Mapping[What, Callable[[Resources, Transaction, BulkOperation], _Done | None]] = {
    What.PROCESS_EVENTS: _process_events,
    What.SYNC_ITEMS: _sync_items,
    What.RECONCILE_ITEMS: _reconcile_items,
    What.RESEND_NOTIFICATIONS: _resend,
}


def _events(wanted: Mapping[str, Any]) -> event_lists.Filter:
    return event_lists.Filter(which=Which(wanted["which"]), item_id=wanted.get("item"))


def _items(wanted: Mapping[str, Any]) -> item_lists.Filter:
    freshness = wanted.get("freshness")
    return item_lists.Filter(
        client_user_id=wanted.get("user"),
        connector_id=wanted.get("bank"),
        freshness=None if freshness is None else State(freshness),
        status=wanted.get("status"),
    )


def _range(wanted: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    since, until = wanted.get("since"), wanted.get("until")
    return {
        "only_dead": wanted["state"] == "dead",
        "since": datetime.fromisoformat(since) if since else datetime.fromtimestamp(0, now.tzinfo),
        "until": datetime.fromisoformat(until) if until else now,
        "endpoint_id": wanted.get("to"),
    }
