"""The present request's id: in every answer's header, in every problem, in every log line."""

import re
import uuid

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def register(app: Flask) -> None:
    """Give each request of *app* an id: the caller's, if it is well formed, otherwise a new one."""
    app.before_request(_begin)
    app.after_request(_name_in_answer)
    app.teardown_request(_end)


def request_id() -> str:
    """Return the id of the present request."""
    found: str = g.get("request_id") or str(uuid.uuid4())
    return found


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if _SANE.fullmatch(given) else str(uuid.uuid4())
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _name_in_answer(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response


def _end(_error: BaseException | None) -> None:
    structlog.contextvars.unbind_contextvars("request_id")
