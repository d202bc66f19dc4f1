"""A product that is hard to serve: it drips its answers, hangs, fails and hangs up. It remembers what it took."""

import base64
import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from standalone.http_server import running_server

DRIPS_FOR_S = 20.0


@dataclass(frozen=True)
class Taken:
    """A notification that was answered with 200."""

    notification_id: str
    item_id: str | None
    sequence: int | None


@dataclass
class Product:
    """The running product. *taken* is in the order of the answers, repeats included."""

    secret: str
    chance: random.Random
    url: str = ""
    taken: list[Taken] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    forged: int = 0
    behaves: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def behave(self) -> None:
        """Answer everything well from now on."""
        self.behaves = True

    def choose(self) -> str:
        """Return how the next request is answered."""
        kinds = {"well": 70, "dripping": 15, "hanging": 4, "failing": 7, "hanging up": 4}
        with self.lock:
            kind = "well" if self.behaves else self.chance.choices(list(kinds), list(kinds.values()))[0]
            self.answers[kind] += 1
        return kind

    def take(self, notification_id: str, body: bytes) -> None:
        """Remember what is about to be answered with 200."""
        data = json.loads(body)["data"]
        with self.lock:
            self.taken.append(Taken(notification_id, data.get("itemId"), data.get("sequence")))

    @property
    def summary(self) -> str:
        """What was answered, in a line."""
        first = len({each.notification_id for each in self.taken})
        answered = ", ".join(f"{number} {kind}" for kind, number in self.answers.most_common())
        return f"{first} notifications taken, {len(self.taken) - first} of them again; answered {answered}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, product: Product) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.product = product

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer a notification in one of several ways."""
        product = self.server.product
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            Webhook(product.secret).verify(body, dict(self.headers))
        except WebhookVerificationError:
            product.forged += 1
            self.send_error(401)
            return
        try:
            self._answer(product.choose(), body)
        except OSError:
            self.close_connection = True

    def _answer(self, kind: str, body: bytes) -> None:
        if kind == "hanging up":
            self.close_connection = True
        elif kind == "failing":
            self._respond(503)
        elif kind == "hanging":
            self._drip(b"HTTP/1.1 200 OK and that takes its time")
        else:
            self.server.product.take(self.headers["webhook-id"], body)
            if kind == "well":
                self._respond(200)
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
                self._drip(b"x" * 10000)

    def _respond(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self, data: bytes) -> None:
        self.close_connection = True
        ends_at = time.monotonic() + DRIPS_FOR_S
        for byte in data:
            if self.server.product.behaves or time.monotonic() > ends_at:
                return
            self.wfile.write(bytes([byte]))
            time.sleep(1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
        """Say nothing."""


@contextmanager
def running_product(seed: int) -> Iterator[Product]:
    """Run the product until the block ends."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    product = Product(secret, random.Random(seed))
    with running_server(_Server(product)) as address:
        product.url = f"{address}/notifications"
        yield product
