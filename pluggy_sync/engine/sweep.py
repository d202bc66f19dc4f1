"""
The sweep queues again what is due in Postgres and was not done.

With it Redis may lose any message.
"""

from datetime import timedelta

import structlog

from pluggy_sync import queue
from pluggy_sync.engine import actions, outages
from pluggy_sync.notifications import delivery
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox, item_progress, metrics, user_actions

log = structlog.get_logger(__name__)

# Per kind and sweep. The next sweep takes the rest.
LIMIT = 500
NOTIFICATIONS_LIMIT = 2000
RESEND_SYNC_AFTER = timedelta(seconds=60)
# For the metrics.
COUNT_ITEMS_EVERY = timedelta(minutes=1)


def sweep(res: Resources) -> None:
    """Queue the events, syncs and notifications that are due; close the actions whose deadline has passed."""
    now = res.now()
    with res.begin() as tx:
        event_ids = inbox.take_due(tx.conn, now=now, limit=LIMIT)
        item_ids = item_progress.take_due_syncs(tx.conn, now=now, until=now + RESEND_SYNC_AFTER, limit=LIMIT)
        url = res.settings.product_webhook_url
        notification_ids = [] if url is None else delivery.due(tx.conn, url, now=now, limit=NOTIFICATIONS_LIMIT)
        late = user_actions.past_deadline(tx.conn, now=res.pluggy_now(), limit=LIMIT)
        for task, ids in (
            (queue.HANDLE_EVENT, event_ids),
            (queue.SYNC_ITEM, item_ids),
            (queue.DELIVER, notification_ids),
        ):
            for each in ids:
                tx.after_commit(task, each)
    for item_id, action_id in late:
        actions.expire(res, item_id, action_id)
    outages.follow_up(res)
    with res.begin() as tx:
        metrics.count_items(tx.conn, now=now, unless_since=now - COUNT_ITEMS_EVERY)
    if event_ids or item_ids or late:
        log.info("sweep.found", events=len(event_ids), syncs=len(item_ids), expired=len(late))
