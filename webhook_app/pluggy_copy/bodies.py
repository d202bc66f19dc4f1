"""
The bodies of requests: JSON objects, or forms (Pluggy facts 13.16).

Tests: `pluggy_copy/test_signing_in.py`.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from flask import request

from pluggy_sync import wire
from webhook_app.pluggy_copy.answers import RefusedError

_FORM = "application/x-www-form-urlencoded"


def given() -> dict[str, Any]:
    """
    Return the request's object; an empty body is an empty one. `curl -d` calls every body a form: JSON is tried first.

    Raises:
        RefusedError: it is something else.
    """
    body = request.get_data()
    try:
        value = wire.decode_strictly(body) if body else {}
    except msgspec.DecodeError:
        if request.mimetype != _FORM:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "The body is not JSON") from None
        value = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if not isinstance(value, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The body must be a JSON object")
    return value
