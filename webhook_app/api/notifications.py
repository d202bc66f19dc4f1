"""The stream of notifications: everything that the product is told, to be read by cursor, and sending one again."""

from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync import wire
from pluggy_sync.notifications import endpoints as use
from pluggy_sync.notifications.messages import TYPES
from pluggy_sync.store import outbox, streams
from pluggy_sync.store.outbox import Streamed
from webhook_app.api import access, paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Cursor, Instant, ItemId, PageQuery, page_of
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("notifications", __name__, description="What the product is told, by cursor")


class StreamQuery(PageQuery):
    after = Cursor(
        load_default=None,
        metadata={"description": "`cursor` of the last notification that was read; absent: from the beginning"},
    )
    type = ma.fields.Str(load_default=None, validate=validate.OneOf(TYPES))
    item_id = ItemId(load_default=None, data_key="itemId")


class ResendSchema(ma.Schema):
    endpoint_id = ma.fields.Str(
        load_default=None,
        data_key="endpointId",
        validate=validate.Length(min=1, max=100),
        metadata={"description": "Only there; absent: to each endpoint that it was for"},
    )


class NotificationSchema(ma.Schema):
    """A notification, as it is delivered, and its place in the stream."""

    id = ma.fields.Str(required=True, metadata={"description": "As in the header `webhook-id`"})
    type = ma.fields.Str(required=True, validate=validate.OneOf(TYPES))
    timestamp = Instant(required=True)
    data = ma.fields.Dict(keys=ma.fields.Str(), required=True)
    cursor = ma.fields.Str(
        required=True, metadata={"description": "Send it as `after` to read on from here, at any time"}
    )


class ResentSchema(ma.Schema):
    """A notification that is sent again."""

    id = ma.fields.Str(required=True)
    endpoints = ma.fields.List(ma.fields.Str(), required=True, metadata={"description": "Ids of those it goes to"})


@blueprint.get("/notifications")
@blueprint.arguments(StreamQuery, location="query")
@blueprint.response(200, page_of(NotificationSchema, "NotificationPage"))
@blueprint.refuses("invalid-cursor")
def list_notifications(query: dict[str, Any]) -> dict[str, Any]:
    """
    Read the notifications in the order in which they were committed, without gaps.

    Keep the `cursor` of the last one. A product that was away reads on from it, also when `next` was null. A cursor
    after which some were removed by age is refused: what they told is in the change feed and the Items.
    """
    position = paging.position_of(query["after"], paging.number)
    with resources().database.begin() as conn:
        streams.number(conn)
    with resources().database.begin() as conn:
        if position is not None and position[0] > streams.newest(conn):
            raise paging.invalid_cursor()
        if position is not None and position[0] < streams.removed_through(conn):
            raise paging.outdated_cursor()
        found = outbox.after(
            conn,
            0 if position is None else position[0],
            type_=query["type"],
            item_id=query["item_id"],
            limit=query["limit"] + 1,
        )
    return paging.page(found, query["limit"], lambda row: [row.position], _view)


@blueprint.post("/notifications/<notification_id>/resend")
@blueprint.arguments(ResendSchema)
@blueprint.response(202, ResentSchema)
@blueprint.refuses("notification-not-found", "endpoint-not-found")
def resend_notification(given: dict[str, Any], notification_id: str) -> dict[str, Any]:
    """Deliver a notification again now, with the same id, whatever became of it."""
    sent = use.resend(resources(), notification_id, endpoint_id=given["endpoint_id"])
    if sent is None:
        raise ProblemError("notification-not-found")
    if not sent and given["endpoint_id"] is not None:
        raise ProblemError("endpoint-not-found")
    return {"id": notification_id, "endpoints": sent}


def _view(row: Streamed) -> dict[str, Any]:
    body = wire.decode(row.body)
    if "action" in body["data"]:
        body["data"]["action"] = access.without_link(body["data"]["action"])
    return {"id": row.id, **body, "cursor": paging.cursor_to([row.position])}
