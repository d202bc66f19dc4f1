"""Open Finance consents: granted at the bank, withdrawn there, with or without an end (Pluggy facts 5.8, 8)."""

from datetime import datetime, timedelta

from pluggy_sandbox.catalogue.logins import ALONE, REJECTED
from pluggy_sandbox.catalogue.outcomes import ExecutionFailedError
from pluggy_sandbox.lifecycle import collection
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso, iso_or_none, parse_instant

PERMISSIONS = (
    "REGISTRATION_ALL", "ACCOUNTS_ALL", "CREDIT_CARDS_ALL", "CREDIT_OPERATIONS_ALL", "INVESTMENTS_ALL", "EXCHANGES_ALL"
)  # fmt: skip


def living(item: Item, now: datetime) -> Json | None:
    """Return the consent that lets Pluggy read, or None where there is none any more."""
    return next((c for c in item.authorization.consents if c["revokedAt"] is None and not _is_over(c, now)), None)


def grant(world: World, item: Item) -> None:
    """Give a new consent; with `consentDays` it has an end."""
    at = item.stamp(world.clock.now)
    days = world.settings.consent_days
    item.authorization.expires_at = at + timedelta(days=days) if days else None
    item.authorization.consents.insert(
        0,
        {
            "id": world.ids.of("consent", item.id, len(item.authorization.consents)),
            "itemId": item.id,
            "products": list(item.options.products),
            "openFinancePermissionsGranted": list(PERMISSIONS),
            "createdAt": iso(at),
            "expiresAt": iso_or_none(item.authorization.expires_at),
            "revokedAt": None,
        },
    )
    item.authorization.is_revoked, item.authorization.pending_since = False, None
    set_end(world, item)


def set_end(world: World, item: Item) -> None:
    """Let the newest consent end when its time is over."""
    if item.authorization.expires_at is not None:
        world.clock.at(item.authorization.expires_at, lambda: _end(world, item))


def revoke(world: World, item: Item) -> None:
    """Withdraw what was given: data is hidden now, and the next execution fails."""
    at = item.stamp(world.clock.now)
    for consent in item.authorization.consents:
        consent["revokedAt"] = consent["revokedAt"] or iso(at)
    item.authorization.is_revoked, item.authorization.approved_at = True, None


def check_approvers(world: World, item: Item, approvers: str) -> None:
    """
    Wait for the other holders where an account has several (*múltipla alçada*).

    Raises:
        ExecutionFailedError: they have not answered yet, or have refused.
    """
    if approvers == ALONE:
        return
    now, wait_seconds = world.clock.now, world.settings.authorization_pending_seconds
    if item.authorization.pending_since is None:
        item.authorization.pending_since = now
        collection.waits_for_approvers(world, item)
        raise ExecutionFailedError("USER_AUTHORIZATION_PENDING", waits_seconds=wait_seconds)
    answered_at = item.authorization.pending_since + timedelta(seconds=wait_seconds)
    if item.authorization.approved_at is None and now < answered_at:
        raise ExecutionFailedError("USER_AUTHORIZATION_PENDING")
    if approvers == REJECTED:
        for consent in item.authorization.consents:
            consent["revokedAt"] = consent["revokedAt"] or iso(now)
        raise ExecutionFailedError("USER_AUTHORIZATION_NOT_GRANTED")


def _is_over(consent: Json, now: datetime) -> bool:
    return consent["expiresAt"] is not None and parse_instant(consent["expiresAt"]) <= now


def _end(world: World, item: Item) -> None:
    if item.authorization.expires_at is not None and item.authorization.expires_at <= world.clock.now:
        item.authorization.is_revoked = living(item, world.clock.now) is None
