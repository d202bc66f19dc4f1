"""Who may call `/v1`, and how large a request may be."""

import hmac

from flask import Flask, request

from pluggy_sync.settings import Settings
from webhook_app.app_resources import resources
from webhook_app.errors import ProblemError
from webhook_app.front.areas import API_BODY_BYTES

PREFIX = "/v1/"
# The documentation is no secret.
OPEN_PATHS = ("/v1/openapi.json", "/v1/docs")


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
    request.max_content_length = API_BODY_BYTES


def _is_open(path: str) -> bool:
    return any(path == each or path.startswith(each + "/") for each in OPEN_PATHS)


def authorized() -> bool:
    """Return whether the present request has a valid token."""
    return is_valid(request.headers.get("Authorization", ""), resources().settings)


def is_valid(authorization: str, settings: Settings) -> bool:
    """
    Return whether *authorization*, the header's value, has a valid token.

    It is compared with every one, always all of them, so that the time taken tells nothing.
    """
    scheme, _, given = authorization.partition(" ")
    token = given.strip().encode() if scheme.lower() == "bearer" else b""
    matches = [hmac.compare_digest(token, valid.encode()) for valid in settings.api_tokens]
    return any(matches)
