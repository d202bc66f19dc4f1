"""How long to wait before something is tried again: longer each time, and never all at once."""

import random
from collections.abc import Sequence
from datetime import timedelta

# Seconds to wait after the first, second ... failure of an event or a sync; the last one repeats.
STEPS_S = (5, 15, 60, 300, 900, 1800, 3600)
# After this many failures (most of two days) an event becomes a dead letter.
MAX_ATTEMPTS = 48

# A reconciliation is in no hurry: an Item that Pluggy cannot show is tried again after hours, then days.
RECONCILIATION_STEPS_S = (3600, 6 * 3600, 24 * 3600, 72 * 3600)

_SPREAD = (0.8, 1.2)


def wait(failures: int, steps_s: Sequence[int] = STEPS_S) -> timedelta:
    """Return how long to wait after *failures* earlier failures, up to a fifth more or less."""
    step_s = steps_s[min(failures, len(steps_s) - 1)]
    return timedelta(seconds=step_s * random.uniform(*_SPREAD))
