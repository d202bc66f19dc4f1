"""Waiting for something to become true, never longer than a bound. Demo, benchmarks and tests wait so too."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_EVERY_S = 0.05
# On a slow, busy machine too. Only what fails waits so long.
PATIENCE_S = 60.0


class WaitedInVainError(Exception):
    """What was waited for did not happen in time; the text says what it was."""


def eventually(
    condition: Callable[[], T | None], *, what: str, within_s: float = PATIENCE_S, every_s: float = POLL_EVERY_S
) -> T:
    """
    Return the first value of *condition* that is true. It is asked every *every_s* seconds.

    Raises:
        WaitedInVainError: there was none within *within_s* seconds; the text names *what*.
    """
    give_up_at = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > give_up_at:
            raise WaitedInVainError(f"not within {within_s:g} s: {what}")
        time.sleep(every_s)
    return found
