"""Open Finance consents: granted at the bank, withdrawn there, with or without an end (Pluggy facts 5.8, 8)."""

from datetime import datetime, timedelta

from pluggy_sandbox import collecting
from pluggy_sandbox.encoding import Json
from pluggy_sandbox.instants import iso, iso_or_none, parse_instant
from pluggy_sandbox.items import Item
from pluggy_sandbox.logins import ALONE, REJECTED
from pluggy_sandbox.outcomes import RunFailedError
from pluggy_sandbox.world import World

PERMISSIONS = (
    "REGISTRATION_ALL", "ACCOUNTS_ALL", "CREDIT_CARDS_ALL", "CREDIT_OPERATIONS_ALL", "INVESTMENTS_ALL", "EXCHANGES_ALL"
)  # fmt: skip


def living(item: Item, now: datetime) -> Json | None:
    """Return the consent that lets Pluggy read, or None where there is none any more."""
    return next((c for c in item.consents if c["revokedAt"] is None and not _is_over(c, now)), None)


def grant(world: World, item: Item) -> None:
    """Give a new consent; with `consentDays` it has an end."""
    at = item.stamp(world.clock.now)
    days = world.settings.consent_days
    item.consent_expires_at = at + timedelta(days=days) if days else None
    item.consents.insert(
        0,
        {
            "id": world.ids.of("consent", item.id, len(item.consents)),
            "itemId": item.id,
            "products": list(item.products),
            "openFinancePermissionsGranted": list(PERMISSIONS),
            "createdAt": iso(at),
            "expiresAt": iso_or_none(item.consent_expires_at),
            "revokedAt": None,
        },
    )
    item.is_revoked, item.pending_since = False, None
    if item.consent_expires_at is not None:
        world.clock.at(item.consent_expires_at, lambda: _end(world, item))


def revoke(world: World, item: Item) -> None:
    """Withdraw what was given: data is hidden now, and the next run fails."""
    at = item.stamp(world.clock.now)
    for consent in item.consents:
        consent["revokedAt"] = consent["revokedAt"] or iso(at)
    item.is_revoked, item.approved_at = True, None


def check_approvers(item: Item, approvers: str, now: datetime, wait_seconds: float) -> None:
    """
    Wait for the other holders where an account has several (*múltipla alçada*).

    Raises:
        RunFailedError: they have not answered yet, or have refused.
    """
    if approvers == ALONE:
        return
    if item.pending_since is None:
        item.pending_since = now
        collecting.waits_for_approvers(item)
        raise RunFailedError("USER_AUTHORIZATION_PENDING", waits_seconds=wait_seconds)
    if now < item.pending_since + timedelta(seconds=wait_seconds) and item.approved_at is None:
        raise RunFailedError("USER_AUTHORIZATION_PENDING")
    if approvers == REJECTED:
        for consent in item.consents:
            consent["revokedAt"] = consent["revokedAt"] or iso(now)
        raise RunFailedError("USER_AUTHORIZATION_NOT_GRANTED")


def _is_over(consent: Json, now: datetime) -> bool:
    return consent["expiresAt"] is not None and parse_instant(consent["expiresAt"]) <= now


def _end(world: World, item: Item) -> None:
    if item.consent_expires_at is not None and item.consent_expires_at <= world.clock.now:
        item.is_revoked = living(item, world.clock.now) is None
