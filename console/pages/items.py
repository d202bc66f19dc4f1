"""Items, with search and filters."""

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from console.pages import addresses
from console.pages.page_resources import resources
from pluggy_sync.rules.freshness import State
from pluggy_sync.store import connectors, event_lists, inbox, item_lists, item_views, outbox, user_actions
from pluggy_sync.store.item_lists import Filter

blueprint = Blueprint("items", __name__)

LIMIT = 50
# Pluggy's (Pluggy facts 3.2).
STATUSES = ("UPDATED", "UPDATING", "MERGING", "WAITING_USER_INPUT", "WAITING_USER_ACTION", "LOGIN_ERROR", "OUTDATED")


@blueprint.get("/items")
def show() -> str:
    """Show a page of Items, or only its rows."""
    res = resources()
    wanted = wanted_of(request.args)
    with res.database.begin() as conn:
        page = item_lists.page(
            conn, request.args.get("after"), wanted, now=res.now(), grace=res.settings.stale_after, limit=LIMIT
        )
        banks = {each.id: each for each in connectors.all_(conn)}
    following = None
    if page.next is not None:
        following = addresses.with_more("items.show", after=page.next)
    template = "item_rows.html" if "HX-Request" in request.headers else "items.html"
    return render_template(
        template, page=page, following=following, banks=banks, wanted=wanted, states=list(State), statuses=STATUSES
    )


def wanted_of(given: Mapping[str, str]) -> Filter:
    """Return the filter that *given* asks for; what cannot be one is left out."""
    bank, freshness, status = (given.get(name, "") for name in ("bank", "freshness", "status"))
    return Filter(
        client_user_id=given.get("user", "").strip() or None,
        connector_id=addresses.number(bank),
        freshness=State(freshness) if freshness in list(State) else None,
        status=status if status in STATUSES else None,
    )


@blueprint.get("/find")
def find() -> Response:
    """Lead to whatever has the id that is looked for: an Item, action, event, notification, or a user's Items."""
    asked = request.args.get("q", "").strip()
    with resources().database.begin() as conn:
        address = _address_of(conn, asked) if asked else None
    if address is None:
        flash(f"Nothing here has the id {asked}." if asked else "Type an id to look for.", "bad")
        address = url_for("items.show")
    return redirect(address)


def _address_of(conn: Connection, id_: str) -> str | None:
    for item_id in (id_, id_.lower()):
        if item_views.get(conn, item_id) is not None:
            return url_for("item.show", item_id=item_id)
    action = user_actions.get(conn, id_)
    if action is not None:
        return url_for("item.show", item_id=action.item_id)
    if inbox.get(conn, id_) is not None:
        return url_for("events.one", event_id=id_)
    if outbox.get(conn, id_) is not None:
        return url_for("notifications.one", notification_id=id_)
    if event_lists.is_item_named(conn, id_):
        return url_for("item.show", item_id=id_)
    of_user = item_views.after(conn, None, client_user_id=id_, state=None, expected_before=resources().now(), limit=1)
    return url_for("items.show", user=id_) if of_user else None
