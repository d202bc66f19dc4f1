"""
Work that waits for others goes on beside its worker: a slow product must not keep a worker from the rest.

A delivery runs in a thread. If it has not ended after a moment, the worker goes on to its next message, and the thread
to the end. Postgres knows of the claim: if the process dies under it, the claim ends and the sweep queues it again.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache

import structlog

log = structlog.get_logger(__name__)

# Most deliveries take less, and are then done when their message is acknowledged.
MOMENT_S = 0.25
# At once in a process. When all are taken the worker waits for one.
THREADS = 16
# For those under way when the process ends.
END_S = 5.0


@cache
def _threads() -> ThreadPoolExecutor:
    # Made after the fork, which threads do not survive.
    return ThreadPoolExecutor(THREADS, thread_name_prefix="aside")


@cache
def _free() -> threading.Semaphore:
    return threading.Semaphore(THREADS)


_under_way: set["Future[None]"] = set()


def run(work: Callable[[], None], *, name: str, argument: str) -> None:
    """Do *work*; return when it has ended, or after a moment. What it raises in that moment is raised here."""
    _free().acquire()
    future = _threads().submit(copy_context().run, work)
    _under_way.add(future)
    future.add_done_callback(_ended)
    if wait([future], timeout=MOMENT_S).done:
        future.result()
    else:
        future.add_done_callback(lambda done: _log_failure(done, name, argument))


def finish() -> None:
    """Wait a little for what is under way. The process ends."""
    left = wait(set(_under_way), timeout=END_S).not_done
    if left:
        log.warning("aside.left", number=len(left), next="the sweep queues them when their claims end")


def _ended(future: "Future[None]") -> None:
    _under_way.discard(future)
    _free().release()


def _log_failure(future: "Future[None]", name: str, argument: str) -> None:
    if future.exception() is not None:
        log.error(
            "task.failed",
            exc_info=future.exception(),
            task=name,
            argument=argument,
            next="the sweep queues it when it is due",
        )
