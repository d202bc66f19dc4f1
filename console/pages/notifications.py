"""Notifications to the product: what waits, what was given up, and one with its deliveries and attempts."""

import json
from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, abort, render_template, request

from console.pages import addresses
from console.pages.events import shown
from console.pages.page_resources import resources
from pluggy_sync.store import delivery_lists, outbox
from pluggy_sync.store.delivery_lists import STATES, Filter, Position

blueprint = Blueprint("notifications", __name__)

LIMIT = 50
ATTEMPTS = 50


@blueprint.get("/notifications")
def show() -> str:
    """Show a page of deliveries, or only its rows."""
    wanted = wanted_of(request.args)
    with resources().database.begin() as conn:
        page = delivery_lists.page(conn, _position(), wanted, limit=LIMIT)
    following = None
    if page.next is not None:
        at, id_ = page.next
        following = addresses.with_more("notifications.show", at=at.isoformat(), before=id_)
    template = "delivery_rows.html" if "HX-Request" in request.headers else "notifications.html"
    return render_template(template, page=page, following=following, wanted=wanted, states=STATES)


def wanted_of(given: Mapping[str, str]) -> Filter:
    """Return the filter that *given* asks for; dead letters unless it says another state."""
    state = given.get("state", "dead")
    return Filter(state=state if state in STATES else None, endpoint_id=given.get("to", "").strip() or None)


@blueprint.get("/notifications/<notification_id>")
def one(notification_id: str) -> str:
    """Show one notification."""
    with resources().database.begin() as conn:
        notification = outbox.get(conn, notification_id)
        if notification is None:
            abort(404, "No notification of this id is stored.")
        deliveries = delivery_lists.of_notification(conn, notification_id)
        attempts = delivery_lists.attempts_of(conn, notification_id, limit=ATTEMPTS)
    return render_template(
        "notification.html",
        notification=notification,
        body=shown(json.loads(notification.body)),
        deliveries=deliveries,
        attempts=attempts,
    )


def _position() -> Position | None:
    try:
        return datetime.fromisoformat(request.args["at"]), int(request.args["before"])
    except (KeyError, ValueError):
        return None
