"""
Dataclasses written down as JSON, field by field, and read back as they were, exact amounts included.

A field that is missing in what was written gets its default, and a field that no longer exists is left out: so a
record can be read by a later version of its class.
"""

from collections.abc import Container, Mapping
from dataclasses import fields
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, get_type_hints

import msgspec

from pluggy_sandbox.wire.encoding import encode

Record = TypeVar("Record")
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def write(record: Any, *, without: Container[str] = (), **more: Any) -> bytes:
    """Return the fields of the dataclass *record* and *more* as JSON, except those called in *without*."""
    written = {field.name: getattr(record, field.name) for field in fields(record) if field.name not in without}
    return encode(written | more)


def embed(written: bytes) -> msgspec.Raw:
    """Return something written, to be part of something else that is written."""
    return msgspec.Raw(written)


def parts(raw: bytes) -> Mapping[str, msgspec.Raw]:
    """Return what was written, by name and not read yet."""
    return _parts.decode(raw)


def read_value(kind: Any, raw: bytes | msgspec.Raw) -> Any:
    """
    Return a value of the type *kind*.

    Raises:
        msgspec.DecodeError: *raw* is something else.
    """
    return _decoder(kind).decode(raw)


def read(kind: type[Record], raw: bytes, **known: Any) -> Record:
    """
    Return a record of *kind*; *known* are the values of fields that were not written, or differently.

    Raises:
        msgspec.DecodeError: *raw* is something else.
    """
    record: Any = kind
    hints = _hints(record)
    wanted = hints.keys() - known.keys()
    written = {name: read_value(hints[name], part) for name, part in parts(raw).items() if name in wanted}
    return kind(**written, **known)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind, float_hook=Decimal)
