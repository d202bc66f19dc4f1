"""When to say something again, and what to say in time: reminders, quiet hours, consents that end."""

import math
from datetime import datetime, timedelta

from pluggy_sync.pluggy.payloads import SAO_PAULO

# Days before the end of a consent at which its person is warned (Pluggy facts 8; no end: never).
WARN_DAYS = (30, 7, 1)

QuietHours = tuple[int, int] | None


def is_quiet(now: datetime, quiet: QuietHours) -> bool:
    """Return whether nobody is to be disturbed at *now*."""
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

    *schedule*: hours after the action was opened. One that was missed meanwhile, as while the bank was offline, is not
    made up for: the reminder that is sent says it all. An action that ends before then is not reminded of.
    """
    due = next((at for hours in schedule if (at := opened_at + timedelta(hours=hours)) > after), None)
    return None if due is None or (expires_at is not None and due >= expires_at) else due


def days_left(ends_at: datetime, now: datetime) -> int:
    """Return how many days are left, a part of a day counting as one."""
    return math.ceil((ends_at - now) / timedelta(days=1))


def consent_warning(
    ends_at: datetime | None, *, warned_of: datetime | None, warned_days: int | None, now: datetime
) -> int | None:
    """
    Return which of WARN_DAYS a warning about the consent's end is due for; None when none is.

    *warned_of* and *warned_days*: the end, and the step, of the warning before. A consent without an end has none.
    """
    if ends_at is None or ends_at <= now:
        return None
    step = next((days for days in reversed(WARN_DAYS) if ends_at - now <= timedelta(days=days)), None)
    if step is None:
        return None
    told = warned_of == ends_at and warned_days is not None and warned_days <= step
    return None if told else step
