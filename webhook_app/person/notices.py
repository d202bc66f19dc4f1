"""Pages of a few words, for when there is no action to show: the link is too old, too many tries, our own trouble."""

from flask import Response, make_response, render_template, request

from webhook_app.person import texts

_OF_STATUS = {404: "gone", 410: "gone", 429: "busy"}


def is_page(path: str) -> bool:
    """Return whether a person in a browser asked for *path*: then every answer is a page."""
    return path.startswith("/act/")


def notice(name: str, status: int) -> Response:
    """Return the page called *name* in `texts`, in the person's language."""
    said = texts.words(texts.language_of(request.accept_languages))
    body = render_template("notice.html", said=said, title=said[f"{name}_title"], body=said[f"{name}_body"])
    return make_response(body, status, {"Vary": "Accept-Language"})


def of_status(status: int) -> Response:
    """Return the page for an error that has no page of its own."""
    return notice(_OF_STATUS.get(status, "refused" if status < 500 else "failed"), status)
