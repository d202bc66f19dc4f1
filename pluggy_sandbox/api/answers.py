"""Answers and their envelopes (Pluggy facts 5.1), and who asks."""

import math
from typing import Any, cast

from flask import Response, current_app, g

from pluggy_sandbox.api.requests import whole_argument
from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import encoding
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import ForbiddenError

JSON = "application/json; charset=utf-8"
MOST_PER_PAGE = 500
_MOST_PAGES = 1_000_000
_CUT = 65_536


def world() -> World:
    """Return the world that this request is served from."""
    return cast(World, current_app.extensions["sandbox"].world)


def caller() -> Caller:
    """Return who asks."""
    return cast(Caller, g.caller)


def server_only() -> Caller:
    """
    Return who asks, if with an API key.

    Raises:
        ForbiddenError: a connect token is not good for this (Pluggy facts 1.3).
    """
    if caller().is_widget:
        raise ForbiddenError("Forbidden")
    return caller()


def answer(value: Any, status: int = 200) -> Response:
    """Return *value* as JSON."""
    return Response(encoding.encode(value), status, content_type=JSON)


def raw(body: bytes) -> Response:
    """Return a body that is JSON already, cut so that the server need not copy all of it at every write."""
    cuts = [body[at : at + _CUT] for at in range(0, len(body), _CUT)]
    return Response(cuts, 200, {"Content-Length": str(len(body))}, content_type=JSON)


def paged(results: list[Json]) -> Response:
    """
    Return the page of *results* that the request asks for.

    Raises:
        BadRequestError: `page` or `pageSize` is no such number.
    """
    size = whole_argument("pageSize", MOST_PER_PAGE, least=1, most=MOST_PER_PAGE)
    number = whole_argument("page", 1, least=1, most=_MOST_PAGES)
    part = results[(number - 1) * size : number * size]
    pages = math.ceil(len(results) / size)
    return answer({"page": number, "total": len(results), "totalPages": pages, "results": part})
