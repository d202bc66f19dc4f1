"""
The tokens that open `/v1`, `/pluggy` and the metrics: those of the settings, and those that an operator made.

Those that were made are read from Postgres every two seconds while requests come, and kept in memory: a request costs
no query, and one that is revoked opens nothing more after that time, in any process. Before the front reads a body, it
asks here too.

Tests: `test_api_tokens.py`, `api/test_access.py`, `front/test_app.py`.
"""

import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import structlog
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync.rules.scopes import Scope
from pluggy_sync.settings import Settings
from pluggy_sync.store import api_tokens
from pluggy_sync.store.api_tokens import LAST_USE_EVERY, ApiToken

log = structlog.get_logger(__name__)

_KEY = "pluggy_sync_api_tokens"

# A token that is revoked may open something for so long, in seconds.
READ_EVERY_S = 2.0
# One that is not known may be new. Strangers cause one query in this time, however many they are.
READ_FOR_STRANGERS_EVERY_S = 0.2
# While Postgres is away, what was read before counts for so long.
BELIEVED_FOR_S = 10.0


class CannotTellError(Exception):
    """Postgres is away: nobody knows whether the token is valid."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a valid token opens. `token` None: it is one of the settings."""

    scope: Scope
    token: ApiToken | None


@dataclass(frozen=True, kw_only=True)
class _Read:
    tokens: Mapping[bytes, ApiToken]
    at: float


class ApiTokens:
    """The valid tokens. For all threads of a process."""

    def __init__(self, settings: Settings, database: Engine | None) -> None:
        """Know the tokens of *settings*, and those in *database*; None: there are no others."""
        self._of_settings = [api_tokens.digest_of(each) for each in settings.api_tokens]
        self._database = database
        self._lock = threading.Lock()
        self._read: _Read | None = None
        self._failed_at = -BELIEVED_FOR_S
        self._noted: dict[str, datetime] = {}

    def known(self, digest: bytes) -> Opened | None:
        """Return what the token of this digest opens, as far as memory tells; None: ask `find_by_digest`."""
        return self._in_settings(digest) or self._in_memory(digest, READ_EVERY_S)

    def find(self, authorization: str) -> Opened | None:
        """
        Return what *authorization*, the header's value, opens; None: nothing. It may ask Postgres.

        Raises:
            CannotTellError: Postgres is away.
        """
        digest = digest_in(authorization)
        return None if digest is None else self.find_by_digest(digest)

    def find_by_digest(self, digest: bytes) -> Opened | None:
        """
        Return what the token of this digest opens, as `find`.

        Raises:
            CannotTellError: as `find`.
        """
        known = self.known(digest)
        if known is not None or self._database is None:
            return known
        self._read_anew(self._database)
        return self._in_memory(digest, BELIEVED_FOR_S)

    def note_use(self, opened: Opened, *, now: datetime) -> None:
        """Write down now and then when the token was used. A failure to do so refuses no request."""
        token = opened.token
        if token is None or self._database is None:
            return
        last = max((each for each in (token.last_used_at, self._noted.get(token.id)) if each is not None), default=None)
        if last is not None and now - last < LAST_USE_EVERY:
            return
        self._noted[token.id] = now
        try:
            with self._database.begin() as conn:
                api_tokens.note_use(conn, token.id, now=now)
        except SQLAlchemyError as exc:
            log.warning("api_token.use_not_noted", token_id=token.id, error=type(exc).__name__, next="at a later use")

    def _in_settings(self, digest: bytes) -> Opened | None:
        # Compared with all of them: the time taken tells nothing.
        matches = [hmac.compare_digest(digest, valid) for valid in self._of_settings]
        return Opened(scope=Scope.ADMIN, token=None) if any(matches) else None

    def _in_memory(self, digest: bytes, within_s: float) -> Opened | None:
        read = self._read
        if read is None or time.monotonic() - read.at > within_s:
            return None
        token = read.tokens.get(digest)
        return None if token is None else Opened(scope=token.scope, token=token)

    def _read_anew(self, database: Engine) -> None:
        """Read the tokens, unless another thread did just now."""
        with self._lock:
            now = time.monotonic()
            age = None if self._read is None else now - self._read.at
            if age is not None and age < READ_FOR_STRANGERS_EVERY_S:
                return
            if now - self._failed_at < READ_FOR_STRANGERS_EVERY_S and (age is None or age > BELIEVED_FOR_S):
                raise CannotTellError
            try:
                with database.begin() as conn:
                    found = {each.digest: each for each in api_tokens.valid(conn)}
            except SQLAlchemyError as exc:
                self._failed_at = time.monotonic()
                if age is None or age > BELIEVED_FOR_S:
                    raise CannotTellError from exc
                return
            self._read = _Read(tokens=found, at=now)


def digest_in(authorization: str) -> bytes | None:
    """Return the digest of the token in *authorization*, the header's value; None: there is none in it."""
    scheme, _, given = authorization.partition(" ")
    token = given.strip()
    return api_tokens.digest_of(token) if token and scheme.lower() == "bearer" else None


def keep(app: Flask, tokens: ApiTokens) -> None:
    """Have *app* be opened by *tokens*."""
    app.extensions[_KEY] = tokens


def of_app(app: Flask) -> ApiTokens:
    """Return the tokens that open *app*."""
    return cast(ApiTokens, app.extensions[_KEY])
