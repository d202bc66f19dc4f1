"""
Doing the service's work in the test's own process, without Celery workers.

The messages are the real ones: they are taken from Valkey, in the order in which they were sent. The real sweep finds
what was rescheduled or lost, once the clock has been moved to when it is due. No real time passes.
"""

import base64
import functools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pluggy_sync import queue
from pluggy_sync.engine import erasure, events, reconciliation, succession, sweep
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.notifications import delivery
from pluggy_sync.resources import Resources
from pluggy_sync.store.item_progress import SYNC_PENDING
from pluggy_sync.store.tables import deliveries, endpoints, inbox, item_progress, items, predecessor_searches
from tests.kit.clock import Clock

_TASKS: dict[str, Callable[[Resources, str], None]] = {
    queue.HANDLE_EVENT: events.handle_event,
    queue.HANDLE_URGENT_EVENT: events.handle_event,
    queue.SYNC_ITEM: item_sync.sync_item,
    queue.ERASE: erasure.work,
    queue.FIND_PREDECESSORS: succession.find_predecessors,
    queue.DELIVER: delivery.deliver,
    queue.DELIVER_URGENT: delivery.deliver,
    queue.RECONCILE_NOW: reconciliation.reconcile,
}

Message = tuple[str, str]


WORK = (queue.URGENT, queue.EVENTS, queue.SYNCS, queue.URGENT_NOTIFICATIONS, queue.NOTIFICATIONS)


def take_messages(res: Resources, *queues: str) -> list[Message]:
    """Take all messages out of *queues* (of all work unless named); return each as task and argument, oldest first."""
    assert res.publisher.wait(within_s=30)
    messages = []
    for name in queues or WORK:
        while (raw := res.redis.rpop(name)) is not None:
            message = json.loads(raw)
            args, _, _ = json.loads(base64.b64decode(message["body"]))
            messages.append((message["headers"]["task"], args[0]))
    return messages


def run_message(res: Resources, message: Message) -> None:
    """Run one task as a worker would."""
    task, argument = message
    _TASKS[task](res, argument)


def run_queued(res: Resources) -> int:
    """Run the queued tasks, and those that they queue, until the queues are empty; return how many ran."""
    ran = 0
    while messages := take_messages(res):
        for message in messages:
            run_message(res, message)
            ran += 1
            assert ran < 10_000, "the service keeps itself busy without end"
    return ran


def next_due_at(res: Resources) -> datetime | None:
    """
    Return when the sweep will next find something to do, or None if nothing is left to do.

    A part of an Item that could not be read is tried again for ever, more and more rarely: that is not waited for.
    """
    stmt = _next_due_at(environment_has_url=res.settings.product_webhook_url is not None)
    with res.database.begin() as conn:
        moments = conn.execute(stmt).one()
    return min((moment for moment in moments if moment is not None), default=None)


@functools.cache
def _next_due_at(*, environment_has_url: bool) -> sa.Select[Any]:
    pending_event = sa.select(sa.func.min(inbox.c.due_at)).where(inbox.c.state == "stored")
    wanted_sync = (
        sa.select(sa.func.min(sa.func.greatest(item_progress.c.due_at, items.c.lease_until)))
        .join(items, items.c.id == item_progress.c.item_id)
        .where(SYNC_PENDING, items.c.deleted_at.is_(None))
    )
    before = deliveries.alias("before")
    ready_at = sa.func.greatest(
        deliveries.c.due_at, deliveries.c.claimed_until, deliveries.c.queued_until, endpoints.c.retry_at
    )
    undelivered = sa.select(sa.func.min(ready_at)).where(
        deliveries.c.state == "pending",
        endpoints.c.id == deliveries.c.endpoint_id,
        endpoints.c.stopped_at.is_(None),
        endpoints.c.enabled,
        ~sa.exists().where(
            before.c.endpoint_id == deliveries.c.endpoint_id,
            before.c.item_id == deliveries.c.item_id,
            before.c.sequence < deliveries.c.sequence,
            before.c.state == "pending",
        ),
    )
    if not environment_has_url:
        undelivered = undelivered.where(endpoints.c.url.is_not(None))
    search = sa.select(sa.func.min(predecessor_searches.c.due_at))
    wanted = (pending_event, wanted_sync, undelivered, search)
    return sa.select(*[each.scalar_subquery() for each in wanted])


def run_until_quiet(res: Resources) -> None:
    """Run everything that is queued, and everything that the sweep finds when it is due, until nothing is left."""
    clock = res.now
    assert isinstance(clock, Clock), "time has to be moved"
    for _ in range(2_000):
        run_queued(res)
        due_at = next_due_at(res)
        if due_at is None:
            return
        clock.advance_to(due_at)
        sweep.sweep(res)
    raise AssertionError("the service does not become quiet")
