"""
Switches: dataclasses shown as JSON in camelCase, and changed by it a few names at a time.

The annotation of a field says what it may be, its limits included (`Annotated[float, Meta(le=60)]`, `Literal`).
"""

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

import msgspec

from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError

Record = TypeVar("Record")


def as_json(record: Any) -> Json:
    """Return the switches of *record* by their names on the wire."""
    return {name: _plain(getattr(record, attribute)) for name, attribute in _names(type(record)).items()}


def changed(record: Record, values: Json) -> Record:
    """
    Return *record* with *values*, named as on the wire; the record itself stays as it is.

    Raises:
        BadRequestError: a name is unknown, or a value is of the wrong kind or beyond its limits.
    """
    names = _names(type(record))
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise BadRequestError(f"unknown: {', '.join(unknown)}; there are {', '.join(names)}")
    new = {names[name]: _read(record, name, value) for name, value in values.items()}
    made: Record = replace(record, **new)  # type: ignore[type-var]  # of dataclasses only, see `_names`
    return made


def _read(record: Any, name: str, value: object) -> object:
    attribute = _names(type(record))[name]
    old = getattr(record, attribute)
    if is_dataclass(old) and isinstance(value, dict):
        return changed(old, value)
    try:
        return msgspec.convert(value, _hints(type(record))[attribute])
    except msgspec.ValidationError as exc:
        raise BadRequestError(f"{name}: {exc}") from None


def _names(kind: Any) -> dict[str, str]:
    return {_camel(field.name): field.name for field in fields(kind)}


def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return as_json(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
