"""What every request to the API passes first: the log, faults, limits, the key."""

import errno
import re
import time
from collections.abc import Iterator
from functools import cache

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from pluggy_sandbox.api import odd_text
from pluggy_sandbox.api.answers import JSON, answer, world
from pluggy_sandbox.state.faults import RequestFault
from pluggy_sandbox.state.limits import OverLimitError
from pluggy_sandbox.wire.errors import ApiError, NotFoundError, UnavailableError

_WITH_ERROR_ID, _ABOUT_ITEMS = (400, 409), ("/items", "/v2/items")  # Pluggy facts 13.14
_OPEN = ("POST /auth", "GET /api/status", "GET /api/connectors-incidents", "GET /api/summary")
_OUTSIDE = ("/_sandbox", "/static", "/pluggy-connect")


def install(app: Flask) -> None:
    """Put the gate before the views of *app*."""
    app.before_request(_enter)
    app.after_request(_leave)
    app.register_error_handler(ApiError, _refuse)
    app.register_error_handler(HTTPException, _failed)


def endpoint() -> str:
    """Return the endpoint of this request as the reference writes it, e.g. `GET /items/{id}`."""
    rule = request.url_rule.rule if request.url_rule else request.path
    return f"{request.method} {template(rule)}"


@cache
def template(rule: str) -> str:
    """Return the path of a Flask rule as the reference writes it."""
    return re.sub(r"<[^>]+>", "{id}", rule)


def _is_api() -> bool:
    return request.path != "/" and not request.path.startswith(_OUTSIDE)


def _enter() -> Response | None:
    if not _is_api() or request.method == "OPTIONS":
        return None
    here = world()
    g.endpoint = endpoint()
    if here.settings.limits:
        here.counters.count(g.endpoint, request.remote_addr or "", here.settings.limit_window_seconds)
    with here.lock:
        fault = here.faults.striking(g.endpoint, here.fault_dice)
    early = _suffer(fault) if fault else None
    if early is None and g.endpoint not in _OPEN:
        g.caller = here.keyring.caller(request.headers.get("X-API-KEY"))
    return early


def _suffer(fault: RequestFault) -> Response | None:
    g.fault = fault.do
    match fault.do:
        case "status":
            raise OverLimitError(1, 60, 60) if fault.status == 429 else UnavailableError(fault.status)
        case "slow":
            time.sleep(fault.seconds)
        case "not_found":
            raise NotFoundError("Not found")
        case "drop":
            return Response(_cut_short(), 200, content_type=JSON)
        case "empty":
            return answer({"results": [], "next": None, "page": 1, "total": 0, "totalPages": 0})
        case "expire_keys":
            world().keyring.expire_all()
    return None


def _cut_short() -> Iterator[bytes]:
    """Yield the beginning of a body, then break the connection as a reset by the peer does."""
    yield b'{"results":['
    raise ConnectionResetError(errno.ECONNRESET, "dropped on purpose")


def _leave(response: Response) -> Response:
    if _is_api():
        if g.get("fault") == "odd_text" and response.mimetype == "application/json":
            response.set_data(odd_text.spoil(response.get_data()))
        # The widget's page may stand on another origin; the real API allows that too.
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, X-API-KEY"
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PATCH, DELETE, OPTIONS"
        if request.method != "OPTIONS":
            _log(response)
    return response


def _log(response: Response) -> None:
    here = world()
    with here.lock:
        here.request_count += 1
        here.requests.append(
            {
                "n": here.request_count,
                "method": request.method,
                "path": request.path,
                "endpoint": g.get("endpoint"),
                "query": request.query_string.decode(errors="replace"),
                "status": response.status_code,
            }
        )


def _refuse(error: ApiError) -> Response:
    body = error.body()
    if error.status in _WITH_ERROR_ID and request.path.startswith(_ABOUT_ITEMS):
        body["errorId"] = world().ids.of("error", world().request_count)
    response = answer(body, error.status)
    if isinstance(error, OverLimitError):
        response.headers.update(error.headers)
    return response


def _failed(error: HTTPException) -> Response:
    """Answer in the API's own form what Flask refuses, or what failed here, which Flask logs."""
    status = error.code or 500
    message = f"Cannot {request.method} {request.path}" if status == 404 else error.name
    return answer({"code": status, "message": message}, status)
