"""Putting `/pluggy` together."""

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from webhook_app.front.areas import API_BODY_BYTES, SIGN_IN_BODY_BYTES
from webhook_app.pluggy_copy import accounts, data_products, items, passing_on, signing_in, transactions
from webhook_app.pluggy_copy.answers import PREFIX, RefusedError, holds, refusal

SUBJECTS = (signing_in, items, accounts, transactions, data_products, passing_on)


def register(app: Flask) -> None:
    """Add `/pluggy` to *app*."""
    app.before_request(_guard)
    app.register_error_handler(RefusedError, _refuse)
    for each in SUBJECTS:
        app.register_blueprint(each.blueprint)


def _guard() -> None:
    """Let nobody but the holder of a key ask, also at addresses that do not exist."""
    if not holds(request.path):
        return
    is_signing_in = request.path.rstrip("/") == signing_in.PATH
    request.max_content_length = SIGN_IN_BODY_BYTES if is_signing_in else API_BODY_BYTES
    if not is_signing_in:
        signing_in.require_key()
    if isinstance(request.routing_exception, NotFound):
        here = request.path.removeprefix(PREFIX.rstrip("/"))
        raise RefusedError(404, f"Cannot {request.method} {here}: it is not part of this copy. Ask Pluggy itself.")


def _refuse(error: RefusedError) -> Response:
    return refusal(error.status, error.message, error.code_description)
