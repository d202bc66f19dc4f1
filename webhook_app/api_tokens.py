"""
The tokens that open `/v1` and the metrics. Before the front reads a body, it asks here too.

Tests: `api/test_access.py`, `front/test_app.py`.
"""

import hmac

from pluggy_sync.settings import Settings


def is_valid(authorization: str, settings: Settings) -> bool:
    """
    Return whether *authorization*, the header's value, has a valid token.

    It is always compared with all of them: the time taken tells nothing.
    """
    scheme, _, given = authorization.partition(" ")
    token = given.strip().encode() if scheme.lower() == "bearer" else b""
    matches = [hmac.compare_digest(token, valid.encode()) for valid in settings.api_tokens]
    return any(matches)
