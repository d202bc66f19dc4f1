"""Threads with a bounded queue before them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")


class AllBusyError(Exception):
    """So many calls wait already that one more would wait in vain."""


class Threads:
    """A fixed number of threads, and a bounded number of calls that wait for one."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(threads + waiting)

    async def run(self, function: Callable[[], _T]) -> _T:
        """
        Return what *function* returns.

        If the wait is cancelled, a call that has not begun is dropped. One that has begun goes on in its thread.

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
