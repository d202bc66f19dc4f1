"""A client of the front in the test's own process."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tests.kit import event_loops
from webhook_app.front.app import Front


@dataclass(frozen=True)
class Answered:
    """What came back, under the names that Flask's client has."""

    status_code: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def post(front: Front, path: str, body: bytes, headers: dict[str, str]) -> Answered:
    """POST *body* to *path* of *front*."""
    return event_loops.run(post_from_loop(front, path, body, headers))


async def post_from_loop(front: Front, path: str, body: bytes, headers: dict[str, str]) -> Answered:
    """Do what `post` does, on the loop that runs."""
    sent: list[dict[str, Any]] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "server": ("127.0.0.1", "8000"),
        "client": ("127.0.0.1", "1"),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await front(scope, receive, send)
    started = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answered(sent[0]["status"], started, b"".join(each.get("body", b"") for each in sent[1:]))
