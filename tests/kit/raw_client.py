"""A client that speaks HTTP/1.1 as badly as a test wants."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class RawClient:
    """One connection."""

    def __init__(self, address: str, *, within_s: float = 30) -> None:
        where = urlsplit(address)
        self._socket = socket.create_connection((where.hostname, where.port), timeout=within_s)

    def send(self, *parts: bytes) -> None:
        """Send *parts*; what the server does not take any more is dropped."""
        try:
            for part in parts:
                self._socket.sendall(part)
        except OSError:
            pass

    def begin(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Send a request up to its body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *[f"{name}: {value}" for name, value in headers.items()]]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def status(self) -> int | None:
        """Return the status of the answer; None if the connection was closed instead."""
        try:
            answer = self._socket.recv(65536)
        except ConnectionError:
            return None
        return int(answer.split(b" ", 2)[1]) if answer else None

    def receive(self, size: int) -> bytes:
        """Return what came, at most *size* bytes; nothing at the end."""
        try:
            return self._socket.recv(size)
        except ConnectionError:
            return b""

    def end_sending(self) -> None:
        """Close this direction only."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both directions."""
        self._socket.close()


@contextmanager
def raw_clients(address: str, count: int) -> Iterator[list[RawClient]]:
    """Yield so many connections to *address*."""
    clients = [RawClient(address) for _ in range(count)]
    try:
        yield clients
    finally:
        for each in clients:
            each.close()
