"""Making something happen at a chosen moment: when Pluggy has answered a request, and before the answer is used."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from pluggy_sync import wire
from pluggy_sync.pluggy.exchange import Answer
from pluggy_sync.resources import Resources


@contextmanager
def when_answered(res: Resources, path: str, action: Callable[[], object], *, skip: int = 0) -> Iterator[list[str]]:
    """
    Do *action* once, after the first answer to a GET of a path that begins with *path*, *skip* answers later.

    Yields a list that holds the request once that was done.
    """
    lock = threading.Lock()
    left, done = [skip], []

    def hook(answer: Answer) -> None:
        if answer.method != "GET" or not answer.path.startswith(path):
            return
        with lock:
            if done:
                return
            if left[0]:
                left[0] -= 1
                return
            done.append(answer.path)
        action()

    hooks = res.pluggy.hooks.answered
    hooks.append(hook)
    try:
        yield done
    finally:
        hooks.remove(hook)


@contextmanager
def changed(res: Resources, path: str, change: Callable[["Given"], None]) -> Iterator[None]:
    """
    Let *change* change each answer to a GET of a path that matches the pattern *path*, until the block ends.

    There must be one: what was never asked for proves nothing.
    """
    asked, met = threading.local(), threading.Event()

    def remember(request: httpx.Request) -> None:
        # The answer comes to the thread that asked.
        asked.query = dict(request.url.params)

    def hook(answer: Answer) -> None:
        if answer.method == "GET" and re.fullmatch(path, answer.path):
            met.set()
            change(Given(answer, asked.query))

    hooks = res.pluggy.hooks
    hooks.requested.append(remember)
    hooks.answered.append(hook)
    try:
        yield
    finally:
        hooks.answered.remove(hook)
        hooks.requested.remove(remember)
    assert met.is_set(), f"nobody asked for {path}"


@dataclass(frozen=True)
class Given:
    """An answer of Pluggy that a test may change, and the query that was asked."""

    answer: Answer
    query: dict[str, str]

    def set(self, **values: Any) -> None:
        """Change what Pluggy sent. An answer is frozen for whoever reads it; here it is not read yet."""
        for name, value in values.items():
            object.__setattr__(self.answer, name, value)


def edited(edit: Callable[[Any], None]) -> Callable[[Given], None]:
    """Return a change that edits the decoded body of each good answer."""

    def change(given: Given) -> None:
        if given.answer.is_success:
            body = wire.decode(given.answer.content)
            edit(body)
            given.set(content=wire.encode(body))

    return change


def refused(status: int, *, of: str | None = None) -> Callable[[Given], None]:
    """Return a change that refuses each request with *status*; only those that name *of* in their query, if given."""

    def change(given: Given) -> None:
        if of is None or of in given.query.values():
            given.set(status=status, content=b'{"code": %d, "message": "no"}' % status)

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
