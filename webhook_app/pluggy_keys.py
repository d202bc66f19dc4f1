"""
The API keys of `/pluggy`: JSON Web Tokens that end after two hours, as Pluggy's do (Pluggy facts 1.2).

None is stored. A key holds, encrypted, the digest of the token that it was made from: it opens what that token opens,
and nothing more once that is revoked. Before the front reads a body, it asks here too.

Tests: `pluggy_copy/test_signing_in.py`, `front/test_app.py`.
"""

from datetime import UTC, datetime, timedelta
from functools import cache

import jwt

from pluggy_sync.encryption import Box, derived_key
from pluggy_sync.settings import Settings

LIFE = timedelta(hours=2)
_ALGORITHM = "HS256"
# Keys of ours have some four hundred characters.
_LONGEST = 1024


def make(settings: Settings, client_id: str, digest: bytes, *, now: datetime) -> str:
    """Return an API key for the token of which *digest* is."""
    made_at = int(now.timestamp())
    claims = {
        "clientId": client_id,
        "token": _box(settings).seal_bytes(digest).decode(),
        "iat": made_at,
        "exp": made_at + int(LIFE.total_seconds()),
    }
    return jwt.encode(claims, _signing_key(settings.secret_key), algorithm=_ALGORITHM)


def digest_in(api_key: str, settings: Settings, *, now: datetime) -> bytes | None:
    """Return the digest of the token that *api_key* was made from; None: it is not one of ours, or has ended."""
    if len(api_key) > _LONGEST:
        return None
    for secret_key in (settings.secret_key, *settings.previous_secret_keys):
        try:
            claims = jwt.decode(
                api_key,
                _signing_key(secret_key),
                algorithms=[_ALGORITHM],
                # The end is compared with the clock that the caller gives.
                options={"require": ["exp", "token"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            continue
        is_over = now >= datetime.fromtimestamp(claims["exp"], UTC)
        return None if is_over else _box(settings).open_bytes(claims["token"].encode())
    return None


@cache
def _signing_key(secret_key: str) -> bytes:
    return derived_key(secret_key, "signatures of the keys of /pluggy")


def _box(settings: Settings) -> Box:
    return _box_of(settings.secret_key, *settings.previous_secret_keys)


@cache
def _box_of(*secret_keys: str) -> Box:
    return Box(*secret_keys, purpose="tokens in the keys of /pluggy")
