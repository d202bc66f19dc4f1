"""The answers to requests that reach no thread, in the form of their area."""

import msgspec

from webhook_app import problems
from webhook_app.front.calls import Answer

_PAGE = (
    '<!doctype html><html lang="pt-BR"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta http-equiv="refresh" content="5"><title>Só um instante</title><body><main><h1>Só um instante</h1>'
    "<p>Muitos pedidos chegaram ao mesmo tempo. Esta página tenta de novo em alguns segundos.</p>"
    '<p lang="en">Many requests came at the same time. This page tries again in a few seconds.</p></main></body></html>'
)
_SECRET_ADDRESS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
]


def unavailable(area: str) -> Answer:
    """Return 503: try again."""
    return _answer(area, problems.UNAVAILABLE)


def too_many(area: str) -> Answer:
    """Return 429: too many requests of this address are under way."""
    return _answer(area, problems.TOO_MANY_REQUESTS)


def broken_off(area: str) -> Answer:
    """Return 400: the body ended before it was complete."""
    return _answer(area, problems.INVALID_REQUEST, "The body ended before it was complete.")


def _answer(area: str, code: str, detail: str | None = None) -> Answer:
    status = problems.STATUS_OF_CODE[code]
    if area == "person":
        return _with(status, "text/html; charset=utf-8", _PAGE.encode(), _SECRET_ADDRESS)
    if area == "webhooks":
        return _with(status, "application/json", msgspec.json.encode({"result": "not stored"}), [])
    problem = {
        "type": f"urn:pluggy-sync:problem:{code}",
        "status": status,
        "code": code,
        "detail": detail or problems.DETAIL_OF_CODE[code],
    }
    return _with(status, "application/problem+json", msgspec.json.encode(problem), [])


def _with(status: int, content_type: str, body: bytes, more: list[tuple[bytes, bytes]]) -> Answer:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"5"),
        *more,
    ]
    return Answer(status=status, headers=headers, body=body)
