"""
The API key: one for all workers, cached in Redis, renewed before it ends by one worker at a time.

A key lives two hours (Pluggy facts 1.2). `ApiKeyAuth` puts it on every request, and when Pluggy rejects it, gets
a new one and repeats the request, once.
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
from pluggy_sync.pluggy.errors import PluggyRefusedError, PluggyUnauthorizedError, PluggyUnavailableError

RENEW_BEFORE_END_S = 300
ASSUMED_LIFE_S = 7200
SIGN_IN_LOCK_S = 30

log = structlog.get_logger(__name__)


def life_of(api_key: str) -> int:
    """Return how many seconds *api_key* lives from its issue: `exp - iat` of the token, or two hours if it has none."""
    try:
        payload = api_key.split(".")[1]
        claims = wire.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        # Their difference, so that a clock that differs from Pluggy's does no harm.
        return int(claims["exp"]) - int(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, msgspec.DecodeError):
        return ASSUMED_LIFE_S


class ApiKeyCache:
    """The key in Redis, with a copy in this process for when Redis is away."""

    def __init__(self, client: redis.Redis, client_id: str) -> None:
        self._redis = client
        # The client id itself stays out of Redis; several applications may share one.
        self._name = "pluggy-sync:api-key:" + hashlib.sha256(client_id.encode()).hexdigest()[:16]
        self._local: tuple[str, float] | None = None

    def get(self) -> str | None:
        """Return the cached key, or None when there is none that is still good for five minutes."""
        try:
            key = self._redis.get(self._name)
        except RedisError:
            return self._get_local()
        return key.decode() if isinstance(key, bytes) else None

    def _get_local(self) -> str | None:
        if self._local is None or time.monotonic() >= self._local[1]:
            return None
        return self._local[0]

    def put(self, api_key: str) -> None:
        """Keep *api_key* until five minutes before its end (for at least one second)."""
        good_for_s = max(1, life_of(api_key) - RENEW_BEFORE_END_S)
        self._local = (api_key, time.monotonic() + good_for_s)
        try:
            self._redis.set(self._name, api_key, ex=good_for_s)
        except RedisError as exc:
            log.warning("api_key.not_shared", error=type(exc).__name__)

    def drop(self, rejected: str) -> None:
        """Forget *rejected*, unless another worker has renewed it already."""
        self._local = None
        if self.get() == rejected:
            try:
                self._redis.delete(self._name)
            except RedisError as exc:
                log.warning("api_key.not_dropped", error=type(exc).__name__)

    def renewed_by_one(self, sign_in: Callable[[], str]) -> str:
        """Return the cached key, or else the one that *sign_in* gets, while other workers wait for it."""
        try:
            with self._redis.lock(self._name + ":lock", timeout=SIGN_IN_LOCK_S, blocking_timeout=SIGN_IN_LOCK_S):
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
            self._cache.drop(api_key)
            request.headers["X-API-KEY"] = self._current()
            yield request

    def _current(self) -> str:
        return self._cache.get() or self._cache.renewed_by_one(self._sign_in)


# Signing in is the one request that carries no key.
_NO_KEY = httpx.Auth()


def sign_in(http: httpx.Client, client_id: str, client_secret: str) -> str:
    """
    Return a new API key from `POST /auth`.

    Raises:
        PluggyUnauthorizedError: the pair is wrong, or the application is switched off.
        PluggyUnavailableError: no answer, or one that cannot be read.
    """
    try:
        response = http.post("/auth", json={"clientId": client_id, "clientSecret": client_secret}, auth=_NO_KEY)
    except httpx.RequestError as exc:
        raise PluggyUnavailableError(f"{type(exc).__name__} for POST /auth") from exc
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise PluggyUnauthorizedError(
            "Pluggy rejects PLUGGY_CLIENT_ID and PLUGGY_CLIENT_SECRET", status=response.status_code
        )
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        raise PluggyUnavailableError(f"{response.status_code} for POST /auth")
    if not response.is_success:
        raise PluggyRefusedError(f"{response.status_code} for POST /auth", status=response.status_code)
    return _api_key(response)


def _api_key(response: httpx.Response) -> str:
    try:
        body: dict[str, Any] = wire.decode(response.content)
        return str(body["apiKey"])
    except (msgspec.DecodeError, KeyError, TypeError) as exc:
        raise PluggyUnavailableError("no API key in the answer of POST /auth") from exc
