"""Who may call `/v1`, and how large a request may be."""

from flask import Flask, request

from webhook_app import api_tokens
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
    require_token()
    request.max_content_length = API_BODY_BYTES


def _is_open(path: str) -> bool:
    return any(path == each or path.startswith(each + "/") for each in OPEN_PATHS)


def require_token() -> None:
    """
    Let the present request pass if it has a valid token.

    Raises:
        ProblemError: it has none.
    """
    if not api_tokens.is_valid(request.headers.get("Authorization", ""), resources().settings):
        raise ProblemError("unauthorized", headers={"WWW-Authenticate": "Bearer"})
