"""JSON in and out. A Decimal is written as a number, digit by digit: no float stands between (Pluggy facts 5.5)."""

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder()

_HALF, _MARK = re.compile("[\ud800-\udfff]"), "\uf8ff"
_MARKED = re.compile(_MARK.encode() + rb"([0-9a-f]{4})")

Json = dict[str, Any]


def encode(value: Any) -> bytes:
    """Return *value* as JSON; half a surrogate pair, which UTF-8 cannot hold, is escaped as banks' are."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _MARKED.sub(rb"\\u\1", _encoder.encode(_marked(value)))


def _marked(value: Any) -> Any:
    """Return *value* with its halves of surrogate pairs marked, each written out behind a character of private use."""
    if isinstance(value, str):
        return _HALF.sub(lambda half: f"{_MARK}{ord(half[0]):04x}", value)
    if isinstance(value, dict):
        return {_marked(name): _marked(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(each) for each in value]
    return value


def decode(raw: bytes) -> Any:
    """
    Return the value written in *raw*.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return _decoder.decode(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decode_exact(raw: bytes) -> Any:
    """Return the value written in *raw* with every fraction as a Decimal, so that it is written back unchanged."""
    return json.loads(raw, parse_float=Decimal)


def money(ten_thousandths: int) -> Decimal:
    """Return an amount with up to four decimals and no idle zeros, e.g. 123400 -> 12.34."""
    whole, rest = divmod(abs(ten_thousandths), 10_000)
    sign = "-" if ten_thousandths < 0 else ""
    return Decimal(f"{sign}{whole}.{rest:04d}".rstrip("0").rstrip("."))


def cents(amount: int) -> Decimal:
    """Return an amount given in cents."""
    return money(amount * 100)
