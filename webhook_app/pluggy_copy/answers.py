"""
Answers in Pluggy's form: objects, pages, refusals (Pluggy facts 5.1, 6).

Tests: `pluggy_copy/test_accounts.py`, `pluggy_copy/test_registration.py`.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, current_app

from pluggy_sync.store.pluggy_reads import Part, PluggyObject

PREFIX = "/pluggy/"


class RefusedError(Exception):
    """A request that is answered with `{code, message, codeDescription?}`."""

    def __init__(self, status: int, message: str, code_description: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code_description = code_description


def holds(path: str) -> bool:
    """Return whether what is answered at *path* has Pluggy's form."""
    return path.startswith(PREFIX)


def answer(value: Any, status: int = 200) -> Response:
    """Return *value* as JSON."""
    return current_app.response_class(current_app.json.dumps(value), status=status, mimetype="application/json")


def page(part: Part, *, number: int, size: int) -> Response:
    """Return the rows of page *number*, of *size* rows, in Pluggy's envelope."""
    return answer(
        {"page": number, "total": part.total, "totalPages": math.ceil(part.total / size), "results": part.rows}
    )


def found(shown: PluggyObject | None, what: str) -> Response:
    """
    Return the object; *what* says which one was asked for.

    Raises:
        RefusedError: there is none.
    """
    if shown is None:
        raise not_found(what)
    return answer(shown.raw)


def not_found(what: str) -> RefusedError:
    """Return what is said of an object that is not there."""
    return RefusedError(HTTPStatus.NOT_FOUND, f"{what} not found", f"{what.upper()}_NOT_FOUND")


def refusal(
    status: int, message: str, code_description: str | None = None, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as Pluggy writes it."""
    said = {} if code_description is None else {"codeDescription": code_description}
    response = answer({"code": status, "message": message, **said}, status)
    response.headers.extend(headers or {})
    return response
