"""JSON in and out. A Decimal is written as a number, digit by digit: no float stands between (Pluggy facts 5.5)."""

import json
from decimal import Decimal
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder()

Json = dict[str, Any]


def encode(value: Any) -> bytes:
    """Return *value* as JSON."""
    return _encoder.encode(value)


def decode(raw: bytes) -> Any:
    """
    Return the value written in *raw*.

    Raises:
        msgspec.DecodeError: it is not JSON.
    """
    return _decoder.decode(raw)


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
