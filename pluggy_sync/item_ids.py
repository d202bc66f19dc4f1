"""The ids of Items: UUIDs in lower case. Capitals are taken and lowered; anything else names no Item."""

import re

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NotAnItemIdError(ValueError):
    """A text that can be the id of no Item."""


def read(text: str) -> str:
    """
    Return the id that *text* names.

    Raises:
        NotAnItemIdError: it names none.
    """
    lowered = text.lower()
    # Lowering maps a few other characters to letters of a UUID.
    if not text.isascii() or not _UUID.fullmatch(lowered):
        raise NotAnItemIdError("Not the id of an Item: a UUID.")
    return lowered
