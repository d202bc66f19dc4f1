"""
Items with all that their view needs, read for products and operators. Callers own the transaction.

Tests: `webhook_app/api/test_items.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules import needs
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.freshness import Known
from pluggy_sync.store import items as item_queries
from pluggy_sync.store.items import StoredItem
from pluggy_sync.store.tables import connectors, item_progress, items
from pluggy_sync.store.user_actions import Action


@dataclass(frozen=True, kw_only=True)
class ItemView(StoredItem):
    """An Item with its progress, the contradiction in Pluggy's last answer, and the status of its connector."""

    sync_pending: bool
    sync_attempts: int
    contradiction: str | None
    refetches: int
    connector_status: str | None
    connector_status_at: datetime | None


_WITH_ALL = (
    sa.select(
        *item_queries.COLUMNS,
        sa.func.coalesce(item_progress.c.sync_requested_seq > item_progress.c.synced_seq, sa.false()).label(
            "sync_pending"
        ),
        sa.func.coalesce(item_progress.c.sync_attempts, 0).label("sync_attempts"),
        item_progress.c.contradiction,
        sa.func.coalesce(item_progress.c.refetches, 0).label("refetches"),
        connectors.c.status.label("connector_status"),
        connectors.c.updated_at.label("connector_status_at"),
    )
    .outerjoin(item_progress, item_progress.c.item_id == items.c.id)
    .outerjoin(connectors, connectors.c.id == items.c.connector_id)
)


def get(conn: Connection, item_id: str) -> ItemView | None:
    """Return the Item with what belongs to its view, or None. A deleted one is a tombstone."""
    row = conn.execute(_WITH_ALL.where(items.c.id == item_id)).one_or_none()
    return None if row is None else ItemView(**row._mapping)


def after(
    conn: Connection, item_id: str | None, *, client_user_id: str | None, deleted: bool, limit: int
) -> Sequence[ItemView]:
    """Return the next *limit* Items by id: those that are deleted, or those that are not."""
    stmt = _WITH_ALL.where(items.c.deleted_at.is_not(None) if deleted else items.c.deleted_at.is_(None))
    if item_id is not None:
        stmt = stmt.where(items.c.id > item_id)
    if client_user_id is not None:
        stmt = stmt.where(items.c.client_user_id == client_user_id)
    return [ItemView(**row._mapping) for row in conn.execute(stmt.order_by(items.c.id).limit(limit))]


def known(item: ItemView, actions: Sequence[Action]) -> Known:
    """Return what decides about freshness, from an Item and its unsettled *actions*, oldest first."""
    asked = next((each for each in actions if each.state == OPEN and needs.blocks_updates(each.reason)), None)
    not_found = item.contradiction == Contradiction.NOT_FOUND
    return Known(
        status=item.status,
        execution_status=item.execution_status,
        updated_at=item.updated_at,
        last_updated_at=item.last_updated_at,
        next_auto_sync_at=item.next_auto_sync_at,
        first_seen_at=item.first_seen_at,
        deleted_at=item.deleted_at,
        connector_status=item.connector_status,
        connector_status_at=item.connector_status_at,
        asked_at=None if asked is None else asked.created_at,
        asked_reason=None if asked is None else asked.reason,
        sync_pending=item.sync_pending,
        sync_attempts=item.sync_attempts,
        update_pending=item.contradiction is not None and not not_found,
        not_found=item.refetches if not_found else 0,
    )
