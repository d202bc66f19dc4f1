"""Items that took the place of others: which links wait for an operator, and one with what speaks for it."""

from collections.abc import Mapping

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.pages.page_resources import resources
from pluggy_sync.engine import succession
from pluggy_sync.engine.succession import CannotLinkError
from pluggy_sync.rules.succession import Verdict
from pluggy_sync.store import connectors, item_links, item_views
from pluggy_sync.store.item_links import State

blueprint = Blueprint("links", __name__)

SHOWN = 100


@blueprint.get("/links")
def show() -> str:
    """Show the links that changed last: those that are suggested, unless the address says another state."""
    wanted = wanted_of(request.args)
    with resources().database.begin() as conn:
        found = item_links.newest(conn, state=wanted, limit=SHOWN)
    return render_template("links.html", links=found, wanted=wanted, states=list(State), most=SHOWN)


def wanted_of(given: Mapping[str, str]) -> State | None:
    """Return the state that *given* asks for, suggested unless it says another; None: all of them."""
    state = given.get("state", State.SUGGESTED.value)
    return State(state) if state in list(State) else None


@blueprint.get("/links/compare")
def compare() -> Response:
    """Lead to the page of two Items, which may have no link yet."""
    old, new = (request.args.get(name, "").strip().lower() for name in ("old", "new"))
    if not old or not new:
        abort(400, "Give the ids of both Items.")
    return redirect(url_for("links.one", old_item_id=old, new_item_id=new))


@blueprint.get("/links/<old_item_id>/<new_item_id>")
def one(old_item_id: str, new_item_id: str) -> str:
    """Show the link of two Items, or what one would do. Nothing is changed."""
    res = resources()
    with res.database.begin() as conn:
        old, new = item_views.get(conn, old_item_id), item_views.get(conn, new_item_id)
        link = item_links.get(conn, old_item_id, new_item_id)
        banks = {each.id: each.name for each in connectors.all_(conn)}
    if old is None or new is None:
        abort(404, "One of the Items is not known here.")
    try:
        preview, why_none = succession.preview(res, old_item_id, new_item_id), None
    except CannotLinkError as exc:
        preview, why_none = None, str(exc)
    return render_template(
        "link.html",
        old=old,
        new=new,
        link=link,
        banks=banks,
        preview=preview,
        why_none=why_none,
        is_linked=link is not None and link.state is State.LINKED,
        is_suggested=link is not None and link.state is State.SUGGESTED,
        # What the rule rules out may show one person's rows to another: no button for that.
        is_ruled_out=preview is not None and preview.comparison.verdict is Verdict.NONE,
    )
