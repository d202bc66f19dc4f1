"""Waiting for something to become true, never longer than a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_EVERY_S = 0.05


class WaitedInVainError(Exception):
    """What was waited for did not happen in time; the text says what it was."""


def wait_for(what: str, condition: Callable[[], T | None], *, timeout_s: float) -> T:
    """
    Return the first value of *condition* that is true.

    Raises:
        WaitedInVainError: there was none within *timeout_s* seconds.
    """
    give_up_at = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > give_up_at:
            raise WaitedInVainError(f"waited {timeout_s:g} s in vain for {what}")
        time.sleep(POLL_EVERY_S)
    return found
