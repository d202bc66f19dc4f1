"""Updating an Item now."""

from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.engine import refresh as refreshing
from pluggy_sync.engine.refresh import Result
from pluggy_sync.rules import refusals
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant
from webhook_app.app_resources import resources

blueprint = ApiBlueprint("refresh", __name__, description="Updating an Item now")


class RefreshSchema(ma.Schema):
    """How a request to update came out."""

    result = ma.fields.Str(required=True, validate=validate.OneOf(list(Result)))
    itemId = ma.fields.Str(required=True)
    availableAt = Instant(
        required=True, allow_none=True, metadata={"description": "For `fresh`: when Pluggy updates the Item again"}
    )


@blueprint.post("/items/<item_id>/refresh")
@blueprint.response(202, RefreshSchema, description="Started, or already running")
@blueprint.alt_response(
    200, schema=RefreshSchema, description="Already fresh: `availableAt` says when Pluggy updates it again"
)
@blueprint.refuses(
    "item-not-found",
    "item-deleted",
    "item-replaced",
    "action-required",
    *refusals.OF_PLUGGY,
    "pluggy-busy",
    "pluggy-unavailable",
)
def refresh_item(item_id: str) -> tuple[dict[str, Any], int]:
    """
    Update the Item now, if that needs nobody.

    202: started, or already running. 200: already fresh, with `availableAt`. 409 `action-required`: a person must act
    first; `action` says what to do. 409 `not-now`: Pluggy refuses for another reason, with its `pluggyCode` and
    `retryAt` where it gave them. 503 `bank-offline`: nobody can do anything now.
    """
    refreshed = refreshing.refresh(resources(), item_id)
    answer = {"result": refreshed.result, "itemId": item_id, "availableAt": refreshed.available_at}
    return answer, 200 if refreshed.result is Result.FRESH else 202
