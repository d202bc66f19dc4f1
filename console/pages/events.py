"""Events of Pluggy, those first that an operator may have to look at; and one event, its payload redacted."""

import json
from collections.abc import Mapping

from flask import Blueprint, abort, render_template, request

from console.pages import addresses
from console.pages.page_resources import resources
from pluggy_sync.rules.redaction import redacted
from pluggy_sync.store import event_lists, inbox
from pluggy_sync.store.event_lists import Filter, Which

blueprint = Blueprint("events", __name__)

LIMIT = 50


@blueprint.get("/events")
def show() -> str:
    """Show a page of events, or only its rows."""
    wanted = wanted_of(request.args)
    before = request.args.get("before", "")
    with resources().database.begin() as conn:
        page = event_lists.page(conn, addresses.number(before), wanted, limit=LIMIT)
    following = None
    if page.next is not None:
        following = addresses.with_more("events.show", before=page.next)
    template = "event_rows.html" if "HX-Request" in request.headers else "events.html"
    return render_template(template, page=page, following=following, wanted=wanted, which=list(Which))


def wanted_of(given: Mapping[str, str]) -> Filter:
    """Return the filter that *given* asks for; those that were given up unless it says another kind."""
    which, item_id = given.get("which", ""), given.get("item", "").strip()
    return Filter(
        which=Which(which) if which in list(Which) else (Which.ALL if item_id else Which.DEAD), item_id=item_id or None
    )


@blueprint.get("/events/<event_id>")
def one(event_id: str) -> str:
    """Show one event."""
    with resources().database.begin() as conn:
        event, content = inbox.get(conn, event_id), event_lists.content(conn, event_id)
    if event is None or content is None:
        abort(404, "No event of this id is stored.")
    return render_template("event.html", event=event, content=content, payload=shown(content.payload))


def shown(payload: object) -> str | None:
    """Return *payload* as an operator sees it, redacted; None: there is none."""
    return None if payload is None else json.dumps(redacted(payload), indent=2, ensure_ascii=False)
