"""What a person does without a key: Items made and answered, a short statement, the widget, the bank's own page."""

from itertools import islice
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from pluggy_sandbox.api import webhooks
from pluggy_sandbox.api.answers import answer, world
from pluggy_sandbox.api.requests import argument, body, whole_argument
from pluggy_sandbox.catalogue import connectors
from pluggy_sandbox.control.lookup import any_item
from pluggy_sandbox.holdings.accounts import HeldAccount
from pluggy_sandbox.lifecycle import items, options
from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.encoding import Json, decode_exact

blueprint = Blueprint("page", __name__)


@blueprint.get("/_sandbox/connect-demo")
def connect_demo() -> Response:
    """Show a page that is written for Pluggy Connect, to try the stand-in of the widget."""
    page = Response(render_template("connect_demo.html"), content_type="text/html; charset=utf-8")
    # The widget brings a style sheet of its own, and pictures from whatever address the API names.
    page.headers["Content-Security-Policy"] = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src * data:"
    return page


@blueprint.get("/pluggy-connect.js", defaults={"version": "latest"})
@blueprint.get("/pluggy-connect/<version>/pluggy-connect.js")
def widget(version: str) -> Response:
    """Serve the stand-in of the Connect widget's script, also under the path that the real one has."""
    del version  # every one is the same here
    return current_app.send_static_file("pluggy-connect.js")


@blueprint.get("/_sandbox/connectors/<int:connector_id>.svg")
def picture(connector_id: int) -> Response:
    """Serve a connector's picture."""
    connector = connectors.BY_ID.get(connector_id)
    color = connector.color if connector else "888888"
    letter = connector.name.removeprefix("Pluggy ")[0] if connector else "?"
    svg = render_template("connector.svg", color=color, letter=letter)
    return Response(svg, content_type="image/svg+xml")


@blueprint.post("/_sandbox/items")
def create() -> Response:
    """Make an Item for the sandbox's own application; the body is that of `POST /items`."""
    here, sent = world(), body()
    with here.lock:
        item = items.create(here, Caller(here.origin.client_id), sent)
        return answer(items.item_view(here, item))


@blueprint.post("/_sandbox/items/<item_id>/update")
def update(item_id: str) -> Response:
    """Update an Item as its application would; the body is that of `PATCH /items/{id}`."""
    here, sent = world(), body()
    with here.lock:
        item = any_item(here, item_id)
        items.update(here, Caller(item.client_id), item, sent)
        return answer(items.item_view(here, item))


@blueprint.post("/_sandbox/webhooks")
def register() -> Response:
    """Register a webhook for the sandbox's own application; the body is that of `POST /webhooks`."""
    here, sent = world(), body()
    with here.lock:
        return answer(webhooks.register(here, here.origin.client_id, sent).view())


@blueprint.post("/_sandbox/items/<item_id>/mfa")
def give_mfa(item_id: str) -> Response:
    """Answer a waiting Item; the body is that of `POST /items/{id}/mfa`."""
    here, sent = world(), body()
    with here.lock:
        item = any_item(here, item_id)
        items.answer(here, item, sent)
        return answer(items.item_view(here, item))


@blueprint.post("/_sandbox/items/<item_id>/break")
def break_next(item_id: str) -> Response:
    """Let the next execution of an Item end with `executionStatus`, whoever logs in."""
    here, sent = world(), body()
    with here.lock:
        item = any_item(here, item_id)
        item.staged.outcome = items.known_error(sent.get("executionStatus", "UNEXPECTED_ERROR"))
        return answer({"executionStatus": item.staged.outcome})


@blueprint.post("/_sandbox/connect_token")
def connect_token() -> Response:
    """Give a connect token without a key; the body is that of `POST /connect_token`."""
    here, sent = world(), body()
    item_id = fields.text(sent, "itemId")
    with here.lock:
        seconds = here.settings.connect_token_seconds
        caller = Caller(here.origin.client_id)
        chosen = options.of_token(here, sent)
        return answer({"accessToken": here.keyring.connect_token(caller, item_id, chosen, seconds)})


@blueprint.get("/_sandbox/items/<item_id>/statement")
def statement(item_id: str) -> Response:
    """Give the newest `size` rows of each account."""
    here, size = world(), whole_argument("size", 10, least=0, most=10_000)
    with here.lock:
        accounts = any_item(here, item_id).holdings.accounts.values()
        return answer({"results": [_short(held, size) for held in accounts]})


def _short(held: HeldAccount, size: int) -> Json:
    rows = [decode_exact(row) for row in islice(held.ledger.everything(), size)]
    return held.view | {"transactionsCount": len(held.ledger), "transactions": rows}


@blueprint.get("/_sandbox/bank/authorize")
def bank_page() -> str:
    """Show the mock bank's page, on which the person gives or refuses the consent (Pluggy facts 8)."""
    here = world()
    with here.lock:
        item = any_item(here, argument("itemId") or "")
        waits = item.execution is not None and item.execution.ask is not None
        return render_template("bank.html", item=item, waits=waits, connector=item.connector)


@blueprint.post("/_sandbox/bank/authorize")
def bank_decision() -> AnyResponse:
    """Take the person's decision and send the browser back to `oauthRedirectUri`, with the Item's id."""
    here = world()
    with here.lock:
        item = any_item(here, request.form.get("itemId", ""))
        granted = request.form.get("decision") == "approve"
        (items.approve if granted else items.reject)(here, item)
        if item.options.oauth_redirect_uri is None:
            return Response(render_template("bank_done.html", granted=granted), content_type="text/html")
        return redirect(_with_query(item.options.oauth_redirect_uri, {"itemId": item.id}))


def _with_query(uri: str, more: dict[str, str]) -> str:
    separator = "&" if urlsplit(uri).query else "?"
    return f"{uri}{separator}{urlencode(more)}"
