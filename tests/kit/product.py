"""The product's endpoint in a test: it answers as the test says, well or badly, and remembers what it got."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standalone.http_server import running_server
from tests.kit import documented


@dataclass(frozen=True)
class Delivery:
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def notification_id(self) -> str:
        """The id of the notification."""
        return self.headers["webhook-id"]


class Request:
    """A request that waits for its answer: what a test's `answer` is given."""

    def __init__(self, handler: BaseHTTPRequestHandler, delivery: Delivery, released: threading.Event) -> None:
        self._handler = handler
        self._released = released
        self.delivery = delivery

    def respond(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Answer as a server should."""
        self._handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def write(self, data: bytes) -> None:
        """Send *data* as it is."""
        self._handler.wfile.write(data)
        self._handler.close_connection = True

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self._handler.close_connection = True
        self._released.wait(60)

    def drip(self, data: bytes, *, every_s: float = 0.05) -> None:
        """Send *data* byte by byte, over and over, until the other side or the test has enough."""
        self._handler.close_connection = True
        while True:
            for byte in data:
                self._handler.wfile.write(bytes([byte]))
                if self._released.wait(every_s):
                    return


Answer = Callable[[Request], None]


def status(*codes: int) -> Answer:
    """Return an answer that gives *codes* one after the other, and the last one ever after."""
    left = list(codes)
    lock = threading.Lock()

    def answer(request: Request) -> None:
        with lock:
            code = left.pop(0) if len(left) > 1 else left[0]
        request.respond(code)

    return answer


@dataclass
class Product:
    """A running endpoint. *most_at_once* is how many requests were being answered at the same time at most."""

    url: str
    answer: Answer
    got: list[Delivery] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def got_ids(self) -> list[str]:
        """The ids of what came, in order."""
        return [each.notification_id for each in self.got]


@contextmanager
def running_product(answer: Answer | None = None) -> Iterator[Product]:
    """Run an endpoint that answers 200, or as *answer* says, until the block ends."""
    released = threading.Event()
    product = Product("", answer or status(200))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            with product.lock:
                product.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            delivery = Delivery(headers, body)
            documented.check_delivery(headers, body)
            with product.lock:
                product.got.append(delivery)
                product.at_once += 1
                product.most_at_once = max(product.most_at_once, product.at_once)
            try:
                product.answer(Request(self, delivery, released))
            except OSError:
                self.close_connection = True
            finally:
                with product.lock:
                    product.at_once -= 1

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of a client that left."""

    with running_server(Server(("127.0.0.1", 0), Handler)) as address:
        product.url = f"{address}/hooks"
        try:
            yield product
        finally:
            released.set()
