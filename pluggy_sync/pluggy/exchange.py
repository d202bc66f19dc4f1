"""
One request to Pluggy and its whole answer, bounded in time and in bytes, packed and unpacked.

Whatever Pluggy's server does, a request takes no more time and memory than the bounds below.
"""

import statistics
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from pluggy_sync import tracing
from pluggy_sync.pluggy import deadline
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyUnavailableError

CONNECT_S = 5.0
# A page of 500 transactions takes about 1 MB, unpacked.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
# The clocks are compared over so many answers: one slow answer must not count.
CLOCK_ANSWERS = 15

_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Pluggy answered; `content` is unpacked."""

    method: str
    # Without the query.
    path: str
    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """
    Called for each request before it is sent, and for each answer once it is read; these may raise. *unanswered* gets
    the endpoint, as `shape` returns it, of each request to which no answer came.
    """

    requested: list[Callable[[httpx.Request], object]] = field(default_factory=list)
    answered: list[Callable[[Answer], object]] = field(default_factory=list)
    unanswered: list[Callable[[str], object]] = field(default_factory=list)


class Exchange:
    """Sends requests with the client *http*, which it bounds and closes."""

    def __init__(self, http: httpx.Client, *, total_s: float, hooks: Hooks) -> None:
        deadline.keep(http)
        # Unpacking is done here, where it is bounded.
        http.headers["Accept-Encoding"] = "gzip"
        self._http = http
        self._total_s = total_s
        self._hooks = hooks
        self._lock = threading.Lock()
        self._differences: deque[float] = deque(maxlen=CLOCK_ANSWERS)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def clock_ahead_s(self) -> float | None:
        """How many seconds our clock is ahead of Pluggy's, to about half a second; None before the first answer."""
        with self._lock:
            return statistics.median(self._differences) if self._differences else None

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        auth: httpx.Auth | None = None,
    ) -> Answer:
        """
        Send a request and return the answer, whatever its status. *auth* None takes that of the client.

        Raises:
            PluggyUnavailableError: no answer came in time, or too much of one.
        """
        try:
            with tracing.request(method, path) as span:
                answer = self._send(method, path, query, body, httpx.USE_CLIENT_DEFAULT if auth is None else auth)
                span.note(status_code=answer.status)
                return answer
        except PluggyLimitedError:
            # It was not sent.
            raise
        except PluggyUnavailableError:
            for told in tuple(self._hooks.unanswered):
                told(shape(method, path))
            raise

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        auth: Any,
    ) -> Answer:
        with deadline.within(self._total_s):
            try:
                request = self._http.build_request(method, path, params=query, json=body, timeout=_timeout())
                for hook in tuple(self._hooks.requested):
                    hook(request)
                response = self._http.send(request, auth=auth, stream=True)
                try:
                    content = b"".join(_unpacked(response))
                finally:
                    response.close()
            except httpx.TimeoutException as exc:
                what = f"no whole answer in time ({type(exc).__name__})"
                raise PluggyUnavailableError(f"{what} for {shape(method, path)}") from exc
            except (httpx.RequestError, httpx.InvalidURL, zlib.error) as exc:
                raise PluggyUnavailableError(f"{type(exc).__name__} for {shape(method, path)}") from exc
            except _TooMuchError as exc:
                raise PluggyUnavailableError(f"{exc} for {shape(method, path)}") from None
        answer = Answer(
            method=method,
            path=request.url.path,
            status=response.status_code,
            headers=response.headers,
            content=content,
        )
        self._note(answer)
        for done in tuple(self._hooks.answered):
            done(answer)
        return answer

    def _note(self, answer: Answer) -> None:
        said = http_date(answer.headers.get("Date"))
        if said is not None:
            with self._lock:
                # The header has whole seconds: on average it is half a second old.
                self._differences.append(time.time() - said - 0.5)


def _timeout() -> httpx.Timeout:
    """Return the limits of each wait. The deadline bounds all of them together."""
    short = deadline.at_most(CONNECT_S)
    return httpx.Timeout(deadline.left(), connect=short, pool=short)


def shape(method: str, path: str) -> str:
    """Return the endpoint, without ids: for messages, and as the name of its budget."""
    return method + " " + "/".join("{id}" if len(part) > 30 else part for part in path.split("/"))


def http_date(text: str | None) -> float | None:
    """Return the moment in an HTTP date, in seconds since 1970; None if there is none."""
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


class _TooMuchError(Exception):
    """An answer beyond what we take. The text says what of it."""


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """
    Yield the body of *response*.

    Raises:
        _TooMuchError: it is larger than 16 MiB, packed or unpacked, or packed in a way that was not asked for.
    """
    unpack = _unpacker(response)
    packed = unpacked = 0
    for chunk in response.iter_raw():
        packed += len(chunk)
        part = unpack(chunk, MAX_ANSWER_BYTES + 1 - unpacked)
        unpacked += len(part)
        if max(packed, unpacked) > MAX_ANSWER_BYTES:
            raise _TooMuchError("an answer of more than 16 MiB")
        yield part


def _unpacker(response: httpx.Response) -> Callable[[bytes, int], bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(_GZIP).decompress
    if encoding in ("identity", ""):
        return lambda chunk, _most: chunk
    raise _TooMuchError("an answer in an encoding that was not asked for")
