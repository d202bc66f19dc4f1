"""
POSTs to the product. One deadline covers the whole request: finding the address, connecting, TLS, sending, the answer.

The status decides. The body is not unpacked; a few KiB of it are read, for a moment, to keep the connection usable. No
cookie is kept and no redirect is followed. Spans go to a collector in the same way (`spans`).

Whoever may name an endpoint must not reach what only we can reach: other services of our network, this machine, the
cloud's metadata. So a name is resolved once for each connection, and only to addresses that are allowed.
"""

import asyncio
import dataclasses
import ipaddress
import socket
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpcore
import httpx

from pluggy_sync import tls

BODY_BYTES = 4096
BODY_S = 1.0
# Servers keep an idle connection for longer: no request goes into one that is just closing.
IDLE_S = 2.0


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# NAT64 (RFC 6052): the last four bytes are an address of IPv4.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SocketOption = Any
_Result = TypeVar("_Result")


class NotAllowedError(OSError):
    """A host is, or resolves to, an address that may not be reached."""


class NoAnswerError(Exception):
    """No answer came in time, or what came is not HTTP. The text is the kind of fault and quotes nothing."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered. *retry_after* is the header as it came; *body* is how the body begins, perhaps packed."""

    status_code: int
    retry_after: str | None
    is_packed: bool = False
    body: bytes = field(default=b"", repr=False)


def is_allowed(address: str, networks: Iterable[Network]) -> bool:
    """Return whether *address* is public, or in one of *networks*."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in networks):
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_allowed(str(inner), networks)
        if ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to allowed addresses only: to the very ones that it has checked."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of *host* that takes the connection."""
        found = await _resolve(host, port)
        allowed = [each for each in found if is_allowed(each, self._networks)]
        # One address that is not allowed is enough: nobody has such a name by mistake.
        if len(allowed) < len(found) or not allowed:
            raise NotAllowedError(host)
        for address in allowed[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(allowed[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own, on a guarded network."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        # httpx has no argument for it.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls.context(),
            max_connections=100,
            keepalive_expiry=IDLE_S,
            network_backend=_GuardedNetwork(networks),
        )


class ProductClient:
    """
    Keeps connections between requests. Any number of threads may use it at once.

    Requests run on an event loop in its own thread, because only there a deadline can end each of their steps. The
    thread starts with the first request: a client may be made before its process forks.
    """

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # One for each way of connecting: to any address, or to public ones and some networks.
        self._clients: dict[tuple[Network, ...] | None, httpx.AsyncClient] = {}

    def post(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
        may_reach: tuple[Network, ...] | None = None,
    ) -> Answer:
        """
        Send *content* to *url* and return the answer.

        *may_reach*: only public addresses may be reached, and these networks; None: any address.

        Raises:
            NoAnswerError: there was none within *timeout_s* seconds.
        """
        return self._run(self._post(url, content, dict(headers), timeout_s, may_reach))

    def addresses_of(self, host: str, *, timeout_s: float) -> list[str]:
        """
        Return the addresses that *host* has now.

        Raises:
            OSError: it has none, or that was not known within *timeout_s* seconds.
            UnicodeError: no host can be called so.
        """
        return self._run(asyncio.wait_for(_resolve(host, 0), timeout_s))

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        future = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        try:
            return future.result()
        finally:
            # Anything else that ends the wait, such as a time limit of the worker, ends the request too.
            future.cancel()

    def close(self) -> None:
        """Close all connections and end the thread."""
        with self._starting:
            loop, thread, clients = self._loop, self._thread, list(self._clients.values())
            self._loop = self._thread = None
            self._clients = {}
        if loop is None or thread is None:
            return
        for http in clients:
            asyncio.run_coroutine_threadsafe(http.aclose(), loop).result(timeout=BODY_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="product-client", daemon=True)
                self._thread.start()
            return self._loop

    async def _post(
        self,
        url: str,
        content: bytes,
        headers: dict[str, str],
        timeout_s: float,
        may_reach: tuple[Network, ...] | None,
    ) -> Answer:
        answer = None
        body = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                sending = self._client(may_reach).stream(
                    "POST",
                    url,
                    content=content,
                    headers={**headers, "accept-encoding": "identity"},
                    # A deadline that ends a handshake leaves its socket open. Handshakes have less time.
                    timeout=httpx.Timeout(timeout_s, connect=timeout_s / 3),
                )
                async with sending as response:
                    answer = Answer(
                        status_code=response.status_code,
                        retry_after=response.headers.get("retry-after"),
                        is_packed=response.headers.get("content-encoding", "identity").lower() != "identity",
                    )
                    await _read_on(response, body)
        # UnicodeError and InvalidURL: an address that no server can have.
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as exc:
            if answer is None:
                raise NoAnswerError(type(exc).__name__) from None
        return dataclasses.replace(answer, body=bytes(body[:BODY_BYTES]))

    def _client(self, may_reach: tuple[Network, ...] | None) -> httpx.AsyncClient:
        if may_reach not in self._clients:
            self._clients[may_reach] = httpx.AsyncClient(
                verify=tls.context(),
                transport=None if may_reach is None else _GuardedTransport(may_reach),
                follow_redirects=False,
                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
                limits=httpx.Limits(keepalive_expiry=IDLE_S),
            )
        return self._clients[may_reach]


async def _read_on(response: httpx.Response, body: bytearray) -> None:
    """Read the rest of a short answer that comes at once into *body*. What is longer or slower costs its connection."""
    async with asyncio.timeout(BODY_S):
        async for chunk in response.aiter_raw():
            body += chunk[: BODY_BYTES + 1]
            if len(body) > BODY_BYTES:
                return
