"""Addresses of our own pages."""

from typing import Any

from flask import request, url_for

# Of ids; Postgres takes no more.
_MOST_DIGITS = 18


def number(text: str) -> int | None:
    """Return the number that *text*, of an address, is; None: it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def with_more(endpoint: str, **more: Any) -> str:
    """Return the address of *endpoint* with what the present address asks for, and *more*."""
    asked: dict[str, Any] = {**request.args.to_dict(), **more}
    return url_for(endpoint, **asked)
