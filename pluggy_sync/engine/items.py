"""
Looking at an Item: fetch it, decide, and write the decision down in one transaction.

A look is saved unless a look that began later was saved before it, or it shows an older Item than the one stored.
Whatever happened between the two looks had its own event, and that event has its own look.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync import queue
from pluggy_sync.engine import actions
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.resources import Resources
from pluggy_sync.rules import window
from pluggy_sync.rules.decision import Decision, Step, decide
from pluggy_sync.store import connectors, inbox, item_progress, items, outbox
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# 404s in a row for one event before the Item is taken for deleted (about three hours, see `handling.BACKOFF_S`).
PATIENCE = 8
# A run takes minutes. If no event has told of the end of one that we had started by then, the Item is looked at.
FETCH_AFTER = timedelta(minutes=2)


def fetch(res: Resources, item_id: str, event_name: str, *, asked: int) -> Decision:
    """
    Fetch the Item, decide, save; return the decision. *asked* counts the looks for this event that found a 404.

    Raises:
        PluggyUnavailableError, PluggyRefusedError: as the client; nothing was saved.
    """
    with res.database.begin() as conn:
        event_seq = item_progress.get(conn, item_id).last_event_seq
        row = items.get(conn, item_id)
    deleted = row is not None and row.deleted_at is not None
    item = None if deleted else res.pluggy.item(item_id)
    decision = decide(event_name, item, deleted=deleted, asked=asked, patience=PATIENCE)
    if decision.step is Step.IGNORE:
        with res.database.begin() as conn:
            # The late event named the person again.
            inbox.remove_person(conn, item_id)
    elif decision.step is Step.PURGE:
        purge(res, item_id)
    elif item is not None and decision.step is not Step.FETCH_AGAIN:
        save(res, item, decision, event_seq=event_seq)
    return decision


def save(res: Resources, item: Item, decision: Decision, *, event_seq: int) -> None:
    """Write down what was seen and decided, and queue what follows from it."""
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item.id, now=now)
        if row.deleted_at is not None:
            return
        progress = item_progress.get(conn, item.id)
        if _outdated(row, item, fetched_seq=progress.fetched_seq, event_seq=event_seq):
            item_progress.mark_fetched(conn, item.id, through=event_seq)
            return
        _write(tx, res, item, decision, now=now)
        item_progress.mark_fetched(conn, item.id, through=event_seq)
        news = decision.step is Step.SYNC and window.updated_since(item, row.synced_update_at, row.synced_through)
        if news:
            item_progress.request_sync(conn, item.id, through=event_seq, now=now)
            tx.after_commit(queue.SYNC_ITEM, item.id)


def _outdated(row: sa.Row[Any], item: Item, *, fetched_seq: int, event_seq: int) -> bool:
    if event_seq < fetched_seq:
        return True
    older: bool = row.updated_at is not None and item.updated_at is not None and item.updated_at < row.updated_at
    return older


def _write(tx: Transaction, res: Resources, item: Item, decision: Decision, *, now: datetime) -> None:
    connector = item.connector
    if connectors.save(tx.conn, connector, now=now) and connector.id is not None:
        messages.connector_status_changed(tx, connector.id, connector.name, connector.status, now=now)
    items.save(tx.conn, item, now=now)
    actions.apply(tx, res, item, decision, now=now)


def purge(res: Resources, item_id: str) -> None:
    """Purge everything of the Item, leave its tombstone, and tell the product, once."""
    now = res.now()
    with res.begin() as tx:
        conn = tx.conn
        row = items.lock(conn, item_id, now=now)
        if row.deleted_at is not None:
            return
        # Where no product is told, the notification stays, and must not name anybody.
        client_user_id = row.client_user_id if res.settings.product_webhook_url else None
        items.purge(conn, item_id, now=now)
        # In order: what is on its way to the product at this moment comes first.
        due_at = outbox.drop_of_item(conn, item_id)
        inbox.remove_person(conn, item_id)
        messages.deleted(tx, item_id, client_user_id, due_at=due_at, now=now)
    log.info("item.purged", item_id=item_id)
