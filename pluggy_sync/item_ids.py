"""Ids of Items: UUIDs, always in lower case."""

import re

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def canonical(text: str) -> str | None:
    """Return the id of an Item as Pluggy writes it, capitals lowered; None if *text* is no such id."""
    return text.lower() if _UUID.fullmatch(text) else None
