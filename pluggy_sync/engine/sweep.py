"""
The sweep queues again what is due in Postgres and was not done.

With it Redis may lose any message.
"""

from datetime import timedelta

import structlog
from redis.exceptions import RedisError

from pluggy_sync import queue
from pluggy_sync.engine import actions, erasure, outages, succession
from pluggy_sync.engine.sync.item import ENDPOINTS
from pluggy_sync.notifications import delivery, housekeeping
from pluggy_sync.pluggy.client import FETCH_ITEM
from pluggy_sync.pluggy.rate_budget import Lane
from pluggy_sync.resources import Resources
from pluggy_sync.store import erasures, figures, inbox, item_progress, metrics, schedule, user_actions

log = structlog.get_logger(__name__)

# Per kind and sweep. The next sweep takes the rest.
LIMIT = 500
EVENTS_AT_LEAST = 50
NOTIFICATIONS_LIMIT = 2000
# If whoever took the message has died before its run began. With the sweep's own interval that is within promise 10.
RESEND_SYNC_AFTER = timedelta(seconds=30)
# For the metrics.
COUNT_ITEMS_EVERY = timedelta(minutes=1)


def sweep(res: Resources) -> None:
    """
    Queue the events, syncs and notifications that are due; close the actions whose deadline has passed.

    What needs the budget of requests is queued as far as there is some: the rest stays due, and takes no worker.
    """
    now = res.now()
    fetches, syncs = _room(res)
    with res.begin() as tx:
        urgent = inbox.take_due_urgent(tx.conn, now=now, limit=LIMIT)
        others = inbox.take_due(tx.conn, now=now, limit=fetches)
        item_ids = item_progress.take_due_syncs(tx.conn, now=now, until=now + RESEND_SYNC_AFTER, limit=syncs)
        url = res.settings.product_webhook_url
        delivery.queue_due(tx, environment_url=url, now=now, limit=NOTIFICATIONS_LIMIT)
        erasure_ids = erasures.take_due(tx.conn, now=now, until=now + erasure.ATTEMPT, limit=LIMIT)
        late = user_actions.past_deadline(tx.conn, now=res.pluggy_now(), limit=LIMIT)
        for task, ids in (
            (queue.HANDLE_URGENT_EVENT, urgent),
            (queue.HANDLE_EVENT, others),
            (queue.SYNC_ITEM, item_ids),
            (queue.ERASE, erasure_ids),
        ):
            for each in ids:
                tx.after_commit(task, each)
    for item_id, action_id in late:
        actions.expire(res, item_id, action_id)
    outages.follow_up(res)
    succession.queue_due_searches(res)
    housekeeping.tidy(res)
    erasure.seal_anew(res)
    with res.begin() as tx:
        metrics.count_items(tx.conn, now=now, unless_since=now - COUNT_ITEMS_EVERY)
        figures.take(tx.conn, now=now)
        schedule.done(tx.conn, queue.SWEEP, now=now)
    if urgent or others or item_ids or late:
        log.info("sweep.found", urgent=len(urgent), events=len(others), syncs=len(item_ids), expired=len(late))


def _room(res: Resources) -> tuple[int, int]:
    """Return how many events and how many syncs to queue at most."""
    try:
        fetches = res.pluggy.budget.left((FETCH_ITEM,), Lane.EVENTS)
        reads = res.pluggy.budget.left(ENDPOINTS, Lane.EVENTS)
    except RedisError:
        return LIMIT, LIMIT
    # Most events of a backlog are covered by the fetch for another one.
    return min(LIMIT, max(EVENTS_AT_LEAST, *fetches.values())), min(LIMIT, *reads.values())
