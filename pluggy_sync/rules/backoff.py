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

# Pluggy has shown less of a part than it told of. Such a part is read again after each of these waits, then taken as it
# is. Most rows that are late are late by seconds. Meanwhile the Item is `syncing`: two and a half minutes at most.
SHOWN_LATE_WAITS = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=45), timedelta(seconds=90))
# A part for which there was no budget goes on as soon as there may be some.
NO_BUDGET_WAIT = timedelta(seconds=20)
# A part that could not be read is tried again after these waits; the last one repeats. After the last one the events
# that it has missed are left to reconciliation, or they would pile up.
NOT_READ_WAITS = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=24),
)

_SPREAD = (0.8, 1.2)


def wait(failures: int, steps_s: Sequence[int] = STEPS_S) -> timedelta:
    """Return how long to wait after *failures* earlier failures, spread."""
    return spread(timedelta(seconds=steps_s[min(failures, len(steps_s) - 1)]))


def spread(wait: timedelta) -> timedelta:
    """Return *wait*, up to a fifth more or less: what failed together is not tried again together."""
    return wait * random.uniform(*_SPREAD)
