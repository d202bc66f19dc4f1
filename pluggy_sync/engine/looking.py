"""
Looking at an Item: fetch it, decide, and write the decision down in one transaction.

A look is saved unless a look that began later was saved before it, or it shows an older Item than the one stored.
Whatever happened between the two looks had its own event, and that event has its own look.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from pluggy_sync import queue
from pluggy_sync.api.payloads import Item
from pluggy_sync.engine import settling
from pluggy_sync.notifications import messages
from pluggy_sync.resources import Resources
from pluggy_sync.rules import window
from pluggy_sync.rules.decision import Act, Decision, decide
from pluggy_sync.store import connectors, inbox, items, outbox

log = structlog.get_logger(__name__)

# 404s in a row for one event before the Item is taken for deleted (about three hours, see `handling.BACKOFF_S`).
PATIENCE = 8
# A run takes minutes. If no event has told of the end of one that we had started by then, the Item is looked at.
LOOK_AFTER = timedelta(minutes=2)


def look(res: Resources, item_id: str, event_name: str, *, asked: int) -> Decision:
    """
    Fetch the Item, decide, save; return the decision. *asked* counts the looks for this event that found a 404.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client; nothing was saved.
    """
    with res.database.begin() as conn:
        wanted = items.work(conn, item_id).wanted
        row = items.get(conn, item_id)
    deleted = row is not None and row.deleted_at is not None
    item = None if deleted else res.pluggy.item(item_id)
    decision = decide(event_name, item, deleted=deleted, asked=asked, patience=PATIENCE)
    if decision.act is Act.IGNORE:
        with res.database.begin() as conn:
            # The late event named the person again.
            inbox.forget_persons(conn, item_id)
    elif decision.act is Act.FORGET:
        forget(res, item_id)
    elif item is not None and decision.act is not Act.ASK_AGAIN:
        save(res, item, decision, wanted=wanted)
    return decision


def save(res: Resources, item: Item, decision: Decision, *, wanted: int) -> None:
    """Write down what was seen and decided, and queue what follows from it."""
    now = res.now()
    with res.database.begin() as conn:
        row = items.lock(conn, item.id, now=now)
        if row.deleted_at is not None:
            return
        work = items.work(conn, item.id)
        if _outdated(row, item, looked=work.looked, wanted=wanted):
            items.mark_looked(conn, item.id, through=wanted)
            return
        notifications = _write(conn, res, item, decision, now=now)
        items.mark_looked(conn, item.id, through=wanted)
        news = decision.act is Act.SYNC and window.updated_since(item, row.synced_update_at, row.synced_through)
        if news:
            items.want_sync(conn, item.id, through=wanted, now=now)
    for notification_id in notifications:
        res.send(queue.DELIVER, notification_id)
    if news:
        res.send(queue.SYNC_ITEM, item.id)


def _outdated(row: sa.Row[Any], item: Item, *, looked: int, wanted: int) -> bool:
    if wanted < looked:
        return True
    older: bool = row.updated_at is not None and item.updated_at is not None and item.updated_at < row.updated_at
    return older


def _write(conn: Connection, res: Resources, item: Item, decision: Decision, *, now: datetime) -> Sequence[str]:
    notifications: list[str] = []
    connector = item.connector
    if connectors.save(conn, connector, now=now):
        notifications.append(
            messages.connector_status_changed(conn, connector.id, connector.name, connector.status, now=now)
        )
    items.save(conn, item, now=now)
    notifications += settling.apply(conn, res, item, decision, now=now)
    return notifications


def forget(res: Resources, item_id: str) -> None:
    """Purge everything of the Item, leave its tombstone, and tell the product, once."""
    now = res.now()
    with res.database.begin() as conn:
        row = items.lock(conn, item_id, now=now)
        if row.deleted_at is not None:
            return
        client_user_id = row.client_user_id
        items.purge(conn, item_id, now=now)
        outbox.drop_of_item(conn, item_id)
        inbox.forget_persons(conn, item_id)
        notification_id = messages.deleted(conn, item_id, client_user_id, now=now)
    log.info("item.purged", item_id=item_id)
    res.send(queue.DELIVER, notification_id)
