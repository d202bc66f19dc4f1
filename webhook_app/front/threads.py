"""Threads with a bounded queue before them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")


class AllBusyError(Exception):
    """So many wait already that one more would only wait in vain."""


class Threads:
    """A fixed number of threads, and a bounded number of calls that wait for one."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(threads + waiting)

    async def run(self, function: Callable[[], _T]) -> _T:
        """
        Return what *function* returns.

        Cancelled, it is not begun any more; if it has begun it goes on to its end, and its thread is taken until then.

        Raises:
            AllBusyError: the queue is full.
        """
        if not self._room.acquire(blocking=False):
            raise AllBusyError
        future = self._pool.submit(function)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _future: Future[Any]) -> None:
        self._room.release()
