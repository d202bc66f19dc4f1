"""
The API keys of `/pluggy`: JSON Web Tokens that end after two hours, as Pluggy's do (Pluggy facts 1.2).

None is stored. A key says which token it was made from, by a keyed hash, and is good only as long as that token is.
Before the front reads a body, it asks here too.

Tests: `pluggy_copy/test_signing_in.py`, `front/test_app.py`.
"""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import jwt

from pluggy_sync.encryption import derived_key
from pluggy_sync.settings import Settings

LIFE = timedelta(hours=2)
_ALGORITHM = "HS256"
# Keys of ours have some three hundred characters.
_LONGEST = 1024


def sign_in(settings: Settings, client_id: str, client_secret: str, *, now: datetime) -> str | None:
    """Return an API key for the token *client_secret*, by whatever name; None: there is no such token."""
    given = client_secret.encode()
    # Compared with all of them: the time taken tells nothing.
    matches = [hmac.compare_digest(given, token.encode()) for token in settings.api_tokens]
    if not any(matches):
        return None
    key = _signing_key(settings.secret_key)
    made_at = int(now.timestamp())
    claims = {
        "clientId": client_id,
        "token": _hash(key, client_secret),
        "iat": made_at,
        "exp": made_at + int(LIFE.total_seconds()),
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM)


def is_valid(api_key: str, settings: Settings, *, now: datetime) -> bool:
    """Return whether *api_key* is one of ours, has not ended, and its token is still good."""
    if len(api_key) > _LONGEST:
        return False
    for key in _signing_keys(settings):
        try:
            # The end is compared with the clock of the caller of this function.
            claims = jwt.decode(
                api_key, key, algorithms=[_ALGORITHM], options={"require": ["exp", "token"], "verify_exp": False}
            )
        except jwt.InvalidTokenError:
            continue
        is_token_good = any(hmac.compare_digest(str(claims["token"]), _hash(key, each)) for each in settings.api_tokens)
        return is_token_good and now < datetime.fromtimestamp(claims["exp"], UTC)
    return False


def _signing_keys(settings: Settings) -> Iterator[bytes]:
    for each in (settings.secret_key, *settings.previous_secret_keys):
        yield _signing_key(each)


def _signing_key(secret_key: str) -> bytes:
    return derived_key(secret_key, "keys of the copy of Pluggy")


def _hash(key: bytes, token: str) -> str:
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()
