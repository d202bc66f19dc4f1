"""When to remind, when to be quiet, and when to warn that a consent ends."""

import math
from datetime import datetime, timedelta

from pluggy_sync.pluggy.payloads import SAO_PAULO

# Days before the end of a consent at which its person is warned (Pluggy facts 8; no end: never).
WARN_DAYS = (30, 7, 1)

QuietHours = tuple[int, int] | None


def is_quiet(now: datetime, quiet: QuietHours) -> bool:
    """Return whether *now* is in the quiet hours."""
    if quiet is None or quiet[0] == quiet[1]:
        return False
    first, last = quiet
    hour = now.astimezone(SAO_PAULO).hour
    return first <= hour < last if first < last else hour >= first or hour < last


def reminder_at(
    opened_at: datetime, schedule: tuple[int, ...], expires_at: datetime | None, *, after: datetime
) -> datetime | None:
    """
    Return when the first reminder *after* that moment is due; None when there is none to come.

    *schedule*: hours after the action was opened. Reminders that were missed, as while the bank was offline, are not
    sent later. No reminder is due at or after the end of the action.
    """
    due = next((at for hours in schedule if (at := opened_at + timedelta(hours=hours)) > after), None)
    return None if due is None or (expires_at is not None and due >= expires_at) else due


def days_left(ends_at: datetime, now: datetime) -> int:
    """Return how many days are left. A part of a day counts as a day."""
    return math.ceil((ends_at - now) / timedelta(days=1))


def consent_warning(
    ends_at: datetime | None, *, warned_of: datetime | None, warned_days: int | None, now: datetime
) -> int | None:
    """
    Return the step of WARN_DAYS for which a warning about the consent's end is due; None: none is due.

    *warned_of* and *warned_days*: the end and the step of the last warning.
    """
    if ends_at is None or ends_at <= now:
        return None
    step = next((days for days in reversed(WARN_DAYS) if ends_at - now <= timedelta(days=days)), None)
    if step is None:
        return None
    told = warned_of == ends_at and warned_days is not None and warned_days <= step
    return None if told else step
