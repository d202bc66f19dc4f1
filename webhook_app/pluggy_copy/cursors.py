"""
Cursors of the `/v2` lists: opaque, and `next` is a query to append as it is (Pluggy facts 5.1, 5.3).

Tests: `pluggy_copy/test_transactions.py`.
"""

import base64
import binascii
from datetime import datetime
from urllib.parse import urlencode

from flask import request

from pluggy_sync import wire
from webhook_app.pluggy_copy import query
from webhook_app.pluggy_copy.answers import RefusedError

# That of the longest id that is stored.
_LONGEST = 1024

Place = tuple[datetime, str]


def place() -> Place | None:
    """
    Return after which row to go on; None: begin.

    Raises:
        RefusedError: the cursor is none of ours.
    """
    cursor = query.text("after")
    if cursor is None:
        return None
    if len(cursor) > _LONGEST:
        raise _bad()
    try:
        said, bar, row_id = base64.b64decode(cursor, validate=True).decode().partition("|")
        moment = wire.instant(said)
    except (binascii.Error, ValueError):
        raise _bad() from None
    if moment is None or not bar:
        raise _bad()
    return moment, row_id


def following(last: Place) -> str:
    """Return the query that asks for what comes after *last*, with the other parameters of this request."""
    moment, row_id = last
    cursor = base64.b64encode(f"{moment.isoformat()}|{row_id}".encode()).decode()
    given = [(name, value) for name, value in request.args.items(multi=True) if name != "after"]
    return "?" + urlencode([*given, ("after", cursor)])


def _bad() -> RefusedError:
    return query.bad("Invalid cursor")
