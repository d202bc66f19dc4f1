"""Making something happen at a chosen moment: when Pluggy has answered a request, and before the answer is used."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
def hiding(res: Resources, *ids: str) -> Iterator[None]:
    """Let Pluggy's answers about transactions lack the rows *ids*, as if they were not there, until the block ends."""

    def hook(answer: Answer) -> None:
        if answer.path != "/v2/transactions" or not answer.is_success:
            return
        page = wire.decode(answer.content)
        page["results"] = [row for row in page["results"] if row["id"] not in ids]
        # An answer is frozen for whoever reads it; here it is what Pluggy sent.
        object.__setattr__(answer, "content", wire.encode(page))

    hooks = res.pluggy.hooks.answered
    hooks.append(hook)
    try:
        yield
    finally:
        hooks.remove(hook)
