"""JSON as Pluggy writes it: numbers stay exact (Decimal), instants are UTC with milliseconds and a Z."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

# How JSON writes the null character; it cannot stand in JSON otherwise.
ESCAPED_NULL = b"\\u0000"

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def decode(body: bytes | str) -> Any:
    """
    Return the JSON value in *body*, numbers with a fraction as Decimal.

    Raises:
        msgspec.DecodeError: it is not JSON, or nested too deeply.
    """
    try:
        return _decoder.decode(body)
    except RecursionError as exc:
        raise msgspec.DecodeError("nested too deeply") from exc


def encode(value: Any) -> bytes:
    """Return *value* as compact JSON; a Decimal becomes a number with all its digits, a datetime an instant."""
    return _encoder.encode(value)


def without_null(value: Any) -> Any:
    """
    Return *value* with each null character replaced by the mark for what cannot be shown.

    Postgres stores none, and one in a bank's text must not keep an Item from being synced.
    """
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [without_null(each) for each in value]
    if isinstance(value, dict):
        return {without_null(name): without_null(each) for name, each in value.items()}
    return value


def instant(text: Any) -> datetime | None:
    """
    Return the moment that *text* names, in UTC. None stays None; a moment without a zone is UTC.

    Raises:
        ValueError: it is not an ISO 8601 date or date-time.
    """
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_text(moment: datetime | None) -> str | None:
    """Return *moment* as Pluggy writes it, `2026-01-31T03:00:00.000Z`. None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
