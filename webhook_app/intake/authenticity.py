"""Whether a delivery is Pluggy's: it carries the secret that was registered with the webhook (Pluggy facts 2.6)."""

import hmac

from pluggy_sync.settings import Settings


def is_authentic(secret: str, settings: Settings) -> bool:
    """
    Return whether *secret*, the header's value, is a valid one.

    It is compared with every one, always all of them, so that the time taken tells nothing.
    """
    given = secret.encode()
    matches = [hmac.compare_digest(given, valid.encode()) for valid in settings.webhook_secrets]
    return any(matches)
