"""Answers and their envelopes (Pluggy facts 5.1), and what views ask of a request."""

import math
from typing import Any, cast

from flask import Response, current_app, g, request

from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import encoding
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError, ForbiddenError

JSON = "application/json; charset=utf-8"
MOST_PER_PAGE = 500
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


def page(results: list[Json]) -> Response:
    """Return the whole of *results* as one page."""
    return answer({"page": 1, "total": len(results), "totalPages": 1 if results else 0, "results": results})


def paged(results: list[Json], default_size: int = MOST_PER_PAGE) -> Response:
    """
    Return the page of *results* that the request asks for.

    Raises:
        BadRequestError: `page` or `pageSize` is no such number.
    """
    size = _positive("pageSize", default_size)
    number = _positive("page", 1)
    if size > MOST_PER_PAGE:
        raise BadRequestError(f"pageSize must not be greater than {MOST_PER_PAGE}")
    part = results[(number - 1) * size : number * size]
    pages = math.ceil(len(results) / size)
    return answer({"page": number, "total": len(results), "totalPages": pages, "results": part})


def body() -> Json:
    """
    Return the request's JSON object; an empty body is an empty object.

    Raises:
        BadRequestError: it is not one.
    """
    data = request.get_data()
    try:
        value = encoding.decode(data) if data else {}
    except ValueError:
        raise BadRequestError("Unexpected token in JSON") from None
    if not isinstance(value, dict):
        raise BadRequestError("The body must be a JSON object")
    return value


def optional_text(values: Json, name: str) -> str | None:
    """
    Return the text called *name*, None where there is none.

    Raises:
        BadRequestError: it is not a text.
    """
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string")
    return value


def _positive(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise BadRequestError(f"{name} must be a positive number")
    return value
