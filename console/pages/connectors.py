"""The banks that our Items go through: which work, and when they did not."""

from flask import Blueprint, render_template

from console.pages.page_resources import resources
from pluggy_sync.store import connector_lists

blueprint = Blueprint("connectors", __name__)

SHOWN = 50


@blueprint.get("/connectors")
def show() -> str:
    """Show the connectors, those in trouble first, and what was heard of them lately."""
    with resources().database.begin() as conn:
        found = connector_lists.in_trouble_first(conn)
        incidents = connector_lists.incidents(conn, limit=SHOWN)
        status_changes = connector_lists.status_changes(conn, limit=SHOWN)
    names = {each.id: each.name for each in found}
    return render_template(
        "connectors.html",
        connectors=found,
        incidents=incidents,
        status_changes=status_changes,
        names=names,
        counted=connector_lists.COUNTED,
    )
