"""Times in words, for operators: `3 hours`, `5 minutes ago`, `in 2 days`, `12:03 UTC`."""

from datetime import UTC, datetime, timedelta

# From how many of one unit on the next smaller one would say more than anybody wants to know.
_UNITS = (
    (timedelta(days=60), timedelta(days=30), "month"),
    (timedelta(days=2), timedelta(days=1), "day"),
    (timedelta(minutes=90), timedelta(hours=1), "hour"),
    (timedelta(seconds=90), timedelta(minutes=1), "minute"),
)


def span(length: timedelta) -> str:
    """Return *length* in one unit, rounded down; a negative one as its length."""
    length = abs(length)
    for least, unit, name in _UNITS:
        if length >= least:
            return _number(length // unit, name)
    return _number(int(length.total_seconds()), "second")


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago *moment* was, or how far ahead it lies."""
    if moment > now:
        return f"in {span(moment - now)}"
    return "just now" if now - moment < timedelta(seconds=1) else f"{span(now - moment)} ago"


def at(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """Return *moment* in UTC, to the minute or the second, with its day if that is not the day of *now*."""
    shown, today = moment.astimezone(UTC), now.astimezone(UTC).date()
    day = "" if shown.date() == today else f"{shown:%Y-%m-%d} "
    return f"{day}{shown:%H:%M:%S} UTC" if seconds else f"{day}{shown:%H:%M} UTC"


def _number(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
