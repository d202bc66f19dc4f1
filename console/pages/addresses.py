"""Addresses of our own pages."""

from typing import Any

from flask import request, url_for


def with_more(endpoint: str, **more: Any) -> str:
    """Return the address of *endpoint* with what the present address asks for, and *more*."""
    asked: dict[str, Any] = {**request.args.to_dict(), **more}
    return url_for(endpoint, **asked)
