"""Items with all that their view needs, read for products. Callers own the transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules import needs
from pluggy_sync.rules.freshness import Known
from pluggy_sync.store.tables import connectors, item_progress, items, user_actions
from pluggy_sync.store.user_actions import UNSETTLED

_WITH_ALL = (
    sa.select(
        items,
        sa.func.coalesce(item_progress.c.sync_requested_seq > item_progress.c.synced_seq, sa.false()).label(
            "sync_pending"
        ),
        sa.func.coalesce(item_progress.c.sync_attempts, 0).label("sync_attempts"),
        connectors.c.status.label("connector_status"),
        connectors.c.updated_at.label("connector_status_at"),
    )
    .outerjoin(item_progress, item_progress.c.item_id == items.c.id)
    .outerjoin(connectors, connectors.c.id == items.c.connector_id)
)


def get(conn: Connection, item_id: str) -> sa.Row[Any] | None:
    """Return the Item with what belongs to its view, or None. A deleted one is a tombstone."""
    return conn.execute(_WITH_ALL.where(items.c.id == item_id)).one_or_none()


def after(
    conn: Connection, item_id: str | None, *, client_user_id: str | None, deleted: bool, limit: int
) -> Sequence[sa.Row[Any]]:
    """Return the next *limit* Items by id: those that are deleted, or those that are not."""
    stmt = _WITH_ALL.where(items.c.deleted_at.is_not(None) if deleted else items.c.deleted_at.is_(None))
    if item_id is not None:
        stmt = stmt.where(items.c.id > item_id)
    if client_user_id is not None:
        stmt = stmt.where(items.c.client_user_id == client_user_id)
    return conn.execute(stmt.order_by(items.c.id).limit(limit)).all()


def unsettled_actions(conn: Connection, item_ids: Sequence[str]) -> Mapping[str, Sequence[sa.Row[Any]]]:
    """Return the unsettled actions of each of the Items that has any, oldest first."""
    found: dict[str, list[sa.Row[Any]]] = {}
    rows = conn.execute(
        sa.select(user_actions)
        .where(user_actions.c.item_id.in_(item_ids), user_actions.c.state.in_(UNSETTLED))
        .order_by(user_actions.c.created_at, user_actions.c.id)
    )
    for row in rows:
        found.setdefault(row.item_id, []).append(row)
    return found


def known(row: sa.Row[Any], actions: Sequence[sa.Row[Any]]) -> Known:
    """Return what freshness is decided by, of an Item as read here and its unsettled *actions*, oldest first."""
    asked = next((each for each in actions if each.state == "open" and needs.blocks_updates(each.reason)), None)
    return Known(
        status=row.status,
        execution_status=row.execution_status,
        updated_at=row.updated_at,
        last_updated_at=row.last_updated_at,
        next_auto_sync_at=row.next_auto_sync_at,
        first_seen_at=row.first_seen_at,
        deleted_at=row.deleted_at,
        connector_status=row.connector_status,
        connector_status_at=row.connector_status_at,
        asked_at=None if asked is None else asked.created_at,
        asked_reason=None if asked is None else asked.reason,
        sync_pending=row.sync_pending,
        sync_attempts=row.sync_attempts,
    )
