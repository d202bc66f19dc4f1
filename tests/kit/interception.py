"""Making something happen at a chosen moment: when Pluggy has answered a request, and before the answer is used."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

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
