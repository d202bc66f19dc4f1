"""The present request's id: in every answer's header, in every problem, in every log line."""

import re
import uuid

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
HEADER_BYTES = HEADER.lower().encode()
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def register(app: Flask) -> None:
    """Give each request of *app* an id: the caller's, if it is well formed, otherwise a new one."""
    app.before_request(_begin)
    app.after_request(_name_in_answer)
    app.teardown_request(_end)


def given_or_new(given: str) -> str:
    """Return the id that the caller gave if it is sane, else a new one."""
    return given if _SANE.fullmatch(given) else str(uuid.uuid4())


def request_id() -> str:
    """Return the id of the present request."""
    found: str = g.get("request_id") or str(uuid.uuid4())
    return found


def _begin() -> None:
    g.request_id = given_or_new(request.headers.get(HEADER, ""))
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _name_in_answer(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response


def _end(_error: BaseException | None) -> None:
    structlog.contextvars.unbind_contextvars("request_id")
