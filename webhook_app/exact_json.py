"""JSON of the web app: money stays exact, both ways."""

from typing import Any

import msgspec
from flask.json.provider import JSONProvider

from pluggy_sync import wire


class ExactJSON(JSONProvider):
    """Flask's JSON by way of `wire`: Decimal is a number with all its digits."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return *obj* as JSON."""
        return wire.encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return the value in *s*; a ValueError if it is not JSON."""
        try:
            return wire.decode_strictly(s)
        except msgspec.DecodeError:
            raise ValueError("not JSON") from None
