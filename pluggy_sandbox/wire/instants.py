"""Instants as Pluggy writes them (UTC, milliseconds, `Z`), and days as Brazil counts them."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache

# Brazil has had no daylight saving since 2019, so a fixed offset is exact for every statement served here.
SAO_PAULO = timezone(timedelta(hours=-3))


def iso(at: datetime) -> str:
    """Return *at* as `2026-01-31T12:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(at: datetime | None) -> str | None:
    """Return *at* as text, or None for None."""
    return None if at is None else iso(at)


def parse_instant(text: str) -> datetime:
    """
    Return the instant in *text*, in UTC; a bare day is its midnight in UTC.

    Raises:
        ValueError: it is neither an ISO 8601 instant nor a day, or before the year 1 or after 9999 in UTC.
    """
    at = datetime.fromisoformat(text)
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as exc:
        raise ValueError(str(exc)) from None


def day_in_brazil(at: datetime) -> date:
    """Return the day that *at* falls on in São Paulo."""
    try:
        return at.astimezone(SAO_PAULO).date()
    except OverflowError:  # the first hours of the year 1, which banks do send
        return date.min


@lru_cache(4096)
def midnight_in_brazil(day: date) -> datetime:
    """Return the first instant of *day* in São Paulo: 03:00Z, the usual `date` of a row (Pluggy facts 9.7)."""
    return datetime.combine(day, time(), SAO_PAULO).astimezone(UTC)
