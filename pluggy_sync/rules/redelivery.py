"""
When a failed notification is tried again and becomes a dead letter, and when a failing endpoint is probed and stopped.

Each wait is a share of the time that the failure has lasted. After a short outage the tries come soon; a long outage
costs few.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DEAD_AFTER = timedelta(days=3)
GIVEN_UP_AFTER = timedelta(days=5)
LONGEST_RETRY_AFTER = timedelta(hours=1)


def wait_for_notification(failing_for: timedelta) -> timedelta:
    """Return how long a notification waits after it has failed for so long, while its endpoint takes others."""
    return min(max(failing_for / 3, timedelta(seconds=5)), timedelta(hours=3))


def wait_for_endpoint(failing_for: timedelta) -> timedelta:
    """Return how long nothing is sent to an endpoint that has failed for so long. Then one notification probes it."""
    return min(max(failing_for / 4, timedelta(seconds=1)), timedelta(minutes=10))


def is_dead(tried_for: timedelta) -> bool:
    """Return whether a notification that was first tried so long ago is a dead letter."""
    return tried_for >= DEAD_AFTER


def is_given_up(failing_for: timedelta) -> bool:
    """Return whether an endpoint that has failed for so long is stopped."""
    return failing_for >= GIVEN_UP_AFTER


def wait_asked_for(retry_after: str | None, *, now: datetime) -> timedelta:
    """
    Return how long the header `Retry-After` asks to wait (RFC 9110, 10.2.3): seconds, or a date.

    The answer is at most an hour. No header, or one that cannot be read, asks for no wait.
    """
    asked = timedelta() if retry_after is None else _read(retry_after.strip(), now)
    return min(max(asked, timedelta()), LONGEST_RETRY_AFTER)


def _read(retry_after: str, now: datetime) -> timedelta:
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=int(retry_after[:9]))
    try:
        moment = parsedate_to_datetime(retry_after)
    # It raises all of these for texts that are no dates.
    except (ValueError, TypeError, OverflowError, IndexError):
        return timedelta()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
