"""The answers to requests that reach no thread, in the form of their area."""

import uuid

import msgspec

from webhook_app import problems
from webhook_app.front.areas import PLUGGY, PLUGGY_SIGN_IN
from webhook_app.front.calls import Answer

# No thread of ours works on it, so it is the same for everybody, and in both languages.
_PAGE = (
    '<!doctype html><html lang="pt-BR"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Só um instante</title>'
    '<link rel="icon" href="data:,">'
    '<link rel="stylesheet" href="/act-files/act.css"></head>'
    '<body><main class="card" id="main"><h1>Só um instante</h1>'
    "<p>Muitos pedidos chegaram ao mesmo tempo. Espere alguns segundos e tente de novo.</p>"
    '<p lang="en">Many requests came at the same time. Wait a few seconds and try again.</p>'
    '<a class="primary button" href="">Tentar de novo <span lang="en">/ Try again</span></a>'
    "</main></body></html>"
)
_SECRET_ADDRESS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive"),
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    ),
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
    if area in (PLUGGY, PLUGGY_SIGN_IN):
        error = {"code": status, "message": detail or problems.DETAIL_OF_CODE[code]}
        return _with(status, "application/json", msgspec.json.encode(error), [])
    problem = {
        "type": problems.address_of(code),
        "title": problems.title_of(status),
        "status": status,
        "detail": detail or problems.DETAIL_OF_CODE[code],
        "code": code,
        # No log has it: nothing of ours has seen the request.
        "requestId": str(uuid.uuid4()),
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
