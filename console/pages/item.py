"""One Item: why it is as it is, what happened to it, and what is due next."""

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, abort, render_template, request

from console.pages.page_resources import resources
from pluggy_sync.rules.timeline import Entry
from pluggy_sync.store import explanations, item_links, item_progress, timeline

blueprint = Blueprint("item", __name__)

ENTRIES = 50

Position = tuple[datetime, str, str]


@blueprint.get("/items/<item_id>")
def show(item_id: str) -> str:
    """Show the page of the Item."""
    res = resources()
    now = res.now()
    with res.database.begin() as conn:
        explained = explanations.read(conn, item_id, now=now, grace=res.settings.stale_after)
        progress = item_progress.get(conn, item_id)
        entries = timeline.before(conn, item_id, None, limit=ENTRIES + 1)
        links = item_links.of_item(conn, item_id)
    if explained is None and not entries:
        abort(404, "No Item of this id is known here, and no event has named it.")
    return render_template(
        "item.html", item_id=item_id, explained=explained, progress=progress, links=links, **_page(entries)
    )


@blueprint.get("/items/<item_id>/timeline")
def more(item_id: str) -> str:
    """Return the entries of the timeline that come after a position: older ones."""
    with resources().database.begin() as conn:
        entries = timeline.before(conn, item_id, _position(), limit=ENTRIES + 1)
    return render_template("timeline.html", item_id=item_id, **_page(entries))


def _page(found: Sequence[Entry]) -> dict[str, object]:
    """Return the entries of one page, and the position at which the next one begins."""
    entries = found[:ENTRIES]
    last = entries[-1] if len(found) > ENTRIES else None
    following = None if last is None else {"at": last.at.isoformat(), "kind": last.kind.value, "id": last.id}
    return {"entries": entries, "following": following}


def _position() -> Position:
    try:
        return datetime.fromisoformat(request.args["at"]), request.args["kind"], request.args["id"]
    except (KeyError, ValueError):
        abort(400, "This address names no position in the timeline.")
