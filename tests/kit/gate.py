"""A proxy before the sandbox that holds one answer back until a test lets it through."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from pluggy_sync import tls
from tests.kit.scripted_server import Asked, Reply, scripted_server


@dataclass
class Gate:
    """
    `url` is the proxy's. `reached` is set once the answer to `held` was taken from the sandbox and is held back.
    """

    url: str = ""
    held: Asked | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)


@contextmanager
def gated(target: str, path: str, *, skip: int = 0) -> Iterator[Gate]:
    """Pass requests on to *target*; hold one answer to *path* back, after *skip* that go through."""
    gate = Gate()
    left, lock = [skip], threading.Lock()

    def is_held(asked: Asked) -> bool:
        with lock:
            if asked.path != path or gate.reached.is_set():
                return False
            left[0] -= 1
            return left[0] < 0

    def answer(asked: Asked) -> Reply:
        headers = {
            name: value for name, value in asked.headers.items() if name.lower() in ("x-api-key", "content-type")
        }
        got = httpx.request(
            asked.method,
            target + asked.path,
            params=asked.query,
            headers=headers,
            content=asked.body,
            trust_env=False,
            timeout=30,
            verify=tls.context(),
        )
        if is_held(asked):
            gate.held = asked
            gate.reached.set()
            gate.open.wait()
        return Reply(got.content, got.status_code, {"Content-Type": got.headers.get("content-type", "text/plain")})

    with scripted_server(answer) as server:
        gate.url = server.url
        try:
            yield gate
        finally:
            gate.open.set()
