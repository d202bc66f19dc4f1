"""An Item as products see it (product contract): Pluggy's fields as last seen, plus ours."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import marshmallow as ma

from pluggy_sync.pluggy import fields, payloads
from pluggy_sync.rules.freshness import Freshness, State, freshness_of
from pluggy_sync.rules.sharing import Shared, Sharing, sharing_of
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.store import item_views, shared_resources
from pluggy_sync.store.item_views import ItemView
from pluggy_sync.store.user_actions import Action
from webhook_app.api import pluggy_objects
from webhook_app.api.fields import Described, Instant, PluggyObject
from webhook_app.app_resources import resources

SHARING = (
    "What the bank shares of it by Open Finance: `shared`; `not_collected`: shared, and Pluggy has not collected it; "
    "`not_shared`; `temporarily_unavailable`; `waiting_for_approval`: the person, or a further approver, has to "
    "approve it at the bank. null: nothing says so, as of a direct connector"
)


class FreshnessSchema(ma.Schema):
    state = ma.fields.Str(
        required=True, validate=ma.validate.OneOf(list(State)), metadata={"description": "How fresh the data is"}
    )
    since = Instant(required=True, allow_none=True)
    reason = ma.fields.Str(
        required=True, allow_none=True, metadata={"description": "The code behind the state; null when all is well"}
    )


class ItemProductSchema(ma.Schema):
    is_updated = ma.fields.Bool(
        required=True, data_key="isUpdated", metadata={"description": "Collected in the last execution"}
    )
    last_updated_at = Instant(required=True, allow_none=True, data_key="lastUpdatedAt")
    warnings = ma.fields.List(Described("Warning"), required=True)
    sharing = ma.fields.Str(
        required=True, allow_none=True, validate=ma.validate.OneOf(list(Sharing)), metadata={"description": SHARING}
    )


class ItemSchema(PluggyObject):
    """An Item: Pluggy's fields as last seen, and ours."""

    PLUGGYS = pluggy_objects.ITEM

    id = ma.fields.Str(required=True)
    clientUserId = ma.fields.Str(required=True, allow_none=True)
    status = ma.fields.Str(
        required=True, allow_none=True, metadata={"description": "Null until the Item was first seen, or once deleted"}
    )
    executionStatus = ma.fields.Str(required=True, allow_none=True)
    connector = Described("Connector", required=True, allow_none=True)
    lastUpdatedAt = Instant(required=True, allow_none=True)
    nextAutoSyncAt = Instant(required=True, allow_none=True)
    consentExpiresAt = Instant(required=True, allow_none=True)
    freshness = ma.fields.Nested(FreshnessSchema, required=True)
    syncedThrough = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "The collection of transactions up to which everything is stored"},
    )
    replacedBy = ma.fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "The Item that brings its accounts now: the person connected the bank anew"},
    )
    openActions = ma.fields.List(ma.fields.Str(), required=True, metadata={"description": "Ids of unsettled actions"})
    products = ma.fields.Dict(
        keys=ma.fields.Str(),
        values=ma.fields.Nested(ItemProductSchema),
        required=True,
        metadata={
            "description": "By name as in Pluggy's `statusDetail`: how the last execution went for each data product"
        },
    )


def view(row: ItemView, actions: Sequence[Action], *, now: datetime) -> dict[str, Any]:
    """Return the Item in *row* as `ItemSchema` dumps it."""
    raw = row.raw or {}
    return {
        **raw,
        "id": row.id,
        "clientUserId": row.client_user_id,
        "status": row.status,
        "executionStatus": row.execution_status,
        "connector": _connector(row),
        "lastUpdatedAt": row.last_updated_at,
        "nextAutoSyncAt": row.next_auto_sync_at,
        "consentExpiresAt": row.consent_expires_at,
        "freshness": freshness(row, actions, now=now),
        "syncedThrough": row.synced_through,
        "replacedBy": row.replaced_by,
        "openActions": [action.id for action in actions],
        "products": {} if row.raw is None else _products(payloads.item(row.raw), shared_resources.of_json(row.shared)),
    }


def freshness(row: ItemView, actions: Sequence[Action], *, now: datetime) -> Freshness:
    """Return how fresh the Item is; *actions* are its unsettled ones, oldest first."""
    grace = resources().settings.stale_after
    return freshness_of(item_views.known(row, actions), now=now, grace=grace)


def _connector(row: ItemView) -> dict[str, Any] | None:
    if row.raw is None:
        return None
    connector = fields.object_of(row.raw.get("connector")) or {}
    if row.connector_status is None:
        return connector
    # An event of the connector may be newer than the view of the Item.
    return {
        **connector,
        "health": {**(fields.object_of(connector.get("health")) or {}), "status": row.connector_status},
    }


def _products(item: payloads.Item, shared: Shared | None) -> Mapping[str, Mapping[str, Any]]:
    """Return how each data product went; without detail from Pluggy, as the execution did (Pluggy facts 3.4)."""
    found = item.products
    if not found:
        each = payloads.Product(is_updated=item.status == UPDATED, last_updated_at=item.last_updated_at, warnings=[])
        found = {_camel(name): each for name in item.requested}
    return {name: {**dataclasses.asdict(each), "sharing": sharing(name, item, shared)} for name, each in found.items()}


def sharing(product: str, item: payloads.Item, shared: Shared | None) -> Sharing | None:
    """Return what the bank shares of the data product; None: nothing says so."""
    return sharing_of(product, shared, collected=item.collected_at(product) is not None)


def _camel(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(part.capitalize() for part in others)
