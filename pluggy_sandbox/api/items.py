"""Items (Pluggy facts 3.8)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, body, caller, server_only, world
from pluggy_sandbox.api.lookup import found_item
from pluggy_sandbox.catalogue.connectors import BY_ID
from pluggy_sandbox.lifecycle import items
from pluggy_sandbox.wire.errors import BadRequestError, NotFoundError, UnauthorizedError

blueprint = Blueprint("items", __name__)


@blueprint.get("/items")
def no_list() -> Response:
    """There is deliberately no list of Items (Pluggy facts 1.3)."""
    raise UnauthorizedError("Unauthorized")


@blueprint.post("/items")
def create() -> Response:
    """Make an Item and start its first execution."""
    here, sent = world(), body()
    connector = BY_ID.get(sent.get("connectorId", -1)) if isinstance(sent.get("connectorId"), int) else None
    if connector is None:
        raise BadRequestError("connectorId is not a known connector", "CONNECTOR_NOT_FOUND")
    with here.lock:
        return answer(items.item_view(here, items.create(here, caller(), connector, sent)))


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
