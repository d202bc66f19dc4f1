"""Things to do soon, in real time: the steps of an execution, the attempts of a delivery."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

Job = Callable[[], None]
log = logging.getLogger(__name__)


class Timers:
    """One thread that starts each job when it is due, and a few more for jobs that wait for the network."""

    def __init__(self, network_threads: int = 16) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._closed = False
        self._pool = ThreadPoolExecutor(network_threads, thread_name_prefix="sandbox-network")
        self._thread = threading.Thread(target=self._loop, name="sandbox-timers", daemon=True)
        self._thread.start()

    def after(self, seconds: float, job: Job) -> None:
        """Do *job* in *seconds*. It must be quick."""
        with self._wake:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), job))
            self._wake.notify()

    def network_after(self, seconds: float, job: Job) -> None:
        """Do *job*, which may take its time, in *seconds*."""
        self.after(seconds, lambda: self._submit(job))

    def close(self) -> None:
        """Stop; what is not done yet will not be."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, job: Job) -> None:
        if not self._closed:
            self._pool.submit(_logged, job)

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            _logged(job)

    def _next(self) -> Job | None:
        with self._wake:
            while not self._closed:
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._heap)[2]
                self._wake.wait(wait)
        return None


def _logged(job: Job) -> None:
    # The thread must outlive a job that fails, and the failure must be seen.
    try:
        job()
    except Exception:
        log.exception("a job failed")
