"""
Signing in: a token of ours stands for Pluggy's client secret (Pluggy facts 1.2). What the token opens, its keys open.
"""

from http import HTTPStatus

from flask import Blueprint, Response, current_app, request

from pluggy_sync.rules.scopes import Scope, allows
from pluggy_sync.store.api_tokens import digest_of
from webhook_app import api_tokens, pluggy_keys
from webhook_app.api_tokens import Opened
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
    digest = digest_of(client_secret)
    opened = api_tokens.of_app(current_app).find_by_digest(digest)
    if opened is None or not _is_name(client_id, opened):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "Client keys are invalid", "CLIENT_KEYS_UNAUTHORIZED")
    return answer({"apiKey": pluggy_keys.make(res.settings, client_id, digest, now=res.now())})


def _is_name(client_id: str, opened: Opened) -> bool:
    """
    Return whether *client_id* goes with the token: it is its name or id, or Pluggy's own client id.

    Some SDKs take only a UUID, as Pluggy's is. A token of the settings has no name: any will do.
    """
    token = opened.token
    return token is None or client_id in (token.name, token.id, resources().settings.pluggy_client_id)


def require_key() -> None:
    """
    Let the present request pass if its API key opens it: a read with any scope, all else with `act`.

    Raises:
        RefusedError: it does not.
        CannotTellError: nobody knows, since Postgres is away.
    """
    res = resources()
    digest = pluggy_keys.digest_in(request.headers.get("X-API-KEY", ""), res.settings, now=res.now())
    tokens = api_tokens.of_app(current_app)
    opened = None if digest is None else tokens.find_by_digest(digest)
    if opened is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "Missing or invalid authorization token")
    needed = Scope.READ if request.method in ("GET", "HEAD") else Scope.ACT
    if not allows(opened.scope, needed):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, f"The token has the scope `{opened.scope}`; this call asks for `{needed}`."
        )
    tokens.note_use(opened, now=res.now())
