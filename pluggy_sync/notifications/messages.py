"""
The notifications: their types and what their `data` holds (product contract). Thin: ids and what is needed to act.

Each is written to the outbox in the transaction that causes it, with a delivery for each endpoint that it is for, and
queued after the commit.
The caller holds the Item's write lock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pluggy_sync import cause, queue, wire
from pluggy_sync.notifications import action_view
from pluggy_sync.page_links import PageLinks
from pluggy_sync.store import deliveries, endpoints, items, outbox
from pluggy_sync.store.alerts import Alert
from pluggy_sync.store.bank_incidents import Return
from pluggy_sync.store.endpoints import Endpoint
from pluggy_sync.store.items import StoredItem
from pluggy_sync.store.sync_runs import SyncRun
from pluggy_sync.store.user_actions import Action
from pluggy_sync.texts.catalogue import Texts
from pluggy_sync.transaction import Transaction

ACTION_REQUIRED = "item.action_required"
ACTION_RESOLVED = "item.action_resolved"
ACTION_EXPIRED = "item.action_expired"
ACTION_REMINDER = "item.action_reminder"
CONSENT_EXPIRING = "item.consent_expiring"
STALE = "item.stale"
SYNCED = "item.synced"
SYNC_FAILED = "item.sync_failed"
DELETED = "item.deleted"
BANK_BACK = "item.bank_back"
REPLACED = "item.replaced"
REPLACEMENT_UNDONE = "item.replacement_undone"
CONNECTOR_STATUS_CHANGED = "connector.status_changed"
ENDPOINT_PING = "endpoint.ping"
ENDPOINT_DISABLED = "endpoint.disabled"
SYSTEM_ALERT = "system.alert"
SYSTEM_ALERT_CLEARED = "system.alert_cleared"

TYPES = (
    ACTION_REQUIRED,
    ACTION_REMINDER,
    ACTION_RESOLVED,
    ACTION_EXPIRED,
    SYNCED,
    SYNC_FAILED,
    STALE,
    DELETED,
    CONSENT_EXPIRING,
    BANK_BACK,
    REPLACED,
    REPLACEMENT_UNDONE,
    CONNECTOR_STATUS_CHANGED,
    ENDPOINT_PING,
    ENDPOINT_DISABLED,
    SYSTEM_ALERT,
    SYSTEM_ALERT_CLEARED,
)
# A person waits for what these bring.
URGENT = frozenset({ACTION_REQUIRED, ACTION_RESOLVED, ACTION_EXPIRED})


def action_required(tx: Transaction, action: Action, links: PageLinks, texts: Texts, *, now: datetime) -> None:
    """Tell that a person must act."""
    data = {"action": action_view.of_row(action, links, texts)}
    _about_item(tx, ACTION_REQUIRED, action.item_id, action.client_user_id, data, now=now)


def action_settled(tx: Transaction, action: Action, type_: str, outcome: str, *, now: datetime) -> None:
    """Tell that an action is resolved or expired."""
    data = {"action": {"id": action.id, "kind": action.kind, "outcome": outcome}}
    _about_item(tx, type_, action.item_id, action.client_user_id, data, now=now)


def action_reminder(
    tx: Transaction, action: Action, links: PageLinks, texts: Texts, *, number: int, now: datetime
) -> None:
    """Tell again that a person must act, for the *number*-th time."""
    data = {"action": action_view.of_row(action, links, texts), "number": number}
    _about_item(tx, ACTION_REMINDER, action.item_id, action.client_user_id, data, now=now)


def consent_expiring(
    tx: Transaction, action: Action, links: PageLinks, texts: Texts, *, days_left: int, now: datetime
) -> None:
    """Tell that the Item's consent ends soon; *action* is its renewal."""
    data = {
        "consentExpiresAt": wire.to_text(action.expires_at),
        "daysLeft": days_left,
        "action": action_view.of_row(action, links, texts),
    }
    _about_item(tx, CONSENT_EXPIRING, action.item_id, action.client_user_id, data, now=now)


def stale(tx: Transaction, item: StoredItem, *, now: datetime) -> None:
    """Tell that the Item is behind its expected update."""
    data = {
        "status": item.status,
        "reason": item.execution_status,
        "lastUpdatedAt": wire.to_text(item.last_updated_at),
        "nextAutoSyncAt": wire.to_text(item.next_auto_sync_at),
    }
    _about_item(tx, STALE, item.id, item.client_user_id, data, now=now)


def synced(
    tx: Transaction,
    run: SyncRun,
    client_user_id: str | None,
    *,
    cursor: int,
    incomplete: Sequence[Mapping[str, str | None]],
    now: datetime,
) -> None:
    """Tell what a sync changed, from which *cursor* to read the changes, and which parts could not be read."""
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
        # Where the feed stood when the product was told last: from here it reads all that changed since.
        "cursor": str(cursor),
        "incomplete": list(incomplete),
    }
    _about_item(tx, SYNCED, run.item_id, client_user_id, data, now=now)


def sync_failed(
    tx: Transaction,
    run: SyncRun,
    client_user_id: str | None,
    *,
    will_retry_at: datetime | None,
    now: datetime,
) -> None:
    """Tell that a sync failed."""
    data = {"run": {"id": str(run.id), "error": run.error}, "willRetryAt": wire.to_text(will_retry_at)}
    _about_item(tx, SYNC_FAILED, run.item_id, client_user_id, data, now=now)


def deleted(
    tx: Transaction,
    item_id: str,
    client_user_id: str | None,
    *,
    replaced_by: str | None = None,
    due_at: datetime | None = None,
    now: datetime,
) -> None:
    """
    Tell that the Item is gone and its data purged; not before *due_at*, if that is given.

    *replaced_by*: the Item that brings its accounts. Its `item.replaced` may be dropped with it before it is delivered.
    """
    _about_item(tx, DELETED, item_id, client_user_id, {"replacedBy": replaced_by}, due_at=due_at, now=now)


def bank_back(tx: Transaction, item: StoredItem, returned: Return, *, name: str | None, now: datetime) -> None:
    """Tell that the bank of an Item is back, which an incident had hit; *name*: of the connector."""
    data = {
        "connectorId": returned.connector_id,
        "name": name,
        "incident": {
            "type": returned.incident_type,
            "since": wire.to_text(returned.since),
            "until": wire.to_text(returned.back_at),
        },
    }
    _about_item(tx, BANK_BACK, item.id, item.client_user_id, data, now=now)


def replaced(
    tx: Transaction,
    item_id: str,
    client_user_id: str | None,
    *,
    by: str,
    accounts: Sequence[Mapping[str, str]],
    now: datetime,
) -> None:
    """Tell that another Item brings the Item's *accounts* from now on, each `old` one under its `new` id."""
    _about_item(tx, REPLACED, item_id, client_user_id, {"by": by, "accounts": list(accounts)}, now=now)


def replacement_undone(tx: Transaction, item_id: str, client_user_id: str | None, *, by: str, now: datetime) -> None:
    """Tell that the Item is in its own place again."""
    _about_item(tx, REPLACEMENT_UNDONE, item_id, client_user_id, {"by": by}, now=now)


def without_person(body: str) -> str:
    """Return the body of an `item.deleted` without the person's id. This is kept after the delivery."""
    told = wire.decode(body)
    return wire.encode({**told, "data": {**told["data"], "clientUserId": None}}).decode()


def connector_status_changed(
    tx: Transaction, connector_id: int, name: str | None, status: str | None, *, now: datetime
) -> None:
    """Tell that a connector works, is unstable, or is offline."""
    data = {"connectorId": connector_id, "name": name, "status": status}
    _store(tx, CONNECTOR_STATUS_CHANGED, None, None, data, due_at=now, now=now)


def endpoint_disabled(tx: Transaction, endpoint_id: str, reason: str, *, now: datetime) -> None:
    """Tell the other endpoints that this one was stopped; *reason*: as in `store/endpoints.py`."""
    others = [each for each in endpoints.receivers(tx.conn, ENDPOINT_DISABLED) if each.id != endpoint_id]
    data = {"endpointId": endpoint_id, "reason": reason}
    _store(tx, ENDPOINT_DISABLED, None, None, data, to=others, due_at=now, now=now)


def endpoint_ping(tx: Transaction, endpoint: Endpoint, *, now: datetime) -> str:
    """Send *endpoint* alone something to try it with; return the id of the notification."""
    return _store(tx, ENDPOINT_PING, None, None, {"endpointId": endpoint.id}, to=[endpoint], due_at=now, now=now)


def system_alert(tx: Transaction, alert: Alert, *, now: datetime) -> None:
    """Tell that the service, or something it depends on, is in trouble."""
    _about_system(tx, SYSTEM_ALERT, alert, now)


def system_alert_cleared(tx: Transaction, alert: Alert, *, now: datetime) -> None:
    """Tell that a trouble is over that was told."""
    _about_system(tx, SYSTEM_ALERT_CLEARED, alert, now)


def _about_system(tx: Transaction, type_: str, alert: Alert, now: datetime) -> None:
    data = {
        "code": alert.code.value,
        "subject": alert.subject or None,
        "detail": alert.detail,
        "since": wire.to_text(alert.since),
    }
    _store(tx, type_, None, None, data, due_at=now, now=now)


def _about_item(
    tx: Transaction,
    type_: str,
    item_id: str,
    client_user_id: str | None,
    data: Mapping[str, Any],
    *,
    due_at: datetime | None = None,
    now: datetime,
) -> None:
    sequence = items.next_notification(tx.conn, item_id)
    whole = {"itemId": item_id, "clientUserId": client_user_id, "sequence": sequence, **data}
    _store(tx, type_, item_id, sequence, whole, due_at=due_at or now, now=now)


def _store(
    tx: Transaction,
    type_: str,
    item_id: str | None,
    sequence: int | None,
    data: Mapping[str, Any],
    *,
    to: Sequence[Endpoint] | None = None,
    due_at: datetime,
    now: datetime,
) -> str:
    """Write the notification and its delivery to each endpoint that it is for, or to those in *to*; return its id."""
    notification_id = outbox.new_id()
    body = wire.encode({"type": type_, "timestamp": wire.to_text(now), "data": data}).decode()
    outbox.add(
        tx.conn,
        notification_id=notification_id,
        type_=type_,
        item_id=item_id,
        sequence=sequence,
        body=body,
        received_at=cause.received_at(),
        now=now,
    )
    for endpoint in endpoints.receivers(tx.conn, type_) if to is None else to:
        delivery_id = deliveries.add(
            tx.conn,
            endpoint_id=endpoint.id,
            notification_id=notification_id,
            item_id=item_id,
            sequence=sequence,
            due_at=due_at,
            now=now,
        )
        # What waits for an endpoint that fails is queued when its time has come.
        if endpoint.is_live and endpoint.failing_since is None:
            tx.after_commit(queue.DELIVER_URGENT if type_ in URGENT else queue.DELIVER, str(delivery_id))
    return notification_id
