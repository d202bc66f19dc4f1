"""Whether a value can be given for what the bank's form asks (Pluggy facts 3.5)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import re2

MAX_LENGTH = 1000
MAX_EXPRESSION_LENGTH = 1000
# How much memory a compiled expression may take. A megabyte is enough for any form.
_MAX_MEMORY_BYTES = 1 << 20


class Fault(StrEnum):
    """What is wrong with a value. The text is for whoever gave it, and quotes nothing."""

    EMPTY = "The value is empty."
    TOO_LONG = "The value is too long."
    NOT_SENDABLE = "The value holds characters that cannot be sent."
    NO_OPTION = "The value is none of the options."
    NO_MATCH = "The value does not have the form that the bank asks for."


def name_of(parameter: Mapping[str, Any]) -> str | None:
    """Return the name under which Pluggy wants the value; None: it gave none that can be used."""
    name = parameter.get("name")
    return name if isinstance(name, str) and name and can_be_sent(name) else None


def can_be_sent(text: str) -> bool:
    """Return whether *text* can be written as UTF-8; half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fault_in(value: str, parameter: Mapping[str, Any]) -> Fault | None:
    """
    Return what is wrong with *value* as an answer to *parameter*; None: nothing that can be told here.

    The bank has the last word: a part of its form that cannot be read here is not checked.
    """
    if not value.strip():
        return Fault.EMPTY
    if len(value) > MAX_LENGTH:
        return Fault.TOO_LONG
    if not can_be_sent(value):
        return Fault.NOT_SENDABLE
    options = _options(parameter.get("options"))
    if options and value not in options:
        return Fault.NO_OPTION
    return None if _matches(parameter.get("validation"), value) else Fault.NO_MATCH


def _options(given: object) -> list[str]:
    if not isinstance(given, list):
        return []
    return [str(option["value"]) for option in given if isinstance(option, dict) and "value" in option]


def _matches(expression: object, value: str) -> bool:
    """
    Return whether *value* matches the *expression* of the bank's form.

    The expression comes from outside. RE2 takes time in proportion to the value, whatever the expression. It has no
    lookarounds and no backreferences: an expression with these is not checked here.
    """
    if not isinstance(expression, str) or len(expression) > MAX_EXPRESSION_LENGTH:
        return True
    try:
        return re2.search(expression, value, _quietly()) is not None
    except (re2.error, UnicodeEncodeError):
        return True


def _quietly() -> "re2.Options":
    """Return options with which RE2 writes nothing to standard error, and takes little memory."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    return options
