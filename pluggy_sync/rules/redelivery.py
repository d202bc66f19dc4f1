"""
When a notification that failed is tried again, when an endpoint that fails is asked again, and when to give up.

Each wait is a share of the time that the failure has lasted: a short outage is over soon, a long one costs few tries.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

GIVE_UP_AFTER = timedelta(days=3)
LONGEST_RETRY_AFTER = timedelta(hours=1)


def wait_for_notification(failing_for: timedelta) -> timedelta:
    """Return how long a notification waits that has failed for so long, though its endpoint took others."""
    return min(max(failing_for / 3, timedelta(seconds=5)), timedelta(hours=3))


def wait_for_endpoint(failing_for: timedelta) -> timedelta:
    """Return how long nothing is sent to an endpoint that has failed for so long; after that, one notification is."""
    return min(max(failing_for / 4, timedelta(seconds=1)), timedelta(minutes=10))


def gives_up(tried_for: timedelta) -> bool:
    """Return whether a notification that was first tried so long ago is given up."""
    return tried_for >= GIVE_UP_AFTER


def wait_asked_for(retry_after: str | None, *, now: datetime) -> timedelta:
    """
    Return how long the header `Retry-After` asks to wait (RFC 9110, 10.2.3): seconds, or a date.

    None and what cannot be read ask for nothing. An hour is the most that is obeyed.
    """
    asked = timedelta() if retry_after is None else _read(retry_after.strip(), now)
    return min(max(asked, timedelta()), LONGEST_RETRY_AFTER)


def _read(retry_after: str, now: datetime) -> timedelta:
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=int(retry_after[:9]))
    try:
        moment = parsedate_to_datetime(retry_after)
    # It raises these, and OverflowError and IndexError, for texts that are no dates.
    except (ValueError, TypeError, OverflowError, IndexError):
        return timedelta()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
