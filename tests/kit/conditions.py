"""Waiting for a condition, with a bound. No test sleeps for a time that it hopes is long enough."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

_POLL_S = 0.02


def eventually(condition: Callable[[], _T], *, within_s: float = 10.0, what: str = "") -> _T:
    """
    Return the first true value that *condition* returns.

    Raises:
        AssertionError: it returned none *within_s* seconds; the text holds *what* and the last value.
    """
    end = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within_s} s: {what or condition!r}; last: {value!r}")
        time.sleep(_POLL_S)
