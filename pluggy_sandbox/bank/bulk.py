"""
Rows in bulk: a million of them, made when read and never kept.

A row is a pure function of (account, day, number), and its id can be turned back into those, so that a page,
a cursor or an id is served without a list of what exists.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date

DAYS = 365
_MIX = 0x9E3779B97F4A7C15
_HIGH_BITS, _LOW_BITS = 60, 62  # what a UUID has beside its version (4 bits) and its variant (2 bits)
_HIGH, _LOW = (1 << _HIGH_BITS) - 1, (1 << _LOW_BITS) - 1
_VARIANT = 1 << 63
_UUID = re.compile(r"^([0-9a-f]{8})-([0-9a-f]{4})-4([0-9a-f]{3})-([0-9a-f]{4})-([0-9a-f]{12})\Z")


@dataclass(frozen=True)
class Place:
    """Where a bulk row stands: the day, counted from the account's first one, and its number in that day."""

    day: int
    number: int


def rows_on(volume: int, day: int) -> int:
    """Return how many bulk rows a day has; a year holds exactly *volume*, and later days go on like it."""
    return (day + 1) * volume // DAYS - day * volume // DAYS


class BulkIds:
    """
    Ids of the bulk rows of one mirrored account, which can be read back.

    The first half of an id tells the day and the second one the number, both mixed by multiplications that can be
    undone. An id that is not of this account comes out as a day that no account lives to see.
    """

    def __init__(self, account_id: str) -> None:
        digest = hashlib.blake2b(account_id.encode(), digest_size=16).digest()
        self._day_key = int.from_bytes(digest[:8]) & _HIGH
        self._number_key = int.from_bytes(digest[8:]) & _LOW

    def prefix(self, day: int) -> str:
        """Return the first half of the ids of a day, with its dashes."""
        text = f"{_mixed(day ^ self._day_key, _HIGH_BITS):015x}"
        return f"{text[:8]}-{text[8:12]}-4{text[12:]}-"

    def number_mixed(self, number: int) -> int:
        """Return the second half of an id as a number: also the dice that the row is made with."""
        return _mixed(number ^ self._number_key, _LOW_BITS) | _VARIANT

    def place_of(self, row_id: str) -> Place | None:
        """Return where the row with this id stands, or None if the id has not the form of one."""
        parts = _UUID.match(row_id.lower())
        if parts is None:
            return None
        high, low = int("".join(parts.groups()[:3]), 16), int(parts[4] + parts[5], 16)
        day = _unmixed(high, _HIGH_BITS) ^ self._day_key
        return Place(day, _unmixed(low & _LOW, _LOW_BITS) ^ self._number_key)


def _mixed(x: int, bits: int) -> int:
    mask = (1 << bits) - 1
    x = x * _MIX & mask
    x ^= x >> (bits // 2)
    return x * _MIX & mask


def _unmixed(x: int, bits: int) -> int:
    mask, back = (1 << bits) - 1, _BACK[bits]
    x = x * back & mask
    x ^= x >> (bits // 2)
    return x * back & mask


_BACK = {bits: pow(_MIX, -1, 1 << bits) for bits in (_HIGH_BITS, _LOW_BITS)}


def day_number(first: date, day: date) -> int:
    """Return *day* counted from *first*."""
    return (day - first).days
