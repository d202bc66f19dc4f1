"""Making something happen at a chosen moment: when Pluggy has answered a request, and before the answer is used."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
