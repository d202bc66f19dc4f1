"""Signing in (Pluggy facts 1)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, server_only, world
from pluggy_sandbox.api.lookup import found_item
from pluggy_sandbox.api.requests import body
from pluggy_sandbox.lifecycle import options
from pluggy_sandbox.wire import fields

blueprint = Blueprint("auth", __name__)


@blueprint.post("/auth")
def sign_in() -> Response:
    """Give an API key; fields that are not asked for, `nonExpiring` among them, are tolerated, and so is a form."""
    here, sent = world(), body()
    with here.lock:
        key = here.keyring.sign_in(sent.get("clientId"), sent.get("clientSecret"), here.settings.api_key_seconds)
    return answer({"apiKey": key})


@blueprint.post("/connect_token")
def connect_token() -> Response:
    """Give a connect token."""
    here, sent, caller = world(), body(), server_only()
    item_id = fields.text(sent, "itemId")
    with here.lock:
        if item_id is not None:
            found_item(here, caller, item_id)
        chosen = options.of_token(here, sent)
        token = here.keyring.connect_token(caller, item_id, chosen, here.settings.connect_token_seconds)
    return answer({"accessToken": token})
