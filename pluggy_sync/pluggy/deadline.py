"""
The time that Pluggy may take, in all, for whatever a block asks of it.

    with deadline.within(4):
        pluggy.update_item(...)

Every wait within the block ends with it: for the budget, for a new API key, to connect, for each read of an answer,
before a repeated read. A peer that sends a byte now and then gains nothing by it.
"""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore
import httpx

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound everything in the block to *seconds* in all. A block inside another cannot last longer than that one."""
    ends_at = time.monotonic() + seconds
    outer = _ends_at.get()
    token = _ends_at.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _ends_at.reset(token)


def left() -> float | None:
    """Return how many seconds are left, 0 when the time is over; None without a deadline."""
    ends_at = _ends_at.get()
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


def at_most(seconds: float) -> float:
    """Return *seconds*, or what is left if that is less."""
    remaining = left()
    return seconds if remaining is None else min(seconds, remaining)


def keep(http: httpx.Client) -> None:
    """Let every connection of *http*, also through a proxy, keep the deadline of the block that uses it."""
    # httpx has no setting for it. Its time limits are for each read: an answer in drips has no limit.
    for transport in (http._transport, *http._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend(transport._pool._network_backend)


def _bounded(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """Return how long the next wait may be; raise *error* if the time is over."""
    remaining = left()
    if remaining is None:
        return timeout
    if remaining <= 0:
        raise error("the deadline is over")
    return remaining if timeout is None else min(timeout, remaining)


class _Backend(httpcore.NetworkBackend):
    """Opens connections whose waits end with the deadline."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # One address at a time: the library would give each address of the host the whole time.
        failed: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("no address")
        for address in _addresses(host, port):
            wait = _bounded(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(address, port, wait, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failed = exc
            else:
                return _Stream(stream)
        raise failed

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        wait = _bounded(timeout, httpcore.ConnectTimeout)
        return _Stream(self._backend.connect_unix_socket(path, wait, socket_options))


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise httpcore.ConnectError(str(exc)) from exc
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class _Stream(httpcore.NetworkStream):
    """A connection whose waits end with the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _bounded(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        wait = _bounded(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, wait))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
