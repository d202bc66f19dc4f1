"""Signing in (Pluggy facts 1)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, body, optional_text, server_only, world
from pluggy_sandbox.api.lookup import found_item
from pluggy_sandbox.lifecycle import items
from pluggy_sandbox.state import webhooks

blueprint = Blueprint("auth", __name__)
_OPTIONS = ("clientUserId", "webhookUrl", "oauthRedirectUri", "avoidDuplicates", "products")


@blueprint.post("/auth")
def sign_in() -> Response:
    """Give an API key; keys that are not asked for, `nonExpiring` among them, are tolerated."""
    here, sent = world(), body()
    with here.lock:
        key = here.keyring.sign_in(sent.get("clientId"), sent.get("clientSecret"), here.settings.api_key_seconds)
    return answer({"apiKey": key})


@blueprint.post("/connect_token")
def connect_token() -> Response:
    """Give a connect token. Options at the top level are ignored, as they are at Pluggy (Pluggy facts 9.23)."""
    here, sent, caller = world(), body(), server_only()
    with here.lock:
        item_id = optional_text(sent, "itemId")
        if item_id is not None:
            found_item(here, caller, item_id)
        options = {name: value for name, value in (sent.get("options") or {}).items() if name in _OPTIONS}
        if options.get("webhookUrl"):
            webhooks.check_url(options["webhookUrl"], allow_local=here.settings.allow_local_webhooks)
        items.redirect_uri(here, options)
        token = here.keyring.connect_token(caller, item_id, options, here.settings.connect_token_seconds)
    return answer({"accessToken": token})
