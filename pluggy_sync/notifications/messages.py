"""
The notifications: their types and what their `data` holds (product contract). Thin: ids and what is needed to act.

Each is written to the outbox in the transaction that caused it. The caller holds the Item's write lock.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.api import wire
from pluggy_sync.notifications import action_view
from pluggy_sync.store import items, outbox

ACTION_REQUIRED = "item.action_required"
ACTION_RESOLVED = "item.action_resolved"
ACTION_EXPIRED = "item.action_expired"
ACTION_REMINDER = "item.action_reminder"
CONSENT_EXPIRING = "item.consent_expiring"
STALE = "item.stale"
SYNCED = "item.synced"
SYNC_FAILED = "item.sync_failed"
DELETED = "item.deleted"
CONNECTOR_STATUS_CHANGED = "connector.status_changed"


def action_required(conn: Connection, action: sa.Row[Any], links: action_view.PageLinks, *, now: datetime) -> str:
    """Tell that a person must act; return the notification's id."""
    data = {"action": action_view.of_row(action, links)}
    return _about_item(conn, ACTION_REQUIRED, action.item_id, action.client_user_id, data, now=now)


def action_settled(conn: Connection, action: sa.Row[Any], type_: str, outcome: str, *, now: datetime) -> str:
    """Tell that an action is resolved or expired; return the notification's id."""
    data = {"action": {"id": action.id, "kind": action.kind, "outcome": outcome}}
    return _about_item(conn, type_, action.item_id, action.client_user_id, data, now=now)


def action_reminder(
    conn: Connection, action: sa.Row[Any], links: action_view.PageLinks, *, number: int, now: datetime
) -> str:
    """Tell again that a person must act, for the *number*-th time; return the notification's id."""
    data = {"action": action_view.of_row(action, links), "number": number}
    return _about_item(conn, ACTION_REMINDER, action.item_id, action.client_user_id, data, now=now)


def consent_expiring(
    conn: Connection, action: sa.Row[Any], links: action_view.PageLinks, *, days_left: int, now: datetime
) -> str:
    """Tell that the Item's consent ends soon; *action* is its renewal. Return the notification's id."""
    data = {
        "consentExpiresAt": wire.to_text(action.expires_at),
        "daysLeft": days_left,
        "action": action_view.of_row(action, links),
    }
    return _about_item(conn, CONSENT_EXPIRING, action.item_id, action.client_user_id, data, now=now)


def stale(conn: Connection, item: sa.Row[Any], *, now: datetime) -> str:
    """Tell that the Item is behind its expected update; return the notification's id."""
    data = {
        "status": item.status,
        "reason": item.execution_status,
        "lastUpdatedAt": wire.to_text(item.last_updated_at),
        "nextAutoSyncAt": wire.to_text(item.next_auto_sync_at),
    }
    return _about_item(conn, STALE, item.id, item.client_user_id, data, now=now)


def synced(conn: Connection, run: sa.Row[Any], client_user_id: str | None, *, now: datetime) -> str:
    """Tell what a sync changed and from where to read the changes; return the notification's id."""
    data = {
        "run": {
            "id": str(run.id),
            "trigger": run.trigger,
            "window": {
                "from": None if run.window_from is None else run.window_from.isoformat(),
                "to": wire.to_text(run.window_to),
            },
            "added": run.added,
            "modified": run.modified,
            "removed": run.removed,
        },
        # The feed as it stood when the run began: reading on from here gives what the run changed.
        "cursor": str(run.cursor),
    }
    return _about_item(conn, SYNCED, run.item_id, client_user_id, data, now=now)


def sync_failed(
    conn: Connection,
    run: sa.Row[Any],
    client_user_id: str | None,
    *,
    will_retry_at: datetime | None,
    now: datetime,
) -> str:
    """Tell that a sync failed; return the notification's id."""
    data = {"run": {"id": str(run.id), "error": run.error}, "willRetryAt": wire.to_text(will_retry_at)}
    return _about_item(conn, SYNC_FAILED, run.item_id, client_user_id, data, now=now)


def deleted(conn: Connection, item_id: str, client_user_id: str | None, *, now: datetime) -> str:
    """Tell that the Item is gone and its data purged; return the notification's id."""
    return _about_item(conn, DELETED, item_id, client_user_id, {}, now=now)


def connector_status_changed(
    conn: Connection, connector_id: int, name: str | None, status: str | None, *, now: datetime
) -> str:
    """Tell that a connector works, is unstable, or is offline; return the notification's id."""
    data = {"connectorId": connector_id, "name": name, "status": status}
    return _store(conn, CONNECTOR_STATUS_CHANGED, None, None, data, now=now)


def _about_item(
    conn: Connection,
    type_: str,
    item_id: str,
    client_user_id: str | None,
    data: Mapping[str, Any],
    *,
    now: datetime,
) -> str:
    sequence = items.next_notification(conn, item_id)
    whole = {"itemId": item_id, "clientUserId": client_user_id, "sequence": sequence, **data}
    return _store(conn, type_, item_id, sequence, whole, now=now)


def _store(
    conn: Connection,
    type_: str,
    item_id: str | None,
    sequence: int | None,
    data: Mapping[str, Any],
    *,
    now: datetime,
) -> str:
    notification_id = outbox.new_id()
    body = wire.encode({"type": type_, "timestamp": wire.to_text(now), "data": data}).decode()
    outbox.add(
        conn,
        notification_id=notification_id,
        type_=type_,
        item_id=item_id,
        sequence=sequence,
        body=body,
        now=now,
    )
    return notification_id
