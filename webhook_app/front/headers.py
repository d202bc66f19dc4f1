"""Headers as ASGI gives them."""

from collections.abc import Mapping
from typing import Any


def header(scope: Mapping[str, Any], name: bytes) -> str:
    """Return the value of the header *name*, in lower case; empty if it is not there or came more than once."""
    found = [value for given, value in scope["headers"] if given == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""
