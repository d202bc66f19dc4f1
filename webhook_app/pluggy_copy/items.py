"""Items: one, and the list of all (Pluggy facts 3.1, 13.1). What is sent to Pluggy about them is in `passing_on`."""

from http import HTTPStatus

from flask import Blueprint, Response
from sqlalchemy import Connection

from pluggy_sync.store import items, pluggy_reads
from pluggy_sync.store.pluggy_reads import PluggyObject
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import cursors, query
from webhook_app.pluggy_copy.answers import PREFIX, RefusedError, answer, found, not_found

blueprint = Blueprint("pluggy_items", __name__, url_prefix=PREFIX)

_FILTERS = frozenset({"clientUserId", "connectorId", "after"})
_ROWS = 100
_LONGEST_USER_ID = 255
# What the column holds.
_MOST_CONNECTOR_ID = 2**63 - 1


@blueprint.get("/items/<item_id>")
def show(item_id: str) -> Response:
    """Show an Item as it was last fetched."""
    with resources().database.begin() as conn:
        row = items.get(conn, query.item_id(item_id))
    return found(None if row is None or row.raw is None else PluggyObject(row.raw), "Item")


@blueprint.get("/v2/items")
def show_page() -> Response:
    """List Items by cursor, those first that were heard of last."""
    query.refuse_unknown(_FILTERS)
    client_user_id = query.text("clientUserId")
    if client_user_id is not None and len(client_user_id) > _LONGEST_USER_ID:
        raise query.bad(f"clientUserId must be shorter than or equal to {_LONGEST_USER_ID} characters")
    connector_id = query.whole("connectorId", -1, least=0, most=_MOST_CONNECTOR_ID)
    with resources().database.begin() as conn:
        listed = pluggy_reads.items_before(
            conn,
            cursors.place(),
            client_user_id=client_user_id,
            connector_id=None if connector_id < 0 else connector_id,
            limit=_ROWS + 1,
        )
    shown = listed[:_ROWS]
    more = len(listed) > _ROWS
    following = cursors.following((shown[-1].first_seen_at, shown[-1].id)) if more else None
    return answer({"results": [each.raw for each in shown], "next": following})


@blueprint.get("/items")
def no_list() -> Response:
    """Say that there is no such list (Pluggy facts 1.3)."""
    raise RefusedError(HTTPStatus.UNAUTHORIZED, "Unauthorized")


def check_is_known(conn: Connection, item_id: str) -> None:
    """
    Let the caller read data of the Item.

    Raises:
        RefusedError: Pluggy has not shown it yet, or it is deleted.
    """
    row = items.get(conn, item_id)
    if row is None or row.raw is None:
        raise not_found("Item")
