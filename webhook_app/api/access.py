"""Who may call `/v1`, and how large a request may be."""

import hmac

from flask import Flask, request

from webhook_app.app_resources import resources
from webhook_app.errors import ProblemError

PREFIX = "/v1/"
# The documentation is no secret.
OPEN_PATHS = ("/v1/openapi.json", "/v1/docs")
MAX_BODY_BYTES = 64 * 1024


def register(app: Flask) -> None:
    """Guard everything under `/v1`, addresses that do not exist too."""
    app.before_request(_guard)


def _guard() -> None:
    if not request.path.startswith(PREFIX) or _is_open(request.path):
        return
    if not authorized():
        raise ProblemError(
            401,
            "unauthorized",
            "Give a valid token: `Authorization: Bearer <token>`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    request.max_content_length = MAX_BODY_BYTES


def _is_open(path: str) -> bool:
    return any(path == each or path.startswith(each + "/") for each in OPEN_PATHS)


def authorized() -> bool:
    """
    Return whether the request has a valid token.

    It is compared with every one, always all of them, so that the time taken tells nothing.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = given.strip().encode() if scheme.lower() == "bearer" else b""
    matches = [hmac.compare_digest(token, valid.encode()) for valid in resources().settings.api_tokens]
    return any(matches)
