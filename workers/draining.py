"""
The end of a worker: it takes nothing more, and what is under way ends within a limit.

Tasks that run have a moment to end by themselves. After that each of their requests to Pluggy is refused as if the
budget were used up: the task stores what it has read, gives its Item back and is due again. Another worker takes it
up, and nothing waits for the end of a lease.
"""

import multiprocessing
import threading
from typing import Any

import structlog
from celery import signals

from pluggy_sync.pluggy.errors import PluggyLimitedError

log = structlog.get_logger(__name__)

# Most tasks take less.
MOMENT_S = 10.0

# Made before the fork, so that all processes of the worker share it.
_is_over = multiprocessing.Event()


@signals.worker_shutting_down.connect
def begin(**_: Any) -> None:
    """Give tasks that run `MOMENT_S` to end. After that they ask Pluggy for nothing more."""
    log.info("worker.drains", within_s=MOMENT_S, next="what has not ended then is done by another worker")
    timer = threading.Timer(MOMENT_S, _is_over.set)
    timer.daemon = True
    timer.start()


def refuse_requests(_request: object) -> None:
    """
    Refuse a request to Pluggy once the moment is over.

    Raises:
        PluggyLimitedError: the moment is over.
    """
    if _is_over.is_set():
        raise PluggyLimitedError("the worker ends", retry_after_s=0.0)
