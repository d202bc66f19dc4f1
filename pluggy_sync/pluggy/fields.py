"""
One field of an object that Pluggy sent: its value, or None if it is absent, null or of another type.

A field of an odd type must not keep the object from being stored, unless we cannot do without that field. The object as
it came is stored beside the columns: nothing is lost.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from pluggy_sync import wire

Raw: TypeAlias = dict[str, Any]

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
MIDNIGHT = dt.time(0)

# Ids are keys of tables and stand in their indexes. Pluggy's have 36 characters.
MAX_ID_LENGTH = 128
# What fits into a BIGINT.
_LARGEST_WHOLE = 2**63 - 1
_LARGEST_NUMBER = 10**wire.DIGITS
_NUMBERS = (int, Decimal)

# A value of another type counts as absent and raises no error.
instant = wire.instant_or_none


def identity(value: Any) -> str | None:
    """Return an id: text of 1 to 128 characters."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH else None


def text(value: Any) -> str | None:
    """Return a text. A number becomes its digits: banks and products use some ids as numbers."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, _NUMBERS) and not isinstance(value, bool) else None


def number(value: Any) -> Decimal | None:
    """Return an exact number. A text is never one: in Brazil `1.234` is more than a thousand."""
    if isinstance(value, Decimal):
        # `wire.decode` has bounded it.
        return value
    within = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER
    return Decimal(value) if within else None


def whole(value: Any) -> int | None:
    """Return a whole number from 0 to what a BIGINT holds, also from a text of digits."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
        value = int(value)
    within = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_WHOLE
    return value if within else None


def object_of(value: Any) -> Raw | None:
    """Return an object."""
    return value if isinstance(value, dict) else None


def objects(value: Any) -> list[Raw]:
    """Return the objects in a list, without what else is in it; an empty list for what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """Return the texts in a list, without what else is in it; an empty list for what is no list."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def day(value: Any) -> dt.date | None:
    """Return the day that a date or an instant means."""
    moment = instant(value)
    return None if moment is None else day_of(moment)


def day_of(moment: dt.datetime) -> dt.date:
    """
    Return the day that *moment* means: the day in São Paulo, but of exactly midnight UTC that date (decision 17).

    Banks write a day as `2026-11-18`, as midnight in São Paulo (03:00Z), or as midnight UTC (Pluggy facts 9.7).
    """
    utc = moment.astimezone(dt.UTC)
    return utc.date() if utc.time() == MIDNIGHT else utc.astimezone(SAO_PAULO).date()
