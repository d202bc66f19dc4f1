"""Pages of a few words, for when there is no action to show: the link is too old, too many tries, our own trouble."""

from datetime import timedelta

from flask import Response, make_response, render_template, request

from pluggy_sync import wire
from webhook_app.app_resources import resources
from webhook_app.person.company import company_of_request, language, token_of

_OF_STATUS = {404: "gone", 410: "gone", 429: "busy"}
# After these the same link may work: there is a button to try it again.
_PASSING = frozenset({"busy", "refused", "failed"})


def is_page(path: str) -> bool:
    """Return whether a person in a browser asked for *path*: then every answer is a page."""
    return path == "/act" or path.startswith("/act/")


def notice(name: str, status: int, *, retry_after_s: int | None = None) -> Response:
    """
    Return the page called *name* in the texts, in the person's language.

    *retry_after_s*: a clock counts down to when the person can try again; None: at once.
    """
    res = resources()
    words = language(res.texts, request.accept_languages)
    token = token_of(request.path)
    now = res.now()
    body = render_template(
        "notice.html",
        words=words,
        company=company_of_request(res),
        title=words.page(f"{name}_title"),
        body=words.page(f"{name}_body"),
        notice=name,
        again=f"/act/{token}" if name in _PASSING and token is not None else None,
        deadline=None if retry_after_s is None else wire.to_text(now + timedelta(seconds=retry_after_s)),
        now=wire.to_text(now),
    )
    headers = {"Vary": "Accept-Language"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return make_response(body, status, headers)


def busy(retry_after_s: int) -> Response:
    """Return the page that says to wait, in seconds."""
    return notice("busy", 429, retry_after_s=retry_after_s)


def of_status(status: int, *, retry_after: str | None = None) -> Response:
    """Return the page for an error that has no page of its own; *retry_after* as in the header."""
    name = _OF_STATUS.get(status, "refused" if status < 500 else "failed")
    seconds = int(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    page = notice(name, status, retry_after_s=seconds)
    # The caller has the header too.
    page.headers.pop("Retry-After", None)
    return page
