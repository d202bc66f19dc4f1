"""A Pluggy whose every answer holds a mark in each text that is somebody's, and an amount that nobody else has."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from pluggy_sync import tls
from tests.kit.scripted_server import Asked, Reply, scripted_server

MARK = "Jacaranda7Q"
AMOUNT = 98765.4321
# What the service decides by: ids, dates, codes, addresses, and keys whose values are one of a few.
_STRUCTURE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d(T.*)?|[A-Z][A-Z0-9_]*|https?://.*|\d+", re.DOTALL)
_DECIDING = {"id", "apiKey", "next", "type", "subtype", "status", "executionStatus", "code", "event"}
_AMOUNTS = {"amount", "balance", "value", "totalAmount", "contractAmount", "amountInAccountCurrency"}


@dataclass
class Planted:
    """A running Pluggy. *before* may answer instead of the sandbox; *marks* counts the texts that were marked."""

    url: str
    before: Callable[[Asked], Reply | None] = lambda _asked: None
    marks: int = 0
    marked_keys: set[str] = field(default_factory=set)

    def mark(self, value: Any, key: str = "") -> Any:
        """Return *value* with the mark in each of its texts."""
        if isinstance(value, dict):
            return {name: self.mark(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.mark(each, key) for each in value]
        if isinstance(value, str) and key not in _DECIDING and not (value and _STRUCTURE.fullmatch(value)):
            self.marks += 1
            self.marked_keys.add(key)
            return f"{value} {MARK}"
        if isinstance(value, int | float) and not isinstance(value, bool) and key in _AMOUNTS:
            return AMOUNT
        return value


@contextmanager
def planted_pluggy(target: str) -> Iterator[Planted]:
    """Run one in front of the sandbox at *target*, until the block ends."""
    planted = Planted("")
    with httpx.Client(base_url=target, trust_env=False, timeout=30, verify=tls.context()) as http:

        def answer(asked: Asked) -> Reply:
            reply = planted.before(asked)
            if reply is not None:
                return reply
            passed_on = {k: v for k, v in asked.headers.items() if k.lower() in ("x-api-key", "content-type")}
            got = http.request(asked.method, asked.path, params=asked.query, headers=passed_on, content=asked.body)
            if asked.path == "/auth" or not got.content:
                return Reply(got.content, got.status_code)
            return Reply(json.dumps(planted.mark(got.json())).encode(), got.status_code)

        with scripted_server(answer) as server:
            planted.url = server.url
            yield planted
