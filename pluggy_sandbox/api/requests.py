"""What a request says: its body and the parameters of its address, checked for their kind."""

from urllib.parse import parse_qsl

from flask import request

from pluggy_sandbox.wire import encoding
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError

_FORM = "application/x-www-form-urlencoded"


def body() -> Json:
    """
    Return the request's JSON object; an empty body is an empty object, and a form is an object of texts.

    A form is read only where the body is not JSON: `curl -d` calls every body a form.

    Raises:
        BadRequestError: it is something else.
    """
    data = request.get_data()
    try:
        value = encoding.decode(data) if data else {}
    except ValueError:
        value = _form(data)
    if not isinstance(value, dict):
        raise BadRequestError("The body must be a JSON object")
    return value


def _form(data: bytes) -> Json:
    if request.mimetype != _FORM:
        raise BadRequestError("Unexpected token in JSON")
    return dict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True))


def argument(name: str) -> str | None:
    """
    Return the parameter called *name*, None where it is absent or empty.

    Raises:
        BadRequestError: it is there more than once.
    """
    found = request.args.getlist(name)
    if len(found) > 1:
        raise BadRequestError(f"{name} must be a string")
    return found[0] or None if found else None


def required_argument(name: str) -> str:
    """
    Return the parameter called *name*.

    Raises:
        BadRequestError: it is absent, empty, or there more than once.
    """
    value = argument(name)
    if value is None:
        raise BadRequestError(f"{name} is required")
    return value


def arguments(name: str) -> list[str] | None:
    """Return the values of a parameter that may hold many, repeated or with commas (Pluggy facts 13.17)."""
    if name not in request.args:
        return None
    return [value for text in request.args.getlist(name) for value in text.split(",") if value]


def refuse_unknown_arguments(known: frozenset[str]) -> None:
    """
    Refuse parameters that the endpoint does not have, as the `/v2` ones do.

    Raises:
        BadRequestError: names them.
    """
    unknown = [f"property {name} should not exist" for name in request.args if name not in known]
    if unknown:
        raise BadRequestError(", ".join(unknown))


def whole_argument(name: str, default: int, *, least: int, most: int) -> int:
    """
    Return the parameter called *name* as a whole number from *least* to *most*.

    Raises:
        BadRequestError: it is something else.
    """
    text = argument(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise BadRequestError(f"{name} must be an integer number") from None
    if not least <= value <= most:
        raise BadRequestError(f"{name} must be from {least} to {most}")
    return value


def truth_argument(name: str) -> bool | None:
    """
    Return the parameter called *name*, `true` or `false`.

    Raises:
        BadRequestError: it is something else.
    """
    text = argument(name)
    if text not in (None, "true", "false"):
        raise BadRequestError(f"{name} must be a boolean value")
    return None if text is None else text == "true"
