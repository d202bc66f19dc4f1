"""
What the product and the operator do with endpoints: make, change, try, resume, and send again.

The API and the command line both call this. Secrets are made here, and shown once.
"""

import base64
import ipaddress
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from pluggy_sync import queue
from pluggy_sync.notifications import addresses, messages
from pluggy_sync.product_client import is_allowed
from pluggy_sync.resources import Resources
from pluggy_sync.store import deliveries, endpoints, outbox
from pluggy_sync.store.endpoints import ENVIRONMENT, Endpoint

log = structlog.get_logger(__name__)

# So long both secrets sign after a rotation.
OVERLAP = timedelta(hours=24)
# For finding the address of a new endpoint.
RESOLVE_S = 3.0
# Deliveries written in one transaction.
BATCH = 5_000


class UnusableError(Exception):
    """What was given cannot be used. *field* names it as the API does; the text says what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class OfSettingsError(Exception):
    """That is set by the operator, in the settings, for the endpoint of the settings."""


def create(
    res: Resources,
    *,
    url: str,
    secret: str | None,
    description: str | None,
    types: Sequence[str] | None,
    enabled: bool,
) -> tuple[Endpoint, str]:
    """
    Make an endpoint; return it and its secret, which is not shown again. *secret*: None lets us make one.

    Raises:
        UnusableError: the address, the secret or a type.
    """
    check_address(res, url)
    _check_types(types)
    chosen = _new_secret() if secret is None else _checked_secret(secret)
    endpoint_id = endpoints.new_id()
    with res.database.begin() as conn:
        # The endpoint of the settings must not lose what comes before the first sweep.
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
        endpoints.add(
            conn,
            endpoint_id=endpoint_id,
            url=url,
            secret=addresses.box(res.settings).seal(chosen).decode(),
            description=description,
            types=types,
            enabled=enabled,
            now=res.now(),
        )
        made = endpoints.existing(conn, endpoint_id)
    log.info("endpoint.created", endpoint_id=endpoint_id)
    return made, chosen


def change(res: Resources, endpoint_id: str, values: dict[str, Any]) -> Endpoint | None:
    """
    Set `url`, `description`, `types` or `enabled`; return the endpoint as it is now; None: there is none.

    Raises:
        UnusableError: the address or a type.
        OfSettingsError: the address of the endpoint of the settings.
    """
    if "url" in values:
        if endpoint_id == ENVIRONMENT:
            raise OfSettingsError
        check_address(res, values["url"])
    _check_types(values.get("types"))
    with res.database.begin() as conn:
        if endpoints.lock(conn, endpoint_id) is None:
            return None
        if values:
            endpoints.change(conn, endpoint_id, **values)
        log.info("endpoint.changed", endpoint_id=endpoint_id, what=sorted(values))
        return endpoints.get(conn, endpoint_id)


def delete(res: Resources, endpoint_id: str) -> bool:
    """
    Delete the endpoint, with what waits for it; return False if there is none.

    Raises:
        OfSettingsError: it is the endpoint of the settings. It can be disabled.
    """
    if endpoint_id == ENVIRONMENT:
        raise OfSettingsError
    with res.database.begin() as conn:
        deleted = endpoints.delete(conn, endpoint_id, now=res.now())
    if deleted:
        log.info("endpoint.deleted", endpoint_id=endpoint_id)
    return deleted


def rotate_secret(res: Resources, endpoint_id: str, secret: str | None) -> tuple[Endpoint, str] | None:
    """
    Give the endpoint a new secret; return it and the secret; None: there is no such endpoint.

    The one before signs too, for a day. *secret*: None lets us make one.

    Raises:
        UnusableError: the secret.
        OfSettingsError: it is the endpoint of the settings.
    """
    if endpoint_id == ENVIRONMENT:
        raise OfSettingsError
    chosen = _new_secret() if secret is None else _checked_secret(secret)
    with res.database.begin() as conn:
        endpoint = endpoints.lock(conn, endpoint_id)
        if endpoint is None:
            return None
        endpoints.change(
            conn,
            endpoint_id,
            secret=addresses.box(res.settings).seal(chosen).decode(),
            previous_secret=endpoint.secret,
            previous_secret_until=res.now() + OVERLAP,
        )
        rotated = endpoints.existing(conn, endpoint_id)
    log.info("endpoint.secret_rotated", endpoint_id=endpoint_id)
    return rotated, chosen


def resume(res: Resources, endpoint_id: str) -> Endpoint | None:
    """Send to a stopped endpoint again, from now on, all that waits for it; return it; None: there is none."""
    with res.begin() as tx:
        if endpoints.lock(tx.conn, endpoint_id) is None:
            return None
        if endpoints.resume(tx.conn, endpoint_id):
            deliveries.try_all_anew(tx.conn, endpoint_id, now=res.now())
            log.info("endpoint.resumed", endpoint_id=endpoint_id)
        return endpoints.get(tx.conn, endpoint_id)


def ping(res: Resources, endpoint_id: str) -> str | None:
    """Send the endpoint `endpoint.ping`; return the id of the notification; None: there is no such endpoint."""
    with res.begin() as tx:
        endpoint = endpoints.get(tx.conn, endpoint_id)
        return None if endpoint is None else messages.endpoint_ping(tx, endpoint, now=res.now())


def resend(res: Resources, notification_id: str, *, endpoint_id: str | None = None) -> Sequence[str] | None:
    """
    Deliver a notification now, with the same id, whatever became of it; None: there is no such notification.

    Return the endpoints that it goes to: those that it was for, or *endpoint_id* alone, whatever that one wants.
    """
    now = res.now()
    with res.begin() as tx:
        notification = outbox.get(tx.conn, notification_id)
        if notification is None:
            return None
        sent = deliveries.redrive(tx.conn, notification_id, endpoint_id=endpoint_id, now=now)
        if not sent and endpoint_id is not None and endpoints.get(tx.conn, endpoint_id) is not None:
            sent = [
                deliveries.add(
                    tx.conn,
                    endpoint_id=endpoint_id,
                    notification_id=notification_id,
                    item_id=notification.item_id,
                    sequence=notification.sequence,
                    due_at=now,
                    now=notification.created_at,
                )
            ]
        task = queue.DELIVER_URGENT if notification.type in messages.URGENT else queue.DELIVER
        for delivery_id in sent:
            tx.after_commit(task, str(delivery_id))
        of_each = [deliveries.endpoint_of(tx.conn, each) for each in sent]
    return sorted(each for each in of_each if each is not None)


def resend_range(res: Resources, *, only_dead: bool, since: datetime, until: datetime, endpoint_id: str | None) -> int:
    """Make due again what was written in [since, until) and is not pending; return how many deliveries."""
    total, after = 0, 0
    while True:
        with res.database.begin() as conn:
            done = deliveries.redrive_range(
                conn,
                only_dead=only_dead,
                since=since,
                until=until,
                endpoint_id=endpoint_id,
                # What was redriven may be delivered by the next round: it is not sent over and over.
                after=after,
                now=res.now(),
                limit=BATCH,
            )
        total += len(done)
        if len(done) < BATCH:
            return total
        after = max(done)


def recover(res: Resources, endpoint_id: str, *, since: datetime) -> int | None:
    """
    Deliver what was written since *since* and the endpoint did not get; return how many; None: there is none such.

    That is what was given up, and what was written while it did not exist, was disabled, or had another filter.
    """
    now = res.now()
    with res.database.begin() as conn:
        endpoint = endpoints.get(conn, endpoint_id)
    if endpoint is None:
        return None
    total = resend_range(res, only_dead=True, since=since, until=now, endpoint_id=endpoint_id)
    while True:
        with res.database.begin() as conn:
            done = deliveries.recover(
                conn, endpoint_id, types=endpoint.types, since=since, until=now, now=now, limit=BATCH
            )
        total += done
        if done < BATCH:
            log.info("endpoint.recovered", endpoint_id=endpoint_id, deliveries=total)
            return total


def count_recoverable(res: Resources, endpoint_id: str, *, since: datetime, at_most: int) -> int | None:
    """Return how many deliveries `recover` would make; None: there is no such endpoint. Counting stops at *at_most*."""
    with res.database.begin() as conn:
        endpoint = endpoints.get(conn, endpoint_id)
        if endpoint is None:
            return None
        now = res.now()
        dead = deliveries.count_range(
            conn, only_dead=True, since=since, until=now, endpoint_id=endpoint_id, at_most=at_most
        )
        missing = deliveries.count_missing(
            conn, endpoint_id, types=endpoint.types, since=since, until=now, at_most=at_most
        )
    return min(dead + missing, at_most)


def check_address(res: Resources, url: str) -> None:
    """
    Check that an endpoint may be at *url*: each delivery checks again where it connects to.

    Raises:
        UnusableError: it may not.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UnusableError("url", "Not a valid URL.") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise UnusableError("url", "Must be an http or https address.")
    if parts.username is not None or parts.fragment:
        raise UnusableError("url", "Must have no user and no #.")
    try:
        found = res.product.addresses_of(host, timeout_s=RESOLVE_S)
    except (OSError, UnicodeError):
        raise UnusableError("url", "Its host has no address just now.") from None
    allowed = res.settings.endpoint_allowed_networks
    if not found or not all(is_allowed(each, allowed) for each in found):
        raise UnusableError("url", "Its host is at an address that is not public (ENDPOINT_ALLOWED_NETWORKS).")
    if parts.scheme == "http" and not all(_is_inside(each, allowed) for each in found):
        raise UnusableError("url", "Must start with https://, unless it is in ENDPOINT_ALLOWED_NETWORKS.")


def _is_inside(address: str, networks: Sequence[addresses.Network]) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return any(ip in network for network in networks)


def _check_types(types: Sequence[str] | None) -> None:
    unknown = sorted(set(types or ()) - set(messages.TYPES))
    if unknown or (types is not None and not types):
        raise UnusableError("types", "Must be types of notifications: " + ", ".join(messages.TYPES) + ".")


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def _checked_secret(secret: str) -> str:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < 16:
        raise UnusableError("secret", "Must be whsec_ and base64 of at least 16 bytes.")
    return secret
