"""Where notifications go: each endpoint, what waits for it, and what it answered."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, abort, render_template, request
from sqlalchemy import Connection

from console.pages import addresses
from console.pages.page_resources import resources
from pluggy_sync.store import deliveries, delivery_lists, endpoints
from pluggy_sync.store.endpoints import Endpoint

blueprint = Blueprint("endpoints", __name__)

ATTEMPTS = 50
# Counting stops there.
COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Seen:
    """
    An endpoint, and how many of its deliveries wait and are dead letters.

    *address*: without what may be secret in it.
    """

    endpoint: Endpoint
    address: str
    waiting: int
    dead: int


@blueprint.get("/endpoints")
def show() -> str:
    """List the endpoints."""
    res = resources()
    with res.database.begin() as conn:
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
        seen = [_seen(conn, each) for each in endpoints.all_(conn)]
    return render_template("endpoints.html", endpoints=seen, counted=COUNTED)


@blueprint.get("/endpoints/<endpoint_id>")
def one(endpoint_id: str) -> str:
    """Show one endpoint and its attempts, or only more of these."""
    before = request.args.get("before", "")
    with resources().database.begin() as conn:
        endpoint = endpoints.get(conn, endpoint_id)
        if endpoint is None:
            abort(404, "There is no such endpoint.")
        attempts = deliveries.attempts_before(conn, endpoint_id, addresses.number(before), limit=ATTEMPTS + 1)
        seen = _seen(conn, endpoint)
    following = None
    if len(attempts) > ATTEMPTS:
        attempts = attempts[:ATTEMPTS]
        following = addresses.with_more("endpoints.one", endpoint_id=endpoint_id, before=attempts[-1].id)
    template = "attempt_rows.html" if "HX-Request" in request.headers else "endpoint.html"
    return render_template(template, seen=seen, attempts=attempts, following=following, counted=COUNTED)


def _seen(conn: Connection, endpoint: Endpoint) -> Seen:
    counts = [
        delivery_lists.count(conn, delivery_lists.Filter(state=state, endpoint_id=endpoint.id), at_most=COUNTED)
        for state in ("pending", "dead")
    ]
    return Seen(endpoint=endpoint, address=_without_secrets(endpoint.url), waiting=counts[0], dead=counts[1])


def _without_secrets(url: str | None) -> str:
    if url is None:
        return "PRODUCT_WEBHOOK_URL"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" + ("?…" if parts.query else "")
