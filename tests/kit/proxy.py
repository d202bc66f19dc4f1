"""A proxy before the sandbox: it changes answers as a test says, for what the sandbox would never send."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from pluggy_sync import tls, wire
from standalone.http_server import running_server
from tests.kit.scripted_server import Asked, Reply

Before = Callable[[Asked], Reply | None]
Change = Callable[[Asked, Any], Any]


@dataclass
class Proxy:
    """
    `before` may answer itself, or leave it to the sandbox with None.

    `change` may return another body for an answer that was a success: bytes, or a value that is sent as JSON. None
    leaves it as it is.
    """

    url: str = ""
    before: Before | None = None
    change: Change | None = None
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked, pass_on: Callable[[], httpx.Response]) -> Reply:
        """Return what is answered to *asked*; *pass_on* asks the sandbox."""
        self.asked.append(asked)
        reply = None if self.before is None else self.before(asked)
        if reply is not None:
            return reply
        got = pass_on()
        body: Any = got.content
        if self.change is not None and got.is_success and body:
            changed = self.change(asked, wire.decode(body))
            body = body if changed is None else changed
        return Reply(body, got.status_code, {"Content-Type": "application/json"})


@contextmanager
def running_proxy(target: str) -> Iterator[Proxy]:
    """Run a proxy before the server at *target* until the block ends."""
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            passed = {
                name: value for name, value in self.headers.items() if name.lower() in ("x-api-key", "content-type")
            }

            def pass_on() -> httpx.Response:
                return client.request(self.command, self.path, headers=passed, content=body)

            reply = proxy.answer(Asked(self.command, parts.path, query, dict(self.headers)), pass_on)
            content = reply.body if isinstance(reply.body, bytes) else wire.encode(reply.body)
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of the library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
            """Say nothing."""

    with (
        httpx.Client(base_url=target, trust_env=False, timeout=30, verify=tls.context()) as client,
        running_server(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address,
    ):
        proxy.url = address
        yield proxy
