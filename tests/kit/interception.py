"""Making something happen at a chosen moment: when Pluggy has answered a request, and before the answer is used."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx

from pluggy_sync import wire
from pluggy_sync.resources import Resources


@contextmanager
def when_answered(res: Resources, path: str, action: Callable[[], object], *, skip: int = 0) -> Iterator[list[str]]:
    """
    Do *action* once, after the first answer to a GET of a path that begins with *path*, *skip* answers later.

    Yields a list that holds the request once that was done.
    """
    http = res.pluggy._http
    lock = threading.Lock()
    left, done = [skip], []

    def hook(response: httpx.Response) -> None:
        request = response.request
        if request.method != "GET" or not request.url.path.startswith(path):
            return
        with lock:
            if done:
                return
            if left[0]:
                left[0] -= 1
                return
            done.append(str(request.url))
        response.read()
        action()

    before = http.event_hooks
    http.event_hooks = {**before, "response": [*before.get("response", []), hook]}
    try:
        yield done
    finally:
        http.event_hooks = before


@contextmanager
def changed(res: Resources, path: str, change: Callable[[httpx.Response], None]) -> Iterator[None]:
    """Let *change* change each answer to a GET of a path that matches the pattern *path*, until the block ends."""
    http = res.pluggy._http

    def hook(response: httpx.Response) -> None:
        request = response.request
        if request.method == "GET" and re.fullmatch(path, request.url.path):
            response.read()
            change(response)

    before = http.event_hooks
    http.event_hooks = {**before, "response": [*before.get("response", []), hook]}
    try:
        yield
    finally:
        http.event_hooks = before


def edited(edit: Callable[[Any], None]) -> Callable[[httpx.Response], None]:
    """Return a change that edits the decoded body of each good answer."""

    def change(response: httpx.Response) -> None:
        if response.is_success:
            body = wire.decode(response.content)
            edit(body)
            response._content = wire.encode(body)

    return change


def refused(status: int, *, of: str | None = None) -> Callable[[httpx.Response], None]:
    """Return a change that refuses each request with *status*; only those that name *of* in their query, if given."""

    def change(response: httpx.Response) -> None:
        if of is None or of in response.request.url.params.values():
            response.status_code = status
            response._content = b'{"code": %d, "message": "no"}' % status

    return change


def hiding(res: Resources, *ids: str) -> AbstractContextManager[None]:
    """Let Pluggy's answers about transactions lack the rows *ids*, as if they were not there, until the block ends."""

    def edit(page: Any) -> None:
        page["results"] = [row for row in page["results"] if row["id"] not in ids]

    return changed(res, "/v2/transactions", edited(edit))


def emptied(page: Any) -> None:
    """Edit a page of a list so that it holds nothing."""
    page.update(results=[])
    page.update({name: value for name, value in (("total", 0), ("next", None)) if name in page})
