"""
POSTs to the product. One deadline covers the whole request: finding the address, connecting, TLS, sending, the answer.

The status decides. The body is not unpacked; a few KiB of it are read, for a moment, to keep the connection usable. No
cookie is kept and no redirect is followed.
"""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from pluggy_sync import tls

BODY_BYTES = 4096
BODY_S = 1.0
# Servers keep an idle connection for longer: no request goes into one that is just closing.
IDLE_S = 2.0


class NoAnswerError(Exception):
    """No answer came in time, or what came is not HTTP. The text is the kind of fault and quotes nothing."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered. *retry_after* is the header as it came."""

    status_code: int
    retry_after: str | None


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
        self._http: httpx.AsyncClient | None = None

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """
        Send *content* to *url* and return the answer.

        Raises:
            NoAnswerError: there was none within *timeout_s* seconds.
        """
        request = self._post(url, content, dict(headers), timeout_s)
        future = asyncio.run_coroutine_threadsafe(request, self._running_loop())
        try:
            return future.result()
        finally:
            # Anything else that ends the wait, such as a time limit of the worker, ends the request too.
            future.cancel()

    def close(self) -> None:
        """Close all connections and end the thread."""
        with self._starting:
            loop, thread, http = self._loop, self._thread, self._http
            self._loop = self._thread = self._http = None
        if loop is None or thread is None:
            return
        if http is not None:
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

    async def _post(self, url: str, content: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        answer = None
        try:
            async with asyncio.timeout(timeout_s):
                sending = self._client().stream(
                    "POST",
                    url,
                    content=content,
                    headers={**headers, "accept-encoding": "identity"},
                    # A deadline that ends a handshake leaves its socket open. Handshakes have less time.
                    timeout=httpx.Timeout(timeout_s, connect=timeout_s / 3),
                )
                async with sending as response:
                    answer = Answer(status_code=response.status_code, retry_after=response.headers.get("retry-after"))
                    await _read_on(response)
        # UnicodeError and InvalidURL: an address that no server can have.
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as exc:
            if answer is None:
                raise NoAnswerError(type(exc).__name__) from None
        return answer

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=tls.context(),
                follow_redirects=False,
                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
                limits=httpx.Limits(keepalive_expiry=IDLE_S),
            )
        return self._http


async def _read_on(response: httpx.Response) -> None:
    """Read the rest of a short answer that comes at once. What is longer or slower costs its connection."""
    size = 0
    async with asyncio.timeout(BODY_S):
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > BODY_BYTES:
                return
