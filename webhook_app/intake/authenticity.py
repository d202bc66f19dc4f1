"""
Whether a delivery is Pluggy's (Pluggy facts 2.6): where it comes from, the secret that it carries, its signature.

The secret that was registered with the webhook is always asked for. The other two are off until they are set up. Once
a signature is set up, a delivery without a good one is refused.
"""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from werkzeug.http import parse_list_header

from pluggy_sync import rejections
from pluggy_sync.settings import Settings

# Of a header by its name, in small letters; empty if it is not there.
HeaderOf = Callable[[str], str]

_DECODERS: dict[str, Callable[[str], bytes]] = {
    "hex": bytes.fromhex,
    "base64": lambda text: base64.b64decode(text, validate=True),
}


class Refusal(StrEnum):
    """Why a delivery is refused, as it is counted (`pluggy_sync/rejections.py`)."""

    ADDRESS = rejections.ADDRESS
    MISSING = rejections.MISSING
    WRONG = rejections.WRONG
    SIGNATURE = rejections.SIGNATURE
    TIMESTAMP = rejections.TIMESTAMP

    @property
    def tallied(self) -> str:
        """The word of the metric `deliveries_total`."""
        return _TALLIED[self]


_TALLIED = {
    Refusal.ADDRESS: "other_address",
    Refusal.MISSING: "missing_secret",
    Refusal.WRONG: "wrong_secret",
    Refusal.SIGNATURE: "bad_signature",
    Refusal.TIMESTAMP: "bad_timestamp",
}


def is_authentic(secret: str, settings: Settings) -> bool:
    """
    Return whether *secret*, the header's value, is a valid one.

    It is compared with every one, always all of them, so that the time taken tells nothing.
    """
    given = secret.encode()
    matches = [hmac.compare_digest(given, valid.encode()) for valid in settings.webhook_secrets]
    return any(matches)


@dataclass(frozen=True)
class Gate:
    """What a delivery must show, as the settings say."""

    settings: Settings

    def refusal_of_head(self, header: HeaderOf, address: str | None) -> Refusal | None:
        """Return why a delivery from *address* is refused before its body is read, or None."""
        if self.settings.webhook_allowed_ips and not self._is_allowed(address):
            return Refusal.ADDRESS
        secret = header(self.settings.webhook_secret_header.lower())
        if is_authentic(secret, self.settings):
            return None
        return Refusal.WRONG if secret else Refusal.MISSING

    def refusal_of_body(self, header: HeaderOf, body: bytes, now: datetime) -> Refusal | None:
        """Return why the *body*, as it came, is refused, or None."""
        settings = self.settings
        if not settings.webhook_signature_secrets:
            return None
        stamp_header = settings.webhook_signature_timestamp_header
        signed = body
        if stamp_header is not None:
            stamp = header(stamp_header.lower())
            if not _is_near(stamp, now, within_s=settings.webhook_signature_tolerance_s):
                return Refusal.TIMESTAMP
            signed = stamp.encode() + b"." + body
        given = _decoded(header(settings.webhook_signature_header.lower()), settings.webhook_signature_encoding)
        matches = [
            hmac.compare_digest(given, hmac.digest(key, signed, settings.webhook_signature_algorithm))
            for key in settings.webhook_signature_keys
        ]
        return None if any(matches) else Refusal.SIGNATURE

    def client_of(self, peer: str | None, forwarded_for: str) -> str | None:
        """Return the address of a client: *peer*, or what the farthest of our proxies saw, as Werkzeug's ProxyFix."""
        hops = self.settings.trusted_proxy_hops
        seen = parse_list_header(forwarded_for) if hops and forwarded_for else []
        return seen[-hops] if hops and len(seen) >= hops else peer

    def _is_allowed(self, address: str | None) -> bool:
        try:
            client = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        return any(client in network for network in self.settings.webhook_allowed_ips)


def _is_near(stamp: str, now: datetime, *, within_s: int) -> bool:
    """Return whether *stamp*, in seconds or milliseconds since 1970, is at most *within_s* seconds from *now*."""
    if not (stamp.isascii() and stamp.isdecimal()) or len(stamp) > 13:
        return False
    moment = int(stamp) / (1000 if len(stamp) > 11 else 1)
    return abs(now.timestamp() - moment) <= within_s


def _decoded(text: str, encoding: str) -> bytes:
    """Return the signature in *text*; empty, which no signature is, if it is none. A prefix `sha512=` is left out."""
    plain = text.strip().removeprefix("sha512=").removeprefix("sha256=")
    try:
        return _DECODERS[encoding](plain)
    except (ValueError, binascii.Error):
        return b""
