"""A server on a loopback port that answers as a test tells it: for what the sandbox would never say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pluggy_sync import wire
from standalone.http_server import running_server


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What is answered. A body that is not bytes is sent as JSON."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Asked], Reply]


@dataclass
class Scripted:
    """A running server: its address, and what it was asked."""

    url: str
    asked: list[Asked]


@contextmanager
def scripted_server(answer: Answer) -> Iterator[Scripted]:
    """Serve *answer* on a free port until the block ends."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            received = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            request = Asked(self.command, parts.path, query, dict(self.headers), received)
            asked.append(request)
            reply = answer(request)
            body = reply.body if isinstance(reply.body, bytes) else wire.encode(reply.body)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of the library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
            """Say nothing."""

    with running_server(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield Scripted(address, asked)
