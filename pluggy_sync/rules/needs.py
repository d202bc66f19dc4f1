"""What a person must do for an Item, and what makes two reports the same need."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pluggy_sync import wire
from pluggy_sync.pluggy.payloads import Item, Raw
from pluggy_sync.rules.statuses import WAITING, WAITING_USER_ACTION, WAITING_USER_INPUT


class Kind(StrEnum):
    """The kinds of user action that products know (product contract)."""

    MFA = "mfa"  # give a code, a choice, what a picture shows
    AUTHORIZE = "authorize"  # approve on a device, scan a QR code, consent at the bank's page
    CREDENTIALS = "credentials"  # give new credentials
    CONSENT = "consent"  # renew a consent that was refused or withdrawn
    BANK = "bank"  # do something at the bank; nothing to send


# After so many failed logins Pluggy makes a person wait, for so long (Pluggy facts 3.7).
LOGIN_BACKOFF = timedelta(minutes=15)
MAX_FAILED_LOGINS = 2

# The key stands in an index, which takes some 2,700 bytes. Pluggy does not bound a question's name.
MAX_DEDUP_KEY_LENGTH = 500

# Requested while the Item is healthy. Updates still work.
CONSENT_EXPIRING = "CONSENT_EXPIRING"
UPDATE_NEEDS_PERSON = "UPDATE_NEEDS_PERSON"
RESOURCES_PENDING = "RESOURCES_PENDING_AUTHORIZATION"
NOT_BLOCKING = frozenset({CONSENT_EXPIRING, UPDATE_NEEDS_PERSON, RESOURCES_PENDING})
# These stay true whatever else is asked of the person.
LASTING = frozenset({CONSENT_EXPIRING, RESOURCES_PENDING})


def blocks_updates(reason: str) -> bool:
    """Return whether an Item cannot be updated until a person has done what an action with *reason* asks."""
    return reason not in NOT_BLOCKING


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that a person must do. `dedup_key` is equal for two reports of one need."""

    kind: Kind
    reason: str
    dedup_key: str
    parameter: Raw | None = None
    user_action: Raw | None = None
    provider_message: str | None = None
    # None: no deadline.
    expires_at: datetime | None = None
    # Not to be tried before; None: at once.
    retry_at: datetime | None = None


def need_of(item: Item, kind: Kind) -> Need:
    """Return the need of *kind* that *item*, stopped, shows."""
    waiting = item.status in WAITING
    reason = item.status if waiting else item.execution_status or item.status
    asked = item.parameter if item.status == WAITING_USER_INPUT else None
    act = item.user_action if item.status == WAITING_USER_ACTION else None
    return Need(
        kind=kind,
        reason=reason,
        dedup_key=_dedup_key(kind, reason, asked, act),
        parameter=parameter_of_login(item) if kind is Kind.MFA and not waiting else asked,
        user_action=act,
        provider_message=item.provider_message,
        expires_at=_deadline(asked or act),
        retry_at=_retry_at(item) if kind is Kind.CREDENTIALS else None,
    )


def code_to_update(item: Item) -> Need:
    """Return the need of an Item that is healthy but cannot be updated without its person."""
    return Need(
        kind=Kind.MFA,
        reason=UPDATE_NEEDS_PERSON,
        dedup_key=_dedup_key(Kind.MFA, UPDATE_NEEDS_PERSON, None, None),
        parameter=parameter_of_login(item),
    )


def renewal_of_consent(ends_at: datetime) -> Need:
    """Return the need to renew a consent that ends at *ends_at*. Another end is another need."""
    key = _dedup_key(Kind.CONSENT, CONSENT_EXPIRING, None, None)
    return Need(
        kind=Kind.CONSENT,
        reason=CONSENT_EXPIRING,
        dedup_key=f"{key}:{ends_at.isoformat()}",
        expires_at=ends_at,
    )


def approval_of_resources() -> Need:
    """Return the need of an Item that is healthy, of which somebody must still approve a part at the bank."""
    return Need(
        kind=Kind.AUTHORIZE,
        reason=RESOURCES_PENDING,
        dedup_key=_dedup_key(Kind.AUTHORIZE, RESOURCES_PENDING, None, None),
    )


def parameter_of_login(item: Item) -> Raw | None:
    """Return the credential that each execution needs anew; None: the bank asks during the execution."""
    return next((credential for credential in item.connector.credentials if credential.get("mfa")), None)


def _retry_at(item: Item) -> datetime | None:
    """Return until when Pluggy takes no credentials because two logins in a row failed (Pluggy facts 3.7)."""
    failed = item.raw.get("consecutiveFailedLoginAttempts")
    if not isinstance(failed, int) or failed < MAX_FAILED_LOGINS or item.updated_at is None:
        return None
    return item.updated_at + LOGIN_BACKOFF


def _deadline(asked: Raw | None) -> datetime | None:
    try:
        return wire.instant((asked or {}).get("expiresAt"))
    except (ValueError, TypeError, OverflowError):
        return None


def _dedup_key(kind: Kind, reason: str, asked: Raw | None, act: Raw | None) -> str:
    """
    Return the identity of a need.

    A question is another one when it has another name or deadline. A QR code rotates: its picture and its deadline do
    not count. A key that would be too long ends with a digest.
    """
    parts: list[Any] = [kind.value, reason]
    if asked is not None:
        parts += [asked.get("name"), asked.get("expiresAt")]
    if act is not None:
        parts.append(act.get("type"))
    key = ":".join(str(part) for part in parts)
    if len(key) <= MAX_DEDUP_KEY_LENGTH:
        return key
    return f"{kind.value}:{reason}:sha256:{hashlib.sha256(key.encode()).hexdigest()}"
