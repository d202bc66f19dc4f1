"""
Pages by a cursor: the position of the last row. New rows shift nothing.

Those of lists are opaque; those of the change feeds are numbers. Whatever the list did not give is `invalid-cursor`.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from pluggy_sync import wire
from webhook_app.problems import ProblemError

# Longer than any that is given.
_LONGEST = 1000
# Each fits into what a row can have.
_NUMBER = re.compile(r"[0-9]{1,18}")

_Row = TypeVar("_Row")


def cursor_to(position: Sequence[Any]) -> str:
    """Return the cursor for *position*."""
    return base64.urlsafe_b64encode(wire.encode(list(position))).decode().rstrip("=")


def position_of(cursor: str | None, *shape: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """
    Return the position in *cursor*, each part read by its function of *shape*; None without a cursor.

    Raises:
        ProblemError: the cursor is not one of this list.
    """
    if cursor is None:
        return None
    if len(cursor) > _LONGEST:
        raise invalid_cursor()
    try:
        parts = wire.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(parts, list):
            raise TypeError(type(parts))
        return tuple(read(part) for read, part in zip(shape, parts, strict=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError, TypeError):
        raise invalid_cursor() from None


def numbers_of(cursor: str, count: int) -> tuple[int, ...]:
    """
    Return the *count* numbers, with dots between them, of a change feed's cursor.

    Raises:
        ProblemError: the cursor is not one of this feed.
    """
    parts = cursor.split(".")
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        raise invalid_cursor()
    return tuple(map(int, parts))


def invalid_cursor() -> ProblemError:
    """Return the problem of a cursor that did not come from this list."""
    return ProblemError("invalid-cursor")


def outdated_cursor() -> ProblemError:
    """Return the problem of a cursor after which some rows were removed by age."""
    return ProblemError("invalid-cursor", "The cursor is older than what is kept: some rows after it were removed.")


def page(
    rows: Sequence[_Row], limit: int, position: Callable[[_Row], Sequence[Any]], view: Callable[[_Row], Any]
) -> dict[str, Any]:
    """Return the page of *rows*; the caller has read up to one more than *limit*."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {"results": [view(row) for row in shown], "next": cursor_to(position(shown[-1])) if more else None}


def text(value: Any) -> str:
    """Return *value* if it is text; a TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def number(value: Any) -> int:
    """Return *value* if it is a whole number that a row can have; a TypeError or ValueError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(type(value))
    if not 0 <= value < 2**63:
        raise ValueError("out of range")
    return value


def moment(value: Any) -> datetime:
    """Return the moment that *value* names; a ValueError otherwise."""
    found = wire.instant(value)
    if found is None:
        raise ValueError("no moment")
    return found


def uuid_(value: Any) -> uuid.UUID:
    """Return the UUID that *value* names; a ValueError or TypeError otherwise."""
    return uuid.UUID(text(value))
