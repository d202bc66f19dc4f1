"""
Ten thousand notifications to two endpoints, one of which is dead, on real Celery workers and beat.

The reference is the same number to the healthy one alone, on the same workers: a dead endpoint must not slow another.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.outcome import Outcome
from bench.stage import Stage, resources_of, running_fixed_pluggy, running_workers
from pluggy_sync.notifications import endpoints, messages
from pluggy_sync.resources import Resources
from standalone.http_server import running_server
from standalone.polling import eventually

PROCESSES = 4
LEAST_RATIO = 0.8
# Written in one transaction.
BATCH = 500


@dataclass
class _Receiver:
    """An endpoint that is counted. One that hangs takes the request and says nothing."""

    url: str
    ids: set[str]


@contextmanager
def _receiver(*, hangs: bool) -> Iterator[_Receiver]:
    over = threading.Event()
    receiver = _Receiver("", set())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body of the answer in one packet.
        wbufsize = -1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            receiver.ids.add(self.headers["webhook-id"])
            if hangs:
                over.wait()
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

    with running_server(Server(("127.0.0.1", 0), Handler)) as address:
        receiver.url = f"{address}/"
        try:
            yield receiver
        finally:
            over.set()


def measure(stage: Stage, *, count: int = 10_000) -> list[Outcome]:
    """Return the outcome of *count* notifications to a healthy endpoint beside one that hangs."""
    alone_s, _ = _deliver(stage, count, dead=False)
    beside_s, tried = _deliver(stage, count, dead=True)
    ratio = alone_s / beside_s
    return [
        Outcome(
            what=f"{count:,} notifications to a healthy endpoint beside a dead one",
            measured=f"{count / beside_s:.0f} a second; the dead one was asked {tried} times",
            reference=f"{count / alone_s:.0f} a second to the healthy one alone",
            ratio=f"{ratio:.2f} x",
            target=f">= {LEAST_RATIO} x",
            met=ratio >= LEAST_RATIO,
        )
    ]


def _deliver(stage: Stage, count: int, *, dead: bool) -> tuple[float, int]:
    """Return how long the healthy endpoint waits for all of them, in seconds, and how many reach the dead one."""
    with (
        running_fixed_pluggy() as url,
        _receiver(hangs=False) as healthy,
        _receiver(hangs=True) as hanging,
        stage.environ(url, ENDPOINT_ALLOWED_NETWORKS="127.0.0.0/8") as environ,
        resources_of(environ) as res,
        running_workers(environ, processes=PROCESSES),
    ):
        _create(res, healthy.url)
        _write(res, PROCESSES)
        eventually(lambda: len(healthy.ids) == PROCESSES, within_s=60, what="workers up")
        if dead:
            _create(res, hanging.url)
        began = time.monotonic()
        _write(res, count)
        eventually(lambda: len(healthy.ids) == count + PROCESSES, within_s=600, what="notifications delivered")
        return time.monotonic() - began, len(hanging.ids)


def _create(res: Resources, url: str) -> None:
    endpoints.create(res, url=url, secret=None, description=None, types=None, enabled=True)


def _write(res: Resources, count: int) -> None:
    for first in range(0, count, BATCH):
        with res.begin() as tx:
            for _ in range(min(BATCH, count - first)):
                messages.connector_status_changed(tx, 2, "Pluggy Bank", "ONLINE", now=res.now())
