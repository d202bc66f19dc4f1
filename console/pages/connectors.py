"""The banks that our Items go through: which work, and when they did not."""

from flask import Blueprint, render_template

from console.pages.page_resources import resources
from pluggy_sync.store import connector_lists

blueprint = Blueprint("connectors", __name__)

INCIDENTS = 50


@blueprint.get("/connectors")
def show() -> str:
    """Show the connectors, those in trouble first, and what was heard of them lately."""
    with resources().database.begin() as conn:
        found = connector_lists.in_trouble_first(conn)
        told = connector_lists.told(conn, limit=INCIDENTS)
        incidents = connector_lists.incidents(conn, limit=INCIDENTS)
    names = {each.id: each.name for each in found}
    return render_template(
        "connectors.html",
        connectors=found,
        told=told,
        incidents=incidents,
        names=names,
        counted=connector_lists.COUNTED,
    )
