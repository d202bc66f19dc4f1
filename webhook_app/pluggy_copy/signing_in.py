"""Signing in: a token of ours stands for Pluggy's client secret (Pluggy facts 1.2)."""

from http import HTTPStatus

from flask import Blueprint, Response, request

from webhook_app import pluggy_keys
from webhook_app.app_resources import resources
from webhook_app.pluggy_copy import bodies
from webhook_app.pluggy_copy.answers import PREFIX, RefusedError, answer

blueprint = Blueprint("pluggy_signing_in", __name__, url_prefix=PREFIX)
# The one address that needs no key.
PATH = f"{PREFIX}auth"


@blueprint.post("/auth")
def sign_in() -> Response:
    """Give an API key. Fields that are not asked for are tolerated, and so is a form (Pluggy facts 1.2, 13.16)."""
    res, given = resources(), bodies.given()
    client_id, client_secret = given.get("clientId"), given.get("clientSecret")
    if not isinstance(client_id, str) or not isinstance(client_secret, str):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "clientId and clientSecret are required")
    api_key = pluggy_keys.sign_in(res.settings, client_id, client_secret, now=res.now())
    if api_key is None:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "Client keys are invalid", "CLIENT_KEYS_UNAUTHORIZED")
    return answer({"apiKey": api_key})


def require_key() -> None:
    """
    Let the present request pass if it has a valid API key.

    Raises:
        RefusedError: it has none.
    """
    res = resources()
    if not pluggy_keys.is_valid(request.headers.get("X-API-KEY", ""), res.settings, now=res.now()):
        raise RefusedError(HTTPStatus.FORBIDDEN, "Missing or invalid authorization token")
