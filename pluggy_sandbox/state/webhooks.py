"""Webhook resources: what may be registered, and who hears of an event (Pluggy facts 2.1, 2.2)."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError
from pluggy_sandbox.wire.instants import iso, iso_or_none

MOST_PER_EVENT = 5
DATA_EVENTS = (
    "item/created", "item/updated", "item/error", "item/deleted", "item/waiting_user_input",
    "item/waiting_user_action", "item/login_succeeded", "connector/status_updated", "transactions/created",
    "transactions/updated", "transactions/deleted",
)  # fmt: skip
PAYMENT_EVENTS = (
    "payment_intent/created", "payment_intent/completed", "payment_intent/waiting_payer_authorization",
    "payment_intent/error", "payment_request/updated", "scheduled_payment/created", "scheduled_payment/completed",
    "scheduled_payment/error", "scheduled_payment/canceled", "scheduled_payment/all_created",
    "scheduled_payment/all_completed", "automatic_pix_payment/created", "automatic_pix_payment/completed",
    "automatic_pix_payment/error", "automatic_pix_payment/canceled", "smart_transfer_preauthorization/completed",
    "smart_transfer_preauthorization/error", "smart_transfer_payment/completed", "smart_transfer_payment/error",
    "boleto/updated",
)  # fmt: skip
WILDCARDS = ("all", "item/all")
KNOWN = frozenset((*DATA_EVENTS, *PAYMENT_EVENTS, *WILDCARDS))
_HEADER_NAME = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
_HEADER_VALUE = re.compile(r"^[\x20-\x7e]*$")
_RESERVED = (".localhost", ".local", ".internal")


@dataclass
class Webhook:
    """One registration. Its headers are secret-bearing."""

    id: str
    client_id: str
    url: str
    event: str
    created_at: datetime
    updated_at: datetime
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    disabled_at: datetime | None = None
    failures_in_row: int = 0

    def wants(self, event: str) -> bool:
        """Return whether this registration hears of *event*."""
        wildcard = self.event == "all" or (self.event == "item/all" and event.startswith("item/"))
        return self.disabled_at is None and (wildcard or self.event == event)

    def view(self) -> Json:
        """Return it as the API serves it, headers included (Pluggy facts 2.2)."""
        return {
            "id": self.id,
            "url": self.url,
            "event": self.event,
            "headers": self.headers,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "disabledAt": iso_or_none(self.disabled_at),
        }


def check_event(event: object) -> str:
    """
    Return *event* if there is such a one.

    Raises:
        BadRequestError: there is not.
    """
    if not isinstance(event, str) or event not in KNOWN:
        raise BadRequestError(f"event must be one of the following values: {', '.join(sorted(KNOWN))}")
    return event


def check_url(url: object, *, allow_local: bool) -> str:
    """
    Return *url* if Pluggy would deliver to it.

    *allow_local* lets plain http and hosts of this machine and network pass.

    Raises:
        BadRequestError: one of the reasons of Pluggy facts 2.2.
    """
    address = fields.url({"url": url}, "url") or ""
    parts = urlsplit(address)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise BadRequestError("url must be a valid URL")
    if not allow_local:
        _check_public(parts.scheme, parts.hostname)
    return address


def check_headers(headers: object) -> dict[str, str]:
    """
    Return *headers*, a flat map of strings; None clears.

    Raises:
        BadRequestError: it is something else.
    """
    if headers is None:
        return {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise BadRequestError("headers must be an object of strings")
    if not all(_HEADER_NAME.match(name) and _HEADER_VALUE.match(value) for name, value in headers.items()):
        raise BadRequestError("headers must have names and values that HTTP allows")
    return dict(headers)


def check_room(existing: Iterable[Webhook], event: str, url: str) -> None:
    """
    Refuse a second registration of one pair, and a sixth of one event.

    Raises:
        BadRequestError: there is one, or there are five.
    """
    same_event = [w for w in existing if w.event == event]
    if any(w.url == url for w in same_event):
        raise BadRequestError("A webhook for this event and url already exists")
    if len(same_event) >= MOST_PER_EVENT:
        raise BadRequestError(f"Maximum of {MOST_PER_EVENT} webhooks per event reached")


def _check_public(scheme: str, host: str) -> None:
    if scheme != "https":
        raise BadRequestError("url must use https")
    if _is_ip(host):
        raise BadRequestError("url must not be an IP address")
    if host == "localhost" or host.endswith(_RESERVED):
        raise BadRequestError("url must not be a reserved host")
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):  # the latter for a name that no host can have
        raise BadRequestError("url host could not be resolved") from None
    if any(not ipaddress.ip_address(str(info[4][0])).is_global for info in found):
        raise BadRequestError("url must not resolve to a private address")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
