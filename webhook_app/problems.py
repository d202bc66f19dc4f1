"""
The problems with which requests are answered: one table of codes, statuses and meanings.

It adds what is wrong with a request, or with us, to the refusals of `rules/refusals.py`. The API's documentation is
made from it.

Tests: `api/test_docs.py`, `test_situations.py`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pluggy_sync.rules import refusals

INVALID_REQUEST = "invalid-request"
INTERNAL_ERROR = "internal-error"
UNAVAILABLE = "unavailable"
TOO_MANY_REQUESTS = "too-many-requests"

_TABLE: tuple[tuple[str, int, str], ...] = (
    (INVALID_REQUEST, 400, "Some values are missing or wrong. `errors` names them, where they have names."),
    ("invalid-cursor", 400, "The cursor is not one that this list gave."),
    ("unauthorized", 401, "Give a valid token: `Authorization: Bearer <token>`."),
    ("insufficient-scope", 403, "The token is valid and may not do this. `detail` names the scope that is needed."),
    ("not-found", 404, "There is no such address."),
    ("account-not-found", 404, "No such account is known here."),
    ("user-not-found", 404, "Nothing of this person is known here."),
    ("erasure-not-found", 404, "There is no such erasure."),
    ("endpoint-not-found", 404, "There is no such endpoint."),
    ("notification-not-found", 404, "No such notification is known here."),
    ("product-not-found", 404, "There is no such data product."),
    ("method-not-allowed", 405, "This address does not take this method."),
    ("too-slow", 408, "The body did not come in time."),
    ("action-required", 409, "A person must act first. `action` says what to do."),
    ("endpoint-of-settings", 409, "The endpoint of PRODUCT_WEBHOOK_URL is changed in the settings, by the operator."),
    ("not-given", 409, "Pluggy does not give this: not to your plan, not by this consent, or not of this connector."),
    ("client-user-mismatch", 409, "The Item is known as another person's."),
    ("user-erased", 409, "The person was erased, or is being erased. A repeated call brings nobody back."),
    ("history-not-kept", 410, "What was stored then is not known any more. `earliest` says since when it is."),
    ("too-large", 413, "The body is too large."),
    ("unsupported-media-type", 415, "Send JSON."),
    (TOO_MANY_REQUESTS, 429, "Too many requests are under way or came in a short time."),
    (INTERNAL_ERROR, 500, "The service failed. Its log has more under this `requestId`."),
    ("pluggy-busy", 503, "Pluggy takes no more requests just now. `Retry-After` says when to try again."),
    ("pluggy-unavailable", 503, "Pluggy does not answer just now. `Retry-After` says when to try again."),
    (UNAVAILABLE, 503, "The service is not able to answer just now. Try again."),
)
STATUS_OF_CODE: Mapping[str, int] = {**refusals.STATUS_OF_CODE, **{code: status for code, status, _ in _TABLE}}
DETAIL_OF_CODE: Mapping[str, str] = {**refusals.DETAIL_OF_CODE, **{code: detail for code, _, detail in _TABLE}}

# For what the web framework itself answers.
CODE_OF_STATUS: Mapping[int, str] = {
    STATUS_OF_CODE[code]: code
    for code in (
        INVALID_REQUEST,
        "unauthorized",
        "not-found",
        "method-not-allowed",
        "too-slow",
        "too-large",
        "unsupported-media-type",
        TOO_MANY_REQUESTS,
        UNAVAILABLE,
    )
}


def address_of(code: str) -> str:
    """Return the `type` of a problem: the address, relative to the service, of the paragraph about *code*."""
    return f"/v1/docs/errors#{code}"


def title_of(status: int) -> str:
    """Return the name of *status*."""
    return HTTPStatus(status).phrase


class ProblemError(Exception):
    """
    A request that is answered with the problem *code*.

    *detail*: what the caller can do; None: as in the table. *more* are further members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = STATUS_OF_CODE[code]
        self.detail = DETAIL_OF_CODE[code] if detail is None else detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def as_markdown() -> str:
    """Return the table of all codes, for the API's documentation."""
    rows = [f"| `{code}` | {status} | {DETAIL_OF_CODE[code]} |" for code, status in STATUS_OF_CODE.items()]
    return "\n".join(["| `code` | Status | Meaning |", "| --- | --- | --- |", *rows])
