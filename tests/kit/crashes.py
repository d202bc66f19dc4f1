"""Ending the work of a process in the middle, as a kill would: at any request to Pluggy or statement to Postgres."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import sqlalchemy as sa

from pluggy_sync.resources import Resources


class CrashError(BaseException):
    """The process dies here. Not an Exception: no handler of the code may see it, as none sees a kill."""


@contextmanager
def crash_at(res: Resources, step: int | None) -> Iterator[None]:
    """Crash at the step with number *step*, requests and statements counted together; None never crashes."""
    if step is None:
        yield
        return
    lock, left = threading.Lock(), [step]

    def count() -> None:
        with lock:
            left[0] -= 1
            # The other threads of a process that died do no more either.
            if left[0] <= 0:
                raise CrashError

    def on_request(_request: httpx.Request) -> None:
        count()

    def on_statement(*_: Any) -> None:
        count()

    hooks = res.pluggy.hooks.requested
    hooks.append(on_request)
    sa.event.listen(res.database, "before_cursor_execute", on_statement)
    try:
        yield
    finally:
        sa.event.remove(res.database, "before_cursor_execute", on_statement)
        hooks.remove(on_request)
