"""
Delivers events over kept-alive connections and times each: a program of its own, so that it takes no turn of what it
measures. `python -m bench.webhook_load ADDRESS CONNECTIONS COUNT` prints one line of JSON.
"""

import json
import re
import selectors
import socket
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.stage import WEBHOOK_SECRET

# Longer than any answer may take.
_WITHIN_S = 60
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    began_at: float
    received: bytes = b""

    def send(self, request: bytes) -> None:
        self.began_at, self.received = time.perf_counter(), b""
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Return whether the answer is complete."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed without an answer")
        self.received += part
        head, end, body = self.received.partition(b"\r\n\r\n")
        return bool(end) and len(body) >= int(_LENGTH.search(head)[1])  # type: ignore[index]  # every answer has a length


def main(address: str, connections: int, count: int) -> None:
    """Deliver *count* events over so many *connections*, each after the answer to the one before."""
    where = urlsplit(address)
    waiting = iter([_request(number) for number in range(count)])
    selector = selectors.DefaultSelector()
    taken: list[float] = []
    statuses: Counter[str] = Counter()
    until = time.monotonic() + _WITHIN_S
    began = time.perf_counter()
    for _ in range(connections):
        connection = _Connection(socket.create_connection((where.hostname, where.port)), 0.0)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(waiting))
    while selector.get_map() and time.monotonic() < until:
        for key, _ in selector.select(1):
            connection = key.data
            if not connection.receive():
                continue
            taken.append(time.perf_counter() - connection.began_at)
            statuses[connection.received[9:12].decode()] += 1
            request = next(waiting, None)
            if request is None:
                selector.unregister(connection.socket)
                connection.socket.close()
            else:
                connection.send(request)
    took = time.perf_counter() - began
    taken.sort()
    report = {
        "rate": len(taken) / took,
        "p50_ms": taken[len(taken) // 2] * 1000,
        "p99_ms": taken[len(taken) * 99 // 100] * 1000,
        "statuses": statuses,
    }
    print(json.dumps(report))


def _request(number: int) -> bytes:
    body = {
        "event": "item/updated",
        "eventId": str(uuid.uuid4()),
        # A thousand Items, as on a busy morning.
        "itemId": f"{number % 1000:08x}-0000-4000-8000-000000000000",
        "clientUserId": "user-42",
        "triggeredBy": "SYNC",
        "itemStatus": "UPDATED",
    }
    content = json.dumps(body)
    return (
        "POST /webhooks/pluggy HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-Webhook-Secret: {WEBHOOK_SECRET}\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    ).encode()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
