"""Who may call `/v1`, and how large a request may be."""

from typing import Any

from flask import Flask, current_app, g, request

from pluggy_sync.rules.scopes import Scope, allows
from webhook_app import api_tokens
from webhook_app.api import scopes
from webhook_app.api.blueprint import operation_id
from webhook_app.app_resources import resources
from webhook_app.front.areas import API_BODY_BYTES
from webhook_app.problems import ProblemError

PREFIX = "/v1/"
# The documentation is no secret.
OPEN_PATHS = ("/v1/openapi.json", "/v1/docs")


def register(app: Flask) -> None:
    """Guard everything under `/v1`, addresses that do not exist too."""
    app.before_request(_guard)


def _guard() -> None:
    if not request.path.startswith(PREFIX) or _is_open(request.path):
        return
    view = None if request.endpoint is None else current_app.view_functions[request.endpoint]
    # Whatever is not there may be asked for with any valid token.
    needed = Scope.READ if view is None else scopes.needed(operation_id(view))
    if needed is not None:
        require_token(needed)
    request.max_content_length = API_BODY_BYTES


def _is_open(path: str) -> bool:
    return any(path == each or path.startswith(each + "/") for each in OPEN_PATHS)


def require_token(needed: Scope) -> None:
    """
    Let the present request pass if it has a valid token with the scope *needed*.

    Raises:
        ProblemError: it has none.
        CannotTellError: nobody knows, since Postgres is away.
    """
    tokens = api_tokens.of_app(current_app)
    opened = tokens.find(request.headers.get("Authorization", ""))
    if opened is None:
        raise ProblemError("unauthorized", headers={"WWW-Authenticate": "Bearer"})
    if not allows(opened.scope, needed):
        raise ProblemError(
            "insufficient-scope",
            f"The token has the scope `{opened.scope}`; this call asks for `{needed}`.",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'},
        )
    g.scope = opened.scope
    tokens.note_use(opened, now=resources().now())


def without_link(action: dict[str, Any]) -> dict[str, Any]:
    """Return *action* as the present request's token may see it: whoever holds the link of its page can act."""
    if "pageUrl" not in action or allows(g.scope, Scope.ACT):
        return action
    return {**action, "pageUrl": None}
