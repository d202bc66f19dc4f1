"""
What an operator does to one thing: process, sync, reconcile, resend, resume, ping; confirm and undo a link of Items.

Each is written into the audit log before it is done: nothing is done that is not in it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from console.pages.page_resources import resources
from console.pages.sign_in import operator
from pluggy_sync import queue
from pluggy_sync.engine import requests, succession
from pluggy_sync.engine.succession import CannotLinkError
from pluggy_sync.notifications import endpoints as use
from pluggy_sync.queue import Message
from pluggy_sync.resources import Resources
from pluggy_sync.store import audit, inbox, item_views

blueprint = Blueprint("acts", __name__)

_SWEEP = "Redis does not take it: the sweep finds it once Redis is back."


def record(what: str, about: str | None, detail: Mapping[str, Any] | None = None) -> None:
    """Write down that the operator does *what*."""
    res = resources()
    with res.database.begin() as conn:
        audit.record(conn, operator(), what, now=res.now(), about=about, detail=detail, address=request.remote_addr)


@blueprint.post("/events/<event_id>/process")
def process(event_id: str) -> Response:
    """Handle the event again, now."""
    res = resources()
    record("process_event", event_id)
    with res.database.begin() as conn:
        again = inbox.redrive(conn, event_id, now=res.now())
        stored = None if again is None else inbox.get(conn, again)
    if stored is None:
        flash("It is handled, or not stored any more. To fetch its Item anew, sync the Item.", "bad")
        return redirect(url_for("events.one", event_id=event_id))
    sent = res.sender.send([Message(queue.task_of_event(stored.name), stored.event_id)])
    flash("It is handled now." if sent else _SWEEP, "good" if sent else "wait")
    return redirect(url_for("events.one", event_id=stored.event_id))


@blueprint.post("/items/<item_id>/sync")
def sync(item_id: str) -> Response:
    """Have the Item fetched now, and synced if there is anything new."""
    res = resources()
    _living(item_id)
    record("sync_item", item_id)
    with res.begin() as tx:
        requests.fetch_once(tx, item_id, why=inbox.OPERATOR, now=res.now())
    flash("The Item is fetched now. What is new is synced.", "good")
    return redirect(url_for("item.show", item_id=item_id))


@blueprint.post("/items/<item_id>/reconcile")
def reconcile(item_id: str) -> Response:
    """Have everything stored of the Item compared with Pluggy."""
    _living(item_id)
    record("reconcile_item", item_id)
    if resources().sender.send([Message(queue.RECONCILE_NOW, item_id)]):
        flash("Everything that is stored of it is compared with Pluggy, as the budget allows.", "good")
    else:
        flash("Redis does not take it. Nothing was begun: try again.", "bad")
    return redirect(url_for("item.show", item_id=item_id))


def _living(item_id: str) -> None:
    with resources().database.begin() as conn:
        item = item_views.get(conn, item_id)
    if item is None:
        abort(404, "No Item of this id is known here.")
    if item.deleted_at is not None:
        abort(409, "The Item is deleted.")


@blueprint.post("/notifications/<notification_id>/resend")
def resend(notification_id: str) -> Response:
    """Deliver the notification again, with the same id, to all that it was for."""
    record("resend_notification", notification_id)
    sent = use.resend(resources(), notification_id)
    if sent is None:
        abort(404, "No notification of this id is stored.")
    if sent:
        flash(f"It is delivered again to {', '.join(sent)}.", "good")
    else:
        flash("It was for no endpoint.", "bad")
    return redirect(url_for("notifications.one", notification_id=notification_id))


@blueprint.post("/endpoints/<endpoint_id>/resume")
def resume(endpoint_id: str) -> Response:
    """Send to a stopped endpoint again, first what has waited."""
    record("resume_endpoint", endpoint_id)
    if use.resume(resources(), endpoint_id) is None:
        abort(404, "There is no such endpoint.")
    flash("Resumed: what waits for it is sent, the oldest first.", "good")
    return redirect(url_for("endpoints.one", endpoint_id=endpoint_id))


@blueprint.post("/endpoints/<endpoint_id>/ping")
def ping(endpoint_id: str) -> Response:
    """Send the endpoint `endpoint.ping`."""
    record("ping_endpoint", endpoint_id)
    if use.ping(resources(), endpoint_id) is None:
        abort(404, "There is no such endpoint.")
    flash("endpoint.ping is on its way. Its answer will be among the attempts.", "good")
    return redirect(url_for("endpoints.one", endpoint_id=endpoint_id))


@blueprint.post("/links/<old_item_id>/<new_item_id>/confirm")
def confirm_link(old_item_id: str, new_item_id: str) -> Response:
    """Link the Items: the older one is no longer synced, and the product is told."""
    return _to_link("confirm_link", succession.confirm, old_item_id, new_item_id, done="Linked. The product is told.")


@blueprint.post("/links/<old_item_id>/<new_item_id>/undo")
def undo_link(old_item_id: str, new_item_id: str) -> Response:
    """Undo the link, or turn the suggestion down. The rule links the Items no more."""
    done = "The older Item stands in its own place. The rule links the two no more."
    return _to_link("undo_link", succession.undo, old_item_id, new_item_id, done=done)


def _to_link(
    what: str, act: Callable[[Resources, str, str], None], old_item_id: str, new_item_id: str, *, done: str
) -> Response:
    with resources().database.begin() as conn:
        if item_views.get(conn, old_item_id) is None or item_views.get(conn, new_item_id) is None:
            abort(404, "One of the Items is not known here.")
    record(what, old_item_id, {"newer": new_item_id})
    try:
        act(resources(), old_item_id, new_item_id)
    except CannotLinkError as exc:
        flash(f"Nothing was done. {exc}", "bad")
    else:
        flash(done, "good")
    return redirect(url_for("links.one", old_item_id=old_item_id, new_item_id=new_item_id))
