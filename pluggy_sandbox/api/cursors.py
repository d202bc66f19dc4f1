"""Cursors of the `/v2` lists (Pluggy facts 5.1, 5.3): opaque, and `next` is a query to append as it is."""

import base64
import binascii
from urllib.parse import urlencode

from flask import g, request

from pluggy_sandbox.wire.errors import BadRequestError

_WRONG = "Invalid cursor"


def write(instant: str, name: str) -> str:
    """Return the cursor of the row that is called *name* and dated *instant*."""
    return base64.b64encode(f"{instant}|{name}".encode()).decode()


def read(cursor: str) -> str:
    """
    Return the name of the row that a cursor stands at.

    Raises:
        BadRequestError: it is no cursor, or a fault says that it is bad.
    """
    if g.get("fault") == "bad_cursor":
        raise refused()
    try:
        _, name = base64.b64decode(cursor, validate=True).decode().split("|")
    except (binascii.Error, ValueError):
        raise refused() from None
    return name


def refused() -> BadRequestError:
    """Return what is said of a cursor that is none."""
    return BadRequestError(_WRONG)


def following(cursor: str) -> str:
    """Return the query that asks for what comes after *cursor*, with the other parameters of this request."""
    return "?" + urlencode({key: value for key, value in request.args.items() if key != "after"} | {"after": cursor})
