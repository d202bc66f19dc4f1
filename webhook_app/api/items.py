"""Items: list, one, and registering one that the product learnt of from the widget."""

import dataclasses
from typing import Any

import marshmallow as ma
from marshmallow import validate
from sqlalchemy import Connection

from pluggy_sync.engine import deletion, requests
from pluggy_sync.rules import refusals
from pluggy_sync.rules.freshness import State
from pluggy_sync.store import erased, item_lists, item_views, items, user_actions
from pluggy_sync.store.item_views import ItemView
from webhook_app.api import item_view, paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import ItemId, PageQuery, page_of
from webhook_app.api.item_view import ItemSchema
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("items", __name__, description="Connections of persons to their banks")

# What the column holds.
MAX_CONNECTOR_ID = 2**63 - 1


class ItemsQuery(PageQuery):
    client_user_id = ma.fields.Str(load_default=None, data_key="clientUserId")
    connector_id = ma.fields.Int(
        load_default=None,
        data_key="connectorId",
        validate=validate.Range(min=0, max=MAX_CONNECTOR_ID),
        metadata={"description": "Pluggy's number of the bank"},
    )
    freshness = ma.fields.Str(
        load_default=None,
        validate=validate.OneOf(list(State)),
        metadata={"description": "`freshness.state`. A page may then be short, even empty, and still have a `next`"},
    )
    state = ma.fields.Str(
        load_default=None,
        validate=validate.OneOf(list(State)),
        metadata={"description": "The older name of `freshness`"},
    )

    @ma.post_load
    def _one_name(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        older = data.pop("state")
        if None not in (older, data["freshness"]) and older != data["freshness"]:
            raise ma.ValidationError("Give either freshness or state.", field_name="state")
        return {**data, "freshness": data["freshness"] or older}


class NewItemSchema(ma.Schema):
    item_id = ItemId(required=True, data_key="itemId")
    client_user_id = ma.fields.Str(
        load_default=None, data_key="clientUserId", allow_none=True, validate=validate.Length(min=1, max=256)
    )


def known(conn: Connection, item_id: str) -> ItemView:
    """
    Return the Item with what belongs to its view, a deleted one too.

    Raises:
        ProblemError: it is not known here.
    """
    row = item_views.get(conn, item_id)
    if row is None:
        raise ProblemError("item-not-found")
    return row


def living(conn: Connection, item_id: str) -> ItemView:
    """
    Return the Item with what belongs to its view.

    Raises:
        ProblemError: it is not known here, or deleted.
    """
    row = known(conn, item_id)
    if row.deleted_at is not None:
        raise ProblemError("item-deleted")
    return row


def shown(conn: Connection, item_id: str) -> dict[str, Any]:
    """Return the view of the Item, which must be known."""
    row = known(conn, item_id)
    actions = user_actions.unsettled_of(conn, [item_id]).get(item_id, [])
    return item_view.view(row, actions, now=resources().now())


@blueprint.get("/items")
@blueprint.arguments(ItemsQuery, location="query")
@blueprint.response(200, page_of(ItemSchema, "ItemPage"))
@blueprint.refuses("invalid-cursor")
def list_items(query: dict[str, Any]) -> dict[str, Any]:
    """
    List Items, by id.

    Deleted ones are listed only with `freshness=deleted`.
    """
    position = paging.position_of(query["after"], paging.text)
    res = resources()
    now, grace = res.now(), res.settings.stale_after
    wanted = item_lists.Filter(
        client_user_id=query["client_user_id"],
        connector_id=query["connector_id"],
        freshness=None if query["freshness"] is None else State(query["freshness"]),
    )
    with res.database.begin() as conn:
        page = item_lists.page(
            conn, position[0] if position else None, wanted, now=now, grace=grace, limit=query["limit"]
        )
    found = [item_view.view(each.item, each.actions, now=now) for each in page.items]
    return {"results": found, "next": None if page.next is None else paging.cursor_to([page.next])}


@blueprint.post("/items")
@blueprint.arguments(NewItemSchema)
@blueprint.response(202, ItemSchema)
@blueprint.refuses("item-deleted", "client-user-mismatch", "user-erased")
def register_item(new: dict[str, Any]) -> dict[str, Any]:
    """
    Register an Item, after the widget's success.

    The first webhook does it too. Repeating it is harmless.
    """
    res = resources()
    item_id, client_user_id = new["item_id"], new["client_user_id"]
    with res.begin() as tx:
        conn = tx.conn
        if client_user_id is not None and erased.erasure_of_user(conn, client_user_id) is not None:
            raise ProblemError("user-erased")
        row = items.lock(conn, item_id, now=res.now())
        if row.deleted_at is not None:
            raise ProblemError("item-deleted")
        if client_user_id is not None:
            if row.client_user_id not in (None, client_user_id):
                raise ProblemError("client-user-mismatch")
            items.name_user(conn, item_id, client_user_id)
        requests.fetch_once(tx, item_id, why=requests.REGISTERED, now=res.now())
        return shown(conn, item_id)


@blueprint.get("/items/<item_id>")
@blueprint.response(200, ItemSchema)
@blueprint.refuses("item-not-found")
def get_item(item_id: str) -> dict[str, Any]:
    """Read one Item. A deleted one is only its id and `freshness`."""
    with resources().database.begin() as conn:
        return shown(conn, item_id)


@blueprint.delete("/items/<item_id>")
@blueprint.response(202, ItemSchema)
@blueprint.refuses("item-not-found", "pluggy-busy", "pluggy-unavailable", refusals.REFUSED, refusals.NOT_NOW)
def delete_item(item_id: str) -> dict[str, Any]:
    """
    Delete the Item at Pluggy, with its consent, and purge it here.

    If Pluggy does not answer, nothing is deleted anywhere: try again.
    """
    res = resources()
    with res.database.begin() as conn:
        before = known(conn, item_id)
    deletion.delete(res, item_id)
    now = res.now()
    with res.database.begin() as conn:
        # One that Pluggy never knew leaves no tombstone.
        row = item_views.get(conn, item_id) or dataclasses.replace(before, client_user_id=None, deleted_at=now)
    return item_view.view(row, [], now=now)
