"""Items (Pluggy facts 3.8)."""

import math

from flask import Blueprint, Response

from pluggy_sandbox.api import cursors
from pluggy_sandbox.api.answers import answer, caller, paged, server_only, world
from pluggy_sandbox.api.lookup import found_item, items_of
from pluggy_sandbox.api.requests import argument, body, refuse_unknown_arguments, whole_argument
from pluggy_sandbox.lifecycle import items, resources, scr
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.wire.errors import BadRequestError, ForbiddenError, NotFoundError, UnauthorizedError
from pluggy_sandbox.wire.instants import iso

blueprint = Blueprint("items", __name__)
_FILTERS = frozenset({"clientUserId", "connectorId", "after"})
_LONGEST_USER_ID = 255
_ITEMS_PER_PAGE = 100


@blueprint.get("/items")
def no_list() -> Response:
    """There is no such list; `GET /v2/items` is one, where it is enabled (Pluggy facts 1.3, 13.1)."""
    raise UnauthorizedError("Unauthorized")


@blueprint.get("/v2/items")
def show_page() -> Response:
    """List Items by cursor, newest first; opt-in (Pluggy facts 13.1)."""
    here, who = world(), server_only()
    if not here.settings.list_items_enabled:
        raise ForbiddenError("Listing items is not enabled for your team", "LIST_ITEMS_FEATURE_NOT_ENABLED")
    refuse_unknown_arguments(_FILTERS)
    user_id, after = argument("clientUserId"), argument("after")
    if user_id is not None and len(user_id) > _LONGEST_USER_ID:
        raise BadRequestError(f"clientUserId must be shorter than or equal to {_LONGEST_USER_ID} characters")
    connector_id = whole_argument("connectorId", -1, least=0, most=10**9)
    before = math.inf if after is None else _number(cursors.read(after))
    with here.lock:
        found = [
            item
            for item in sorted(items_of(here, who), key=lambda item: -item.number)
            if item.number < before
            and user_id in (None, item.options.client_user_id)
            and connector_id in (-1, item.connector.id)
        ]
        shown = found[:_ITEMS_PER_PAGE]
        following = _following(shown[-1]) if len(found) > _ITEMS_PER_PAGE else None
        return answer({"results": [items.item_view(here, item) for item in shown], "next": following})


def _following(last: Item) -> str:
    return cursors.following(cursors.write(iso(last.created_at), str(last.number)))


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise cursors.refused() from None


@blueprint.post("/items")
def create() -> Response:
    """Make an Item and start its first execution."""
    here, sent = world(), body()
    with here.lock:
        return answer(items.item_view(here, items.create(here, caller(), sent)))


@blueprint.get("/items/<item_id>")
def show(item_id: str) -> Response:
    """Show an Item."""
    here = world()
    with here.lock:
        item = found_item(here, caller(), item_id)
        if item.staged.not_found_left:
            item.staged.not_found_left -= 1
            raise NotFoundError("Item not found", "ITEM_NOT_FOUND")
        item.looks += 1
        return answer(items.item_view(here, item))


@blueprint.get("/items/<item_id>/resources")
def show_resources(item_id: str) -> Response:
    """List what the bank declared of the consent; nothing outside Open Finance (Pluggy facts 13.2)."""
    here, who, status = world(), server_only(), argument("status")
    if status is not None and status not in resources.STATUSES:
        raise BadRequestError(f"status must be one of the following values: {', '.join(resources.STATUSES)}")
    with here.lock:
        item = found_item(here, who, item_id)
        declared = [] if item.authorization.is_revoked else item.resources.declared
        return paged([resource for resource in declared if status in (None, resource["status"])])


@blueprint.get("/items/<item_id>/scr")
def show_scr(item_id: str) -> Response:
    """Show what the central bank's credit registry has of the Item's document (Pluggy facts 13.13)."""
    here, who = world(), server_only()
    if not here.settings.scr_enabled:
        raise ForbiddenError("SCR is not enabled for your team", "SCR_FEATURE_NOT_ENABLED")
    first, last = argument("from"), argument("to")
    with here.lock:
        return answer(scr.of_item(here, found_item(here, who, item_id), first, last))


@blueprint.patch("/items/<item_id>")
def update(item_id: str) -> Response:
    """Change an Item and start an execution; an empty object means `sync now`."""
    here, sent = world(), body()
    with here.lock:
        item = found_item(here, caller(), item_id)
        items.update(here, caller(), item, sent)
        return answer(items.item_view(here, item))


@blueprint.post("/items/<item_id>/mfa")
def give_mfa(item_id: str) -> Response:
    """Give a waiting execution what it asked for."""
    here, sent = world(), body()
    with here.lock:
        item = found_item(here, caller(), item_id)
        items.answer(here, item, sent)
        return answer(items.item_view(here, item))


@blueprint.patch("/items/<item_id>/disable-auto-sync")
def disable_auto_sync(item_id: str) -> Response:
    """No auto-sync until the client forces an update."""
    here = world()
    with here.lock:
        item = found_item(here, server_only(), item_id)
        item.auto_sync.disabled_at = item.stamp(here.clock.now)
        item.auto_sync.next_at = None
        return answer(items.item_view(here, item))


@blueprint.delete("/items/<item_id>")
def delete(item_id: str) -> Response:
    """Delete an Item for good."""
    here = world()
    with here.lock:
        items.delete(here, found_item(here, server_only(), item_id))
        if here.settings.item_deleted_status == 204:
            return Response(status=204)
        return answer({"count": 1})
