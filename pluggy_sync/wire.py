"""
JSON as Pluggy writes it: numbers stay exact (Decimal), instants are UTC with milliseconds and a Z.

Banks send texts and numbers that Postgres cannot store. `decode` repairs them, because one odd text must not keep a
whole answer from being read. What callers of our own API send is their fault, and `decode_strictly` refuses it.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

# Digits that a number may have before the point, and after it. No sum of money comes near. A number within these
# bounds reads the same after Postgres has written it out in full, and `Decimal` takes no time over it.
DIGITS = 40
# The longest text of such a number: both sides, the point and the sign, with room for an exponent.
_LONGEST_NUMBER = 2 * DIGITS + 20
# An integer without point and exponent is exact up to the length that Python itself reads.
_LONGEST_INTEGER = 4300
# Objects of Pluggy are five levels deep.
_DEEPEST = 100

# Python's `datetime` knows the years 1 to 9999. One year less on each side leaves room for any time zone, and for a
# window of a year.
EARLIEST = datetime(2, 1, 2, tzinfo=UTC)
LATEST = datetime(9998, 12, 30, tzinfo=UTC)

_MARK = "\N{REPLACEMENT CHARACTER}"
# How JSON writes the null character; it cannot stand in JSON otherwise.
_ESCAPED_NULL = "\\u0000"

# Each pattern passes over a text once. The quantifiers are possessive, and a string that does not end is taken whole.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_STRING_OR_NUMBER = re.compile(rf"{_STRING}|-?[0-9][0-9.eE+-]*+", re.DOTALL)
_STRING_OR_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
# In this order: a whole surrogate pair; half of one, or a null character; any other escape.
_ESCAPE = re.compile(
    r"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?P<odd>\\u(?:[dD][89a-fA-F][0-9a-fA-F]{2}|0000))"
    r"|\\.",
    re.DOTALL,
)
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def _number(text: str) -> Decimal | str:
    if len(text) > _LONGEST_NUMBER:
        return text
    try:
        number = Decimal(text)
    except ArithmeticError:
        # An exponent that `Decimal` cannot hold.
        return text
    exponent = number.as_tuple().exponent
    within = isinstance(exponent, int) and number.adjusted() < DIGITS and exponent >= -DIGITS
    return number if within else text


def _strict_number(text: str) -> Decimal:
    number = _number(text)
    if isinstance(number, str):
        raise ValueError("a number out of bounds")  # noqa: TRY004 - it is one, but too large
    return number


_decoder = msgspec.json.Decoder(float_hook=_number)
_strict_decoder = msgspec.json.Decoder(float_hook=_strict_number)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def decode(body: bytes | str) -> Any:
    """
    Return the JSON value in *body*. Everything in it can be stored in Postgres and read again.

    A number with a fraction or an exponent is a Decimal. A number with more than 40 digits before or after its point,
    and an integer of more than 4,300 digits, is given as its text. Null characters, half surrogate pairs and bytes that
    are not UTF-8 become U+FFFD. What is nested deeper than Python can follow is cut off.

    Raises:
        msgspec.DecodeError: it is not JSON.
    """
    try:
        if not _has_escaped_null(body):
            return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    return _decode_repaired(_repaired(body))


def _has_escaped_null(body: bytes | str) -> bool:
    return _ESCAPED_NULL in body if isinstance(body, str) else _ESCAPED_NULL.encode() in body


def _decode_repaired(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except RecursionError:
        pass
    try:
        return _decoder.decode(_shallow(text))
    except RecursionError as exc:
        raise msgspec.DecodeError("nested too deeply") from exc


def decode_strictly(body: bytes | str) -> Any:
    """
    Return the JSON value in *body* as `decode` does, but repair nothing.

    Raises:
        msgspec.DecodeError: it is not JSON, is nested too deeply, or has a text or number that Postgres
            cannot store.
    """
    try:
        value = _strict_decoder.decode(body)
    except RecursionError as exc:
        raise msgspec.DecodeError("nested too deeply") from exc
    except UnicodeError as exc:
        raise msgspec.DecodeError("not UTF-8") from exc
    if _has_escaped_null(body):
        text = body if isinstance(body, str) else body.decode()
        if _repaired(text) != text:
            raise msgspec.DecodeError("a null character")
    return value


def decode_stored(text: bytes | str) -> Any:
    """Return the JSON value in *text*, a column; `{"unreadable": true}` if it cannot be read."""
    try:
        return decode(text)
    except msgspec.DecodeError:
        return {"unreadable": True}


def _repaired(body: bytes | str) -> str:
    """Return the text of *body* with what cannot be stored replaced. It need not be JSON."""
    text = body if isinstance(body, str) else body.decode(errors="replace")
    text = _HALF_PAIR.sub(_MARK, text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    return _STRING_OR_NUMBER.sub(_repaired_token, text)


def _repaired_token(match: re.Match[str]) -> str:
    token = match[0]
    if token[0] == '"':
        return _ESCAPE.sub(_repaired_escape, token) if "\\u" in token else token
    return token if len(token) <= _LONGEST_INTEGER else f'"{token}"'


def _repaired_escape(match: re.Match[str]) -> str:
    return _MARK if match["odd"] else match[0]


def _shallow(text: str) -> str:
    """Return JSON *text* with U+FFFD for each array or object that is nested too deeply."""
    kept: list[str] = []
    depth = position = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth == _DEEPEST + 1:
                kept.append(text[position : match.start()])
        elif match[0] in "]}":
            if depth == _DEEPEST + 1:
                kept.append(f'"{_MARK}"')
                position = match.end()
            depth -= 1
    return "".join(kept) + (text[position:] if depth <= _DEEPEST else "")


def encode(value: Any) -> bytes:
    """Return *value* as compact JSON; a Decimal becomes a number with all its digits, a datetime an instant."""
    return _encoder.encode(value)


def instant(text: Any) -> datetime | None:
    """
    Return the moment that *text* names, in UTC. None stays None; a moment without a zone is UTC.

    Raises:
        ValueError: it is not an ISO 8601 date or date-time, or of year 1 or 9999, which stand for no date.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("not an instant")  # noqa: TRY004 - callers look for one error
    moment = datetime.fromisoformat(text)
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("an instant out of range") from exc
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("an instant out of range")
    return moment


def instant_or_none(value: Any) -> datetime | None:
    """Return the moment that *value* names, as `instant`; None for whatever is no instant."""
    try:
        return instant(value)
    except ValueError:
        return None


def to_text(moment: datetime | None) -> str | None:
    """Return *moment* as Pluggy writes it, `2026-01-31T03:00:00.000Z`. None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
