"""
The API key: one for all workers, encrypted in Redis, renewed before it ends by one worker at a time.

A key lives two hours (Pluggy facts 1.2). `ApiKeyAuth` puts it on every request. When Pluggy rejects it, `ApiKeyAuth`
gets a new one and repeats the request, once.
"""

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx
import msgspec
import redis
import structlog
from redis.exceptions import LockError, RedisError

from pluggy_sync import wire
from pluggy_sync.encryption import Box
from pluggy_sync.pluggy import deadline
from pluggy_sync.pluggy.errors import PluggyRefusedError, PluggyUnauthorizedError, PluggyUnavailableError
from pluggy_sync.pluggy.exchange import Answer, Exchange

RENEW_BEFORE_END_S = 300
ASSUMED_LIFE_S = 7200
# A key that claims to live longer is renewed after a day.
LONGEST_LIFE_S = 86_400
SIGN_IN_LOCK_S = 30
# Keys are JSON Web Tokens of about a thousand characters.
MAX_KEY_LENGTH = 8192

log = structlog.get_logger(__name__)


def life_of(api_key: str) -> int:
    """Return how many seconds *api_key* lives: `exp - iat` of the token (at most a day), two hours if it has none."""
    try:
        payload = api_key.split(".")[1]
        claims = wire.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        # The difference of the two. Our clock plays no part.
        return min(int(claims["exp"]) - int(claims["iat"]), LONGEST_LIFE_S)
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, msgspec.DecodeError):
        return ASSUMED_LIFE_S


class ApiKeyCache:
    """The key in Redis, sealed in *box*, with a copy in this process for when Redis is away."""

    def __init__(self, client: redis.Redis, client_id: str, box: Box) -> None:
        self._redis = client
        self._box = box
        # Several applications may share one Redis. The client id itself stays out of it.
        self._name = "pluggy-sync:api-key:" + hashlib.sha256(client_id.encode()).hexdigest()[:16]
        self._local: tuple[str, float] | None = None
        # Each request asks for the key, and unsealing it takes as long as asking Redis.
        self._opened: tuple[bytes, str | None] = (b"", None)

    def get(self) -> str | None:
        """Return the cached key, or None when there is none that is still good for five minutes."""
        try:
            sealed = self._redis.get(self._name)
        except RedisError:
            return self._get_local()
        if not isinstance(sealed, bytes):
            return None
        known, opened = self._opened
        if sealed != known:
            opened = self._box.open(sealed)
            self._opened = (sealed, opened)
        return opened

    def _get_local(self) -> str | None:
        if self._local is None or time.monotonic() >= self._local[1]:
            return None
        return self._local[0]

    def put(self, api_key: str) -> None:
        """Keep *api_key* until five minutes before its end (for at least one second)."""
        good_for_s = max(1, life_of(api_key) - RENEW_BEFORE_END_S)
        self._local = (api_key, time.monotonic() + good_for_s)
        try:
            self._redis.set(self._name, self._box.seal(api_key), ex=good_for_s)
        except RedisError as exc:
            log.warning("api_key.not_shared", error=type(exc).__name__)

    def drop(self, rejected: str) -> None:
        """Remove *rejected*, unless another worker has replaced it already."""
        self._local = None
        if self.get() == rejected:
            try:
                self._redis.delete(self._name)
            except RedisError as exc:
                log.warning("api_key.not_dropped", error=type(exc).__name__)

    def renewed_by_one(self, sign_in: Callable[[], str]) -> str:
        """Return the cached key, or the one that *sign_in* gets while other workers wait for it."""
        wait_s = deadline.at_most(SIGN_IN_LOCK_S)
        try:
            with self._redis.lock(self._name + ":lock", timeout=SIGN_IN_LOCK_S, blocking_timeout=wait_s):
                return self.get() or self._sign_in(sign_in)
        except (RedisError, LockError):
            # Without Redis each worker signs in for itself: more requests, the same result.
            return self._get_local() or self._sign_in(sign_in)

    def _sign_in(self, sign_in: Callable[[], str]) -> str:
        api_key = sign_in()
        self.put(api_key)
        return api_key


class ApiKeyAuth(httpx.Auth):
    """Puts the API key on each request; on 401 or 403 renews it and repeats the request once."""

    def __init__(self, cache: ApiKeyCache, sign_in: Callable[[], str]) -> None:
        self._cache = cache
        self._sign_in = sign_in

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send *request* with the key, and a second time with a new key when the first was rejected."""
        api_key = self._current()
        request.headers["X-API-KEY"] = api_key
        response = yield request
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            _drop_body(response)
            self._cache.drop(api_key)
            request.headers["X-API-KEY"] = self._current()
            yield request

    def _current(self) -> str:
        return self._cache.get() or self._cache.renewed_by_one(self._sign_in)


def _drop_body(response: httpx.Response) -> None:
    """Leave the body unread. httpx would read all of it before the next request, however long it is."""
    stream = response.stream
    response.stream = httpx.ByteStream(b"")
    if isinstance(stream, httpx.SyncByteStream):
        stream.close()


# Signing in is the one request that carries no key.
_NO_KEY = httpx.Auth()


def sign_in(exchange: Exchange, client_id: str, client_secret: str) -> str:
    """
    Return a new API key from `POST /auth`.

    Raises:
        PluggyUnauthorizedError: the pair is wrong, or the application is switched off.
        PluggyUnavailableError: no answer, or one that cannot be read.
    """
    body = {"clientId": client_id, "clientSecret": client_secret}
    answer = exchange.send("POST", "/auth", body=body, auth=_NO_KEY)
    if answer.status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise PluggyUnauthorizedError("Pluggy rejects PLUGGY_CLIENT_ID and PLUGGY_CLIENT_SECRET", status=answer.status)
    if answer.status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(answer.status):
        raise PluggyUnavailableError(f"{answer.status} for POST /auth")
    if not answer.is_success:
        raise PluggyRefusedError(f"{answer.status} for POST /auth", status=answer.status)
    return _api_key(answer)


def _api_key(answer: Answer) -> str:
    try:
        body: Any = wire.decode(answer.content)
    except msgspec.DecodeError as exc:
        raise PluggyUnavailableError("the answer of POST /auth is not JSON") from exc
    api_key = body.get("apiKey") if isinstance(body, dict) else None
    if not isinstance(api_key, str) or not _fits_a_header(api_key):
        raise PluggyUnavailableError("no API key in the answer of POST /auth")
    return api_key


def _fits_a_header(api_key: str) -> bool:
    return 0 < len(api_key) <= MAX_KEY_LENGTH and all("!" <= char <= "~" for char in api_key)
