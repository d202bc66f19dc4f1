"""
Fields of a JSON object, read as the kind of value they must be.

Whatever a caller sends instead is a 400 in the API's own form, never a crash further on. None stands for a field that
is absent or null.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError


def text(values: Json, name: str) -> str | None:
    """
    Return the text called *name*.

    Raises:
        BadRequestError: it is not a text.
    """
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string")
    return value


def choice(values: Json, name: str, choices: Collection[str]) -> str | None:
    """
    Return the text called *name*, which is one of *choices*.

    Raises:
        BadRequestError: it is something else.
    """
    value = text(values, name)
    if value is not None and value not in choices:
        raise BadRequestError(f"{name} must be one of the following values: {', '.join(choices)}")
    return value


def truth(values: Json, name: str) -> bool | None:
    """
    Return the boolean called *name*.

    Raises:
        BadRequestError: it is not a boolean.
    """
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequestError(f"{name} must be a boolean value")
    return value


def number(values: Json, name: str, *, least: float, most: float) -> float | None:
    """
    Return the number called *name*, which is from *least* to *most*.

    Raises:
        BadRequestError: it is something else.
    """
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a number from {least} to {most}")
    return value


def whole(values: Json, name: str, *, least: int, most: int) -> int | None:
    """
    Return the whole number called *name*, which is from *least* to *most*.

    Raises:
        BadRequestError: it is something else.
    """
    value = number(values, name, least=least, most=most)
    if value is not None and not isinstance(value, int):
        raise BadRequestError(f"{name} must be an integer number")
    return value


def texts(values: Json, name: str, choices: Collection[str] | None = None) -> list[str] | None:
    """
    Return the list of texts called *name*, each one of *choices* where those are given.

    Raises:
        BadRequestError: it is something else.
    """
    found = values.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(value, str) for value in found):
        raise BadRequestError(f"{name} must be an array of strings")
    if choices is not None and not set(found) <= set(choices):
        raise BadRequestError(f"each value in {name} must be one of the following values: {', '.join(choices)}")
    return list(found)


def record(values: Json, name: str) -> Json | None:
    """
    Return the object called *name*.

    Raises:
        BadRequestError: it is not an object.
    """
    value = values.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequestError(f"{name} must be an object")
    return value


def records(values: Json, name: str) -> list[Json] | None:
    """
    Return the list of objects called *name*.

    Raises:
        BadRequestError: it is something else.
    """
    found = values.get(name)
    if found is not None and not (isinstance(found, list) and all(isinstance(value, dict) for value in found)):
        raise BadRequestError(f"{name} must be an array of objects")
    return found


def url(values: Json, name: str) -> str | None:
    """
    Return the absolute URL called *name*, of whatever scheme.

    Raises:
        BadRequestError: it is not one.
    """
    value = text(values, name)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        good = bool(parts.scheme) and value.isprintable() and " " not in value and parts.port != 0
    except ValueError:  # such as a bracket that is not closed, or a port that is none
        good = False
    if not good:
        raise BadRequestError(f"{name} must be a valid URL")
    return value
