"""Credentials on their way in: checked against what the connector asks for (Pluggy facts 3.8)."""

import re

from pluggy_sandbox.bank.people import is_cpf
from pluggy_sandbox.catalogue.connectors import Connector
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError

MISSING, INVALID = "001", "002"


def problems(connector: Connector, parameters: dict[str, str]) -> list[Json]:
    """Return what is wrong with *parameters*: `{code, parameter, message}` each."""
    found: list[Json] = []
    for field in connector.fields:
        value = parameters.get(field.name)
        if value is None or value == "":
            if not field.optional:
                found.append(_problem(MISSING, field.name, f"Missing required parameter '{field.name}'"))
        elif field.name == "cpf" and not is_cpf(value):
            found.append(_problem(INVALID, field.name, "CPF is not valid"))
        elif not _fits(field.validation, value, [v for v, _ in field.options]):
            found.append(_problem(INVALID, field.name, field.message or f"Invalid value for '{field.name}'"))
    return found


def check(connector: Connector, parameters: dict[str, str]) -> None:
    """
    Refuse *parameters* with a fault.

    Raises:
        BadRequestError: CONNECTOR_VALIDATION_ERROR.
    """
    found = problems(connector, parameters)
    if found:
        raise BadRequestError("Some of the parameters are invalid", "CONNECTOR_VALIDATION_ERROR", details=found)


def read(value: object) -> dict[str, str]:
    """
    Return the credentials in a request; a number is read as its digits.

    Raises:
        BadRequestError: they are not an object of texts and numbers.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequestError("parameters must be an object or an encrypted string")
    return {name: _text(name, given) for name, given in value.items() if given is not None}


def _text(name: str, given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise BadRequestError(f"parameters.{name} must be a string")
    return str(given)


def _problem(code: str, parameter: str, message: str) -> Json:
    return {"code": code, "parameter": parameter, "message": message}


def _fits(pattern: str | None, value: str, options: list[str]) -> bool:
    if options and value not in options:
        return False
    return pattern is None or re.search(pattern, value) is not None
