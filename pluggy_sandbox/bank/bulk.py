"""
Rows in bulk: a million of them, made when read and never kept.

A row is a pure function of (account, day, number), and its id can be turned back into those three, so
that a page, a cursor or an id is served without a list of what exists.
"""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import date, timedelta

_MASK = (1 << 64) - 1
_MIX = 0x9E3779B97F4A7C15
_MIX_BACK = pow(_MIX, -1, 1 << 64)
DAYS = 365


@dataclass(frozen=True)
class Place:
    """Where a bulk row stands: the day, counted from the account's first one, and its number in that day."""

    day: int
    number: int


def rows_on(volume: int, day: int) -> int:
    """Return how many bulk rows a day has; a year holds exactly *volume*, and later days go on like it."""
    return (day + 1) * volume // DAYS - day * volume // DAYS


class BulkIds:
    """Ids of the bulk rows of one mirrored account, which can be read back."""

    def __init__(self, account_id: str) -> None:
        digest = hashlib.blake2b(account_id.encode(), digest_size=16).digest()
        self._key = int.from_bytes(digest[:8])
        self._tag = int.from_bytes(digest[8:])

    def id_of(self, place: Place) -> str:
        """Return the id of the row at *place*."""
        mixed = _mix((place.day << 32 | place.number) ^ self._key)
        return str(uuid.UUID(int=mixed << 64 | (mixed ^ self._tag) & _MASK, version=4))

    def place_of(self, row_id: str) -> Place | None:
        """Return where the row with this id stands, or None if the id is not of this account."""
        try:
            number = uuid.UUID(row_id).int
        except ValueError:
            return None
        # The version takes 4 bits of the first half, so all of the mix is only in the two halves together.
        place = self._unmix(number)
        return place if place is not None and self.id_of(place) == row_id.lower() else None

    def _unmix(self, number: int) -> Place | None:
        high, low = number >> 64, number & _MASK
        second = low ^ self._tag
        mixed = (high & ~0xF000) | (second & 0xF000)
        plain = _unmix(mixed) ^ self._key
        return Place(plain >> 32, plain & 0xFFFFFFFF)


def _mix(x: int) -> int:
    x = x * _MIX & _MASK
    x ^= x >> 32
    return x * _MIX & _MASK


def _unmix(x: int) -> int:
    x = x * _MIX_BACK & _MASK
    x ^= x >> 32
    return x * _MIX_BACK & _MASK


def day_number(first: date, day: date) -> int:
    """Return *day* counted from *first*."""
    return (day - first).days


def day_at(first: date, number: int) -> date:
    """Return the day that is *number* days after *first*."""
    return first + timedelta(days=number)
