"""A circuit breaker. After a failure nobody asks the server for a while. Then one caller does, to see if it is back."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

# Short: when the server is back, little is left to the sweep.
REST_S = 2.0


class Breaker:
    """Guards one server for all threads of a process."""

    def __init__(self, *, rest_s: float = REST_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        # Until when nobody asks; None while the server answers.
        self._rests_until: float | None = None

    def call(self, ask: Callable[[], _T | None]) -> _T | None:
        """
        Return what *ask* returns, which is None if the server failed. While the server rests, return None at once.

        Exceptions of *ask* are not failures of the server.
        """
        if not self._may_ask():
            return None
        answer = ask()
        with self._lock:
            self._rests_until = self._clock() + self._rest_s if answer is None else None
        return answer

    def _may_ask(self) -> bool:
        """Whether this caller may ask. Everybody may while the server answers; after its rest, one at a time."""
        with self._lock:
            if self._rests_until is None:
                return True
            now = self._clock()
            if now < self._rests_until:
                return False
            # The others wait for the outcome of this call.
            self._rests_until = now + self._rest_s
            return True
