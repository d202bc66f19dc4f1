"""
What is new in Pluggy's objects: top-level fields and values of enums that the facts do not have (Pluggy facts 3.1, 3.2,
5.2, 5.5, 13.3).

Nothing is refused because of it: enums are open and payloads grow. An operator is told, and can look it up.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIELD, VALUE = "unknown_field", "unknown_value"
# A name of a field or a code of an enum. Anything else could be a text of a bank.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
UNREADABLE = "(not a plain name)"

_RUNNING = (
    "CREATING CREATED LOGIN_IN_PROGRESS WAITING_USER_INPUT WAITING_USER_ACTION LOGIN_MFA_IN_PROGRESS "
    "ACCOUNTS_IN_PROGRESS CREDITCARDS_IN_PROGRESS TRANSACTIONS_IN_PROGRESS INVESTMENTS_IN_PROGRESS "
    "INVESTMENTS_TRANSACTIONS_IN_PROGRESS INVESTMENT_TRANSACTIONS_IN_PROGRESS PAYMENT_DATA_IN_PROGRESS "
    "IDENTITY_IN_PROGRESS LOANS_IN_PROGRESS ACCOUNT_STATEMENTS_IN_PROGRESS MOVE_SECURITY_IN_PROGRESS "
    "BROKERAGE_NOTE_IN_PROGRESS OPPORTUNITIES_IN_PROGRESS MERGING FINISHED"
)
_ENDED = (
    "SUCCESS PARTIAL_SUCCESS CREATE_ERROR ERROR UNEXPECTED_ERROR MERGE_ERROR INVALID_CREDENTIALS "
    "INVALID_CREDENTIALS_MFA ALREADY_LOGGED_IN SITE_NOT_AVAILABLE CONNECTION_ERROR ACCOUNT_LOCKED "
    "ACCOUNT_NEEDS_ACTION ACCOUNT_CREDENTIALS_RESET USER_NOT_SUPPORTED USER_INPUT_TIMEOUT "
    "USER_AUTHORIZATION_PENDING USER_AUTHORIZATION_NOT_GRANTED USER_AUTHORIZATION_REVOKED"
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one kind of object: its fields, and the values of those that are enums."""

    fields: frozenset[str]
    values: Mapping[str, frozenset[str]]


def _known(fields: str, **values: str) -> Known:
    return Known(
        fields=frozenset(fields.split()), values={name: frozenset(each.split()) for name, each in values.items()}
    )


ITEM = _known(
    "id connector status executionStatus statusDetail error parameter userAction products createdAt updatedAt "
    "lastUpdatedAt nextAutoSyncAt autoSyncDisabledAt consentExpiresAt consecutiveFailedLoginAttempts webhookUrl "
    "clientUserId oauthRedirectUri resourcesCollectedAt hasResourcesPendingAuthorization",
    status="UPDATING MERGING WAITING_USER_INPUT WAITING_USER_ACTION UPDATED LOGIN_ERROR OUTDATED",
    executionStatus=f"{_RUNNING} {_ENDED}",
)
ACCOUNT = _known(
    "id itemId type subtype number name marketingName balance currencyCode taxNumber owner bankData creditData "
    "createdAt updatedAt",
    type="BANK CREDIT",
    subtype="CHECKING_ACCOUNT CHECKINGS_ACCOUNT SAVINGS_ACCOUNT CREDIT_CARD",
)
TRANSACTION = _known(
    "id accountId description descriptionRaw currencyCode amount amountInAccountCurrency date type balance "
    "providerCode providerId status category categoryId operationType operationTypeAdditionalInfo order paymentData "
    "creditCardMetadata merchant createdAt updatedAt",
    type="DEBIT CREDIT",
    status="POSTED PENDING",
)


def of(raw: Mapping[str, Any], known: Known) -> Sequence[tuple[str, str]]:
    """Return what is new in *raw*: pairs of FIELD and its name, or VALUE and `field=value`."""
    fields = [(FIELD, _plain(name)) for name in raw if name not in known.fields]
    values = [
        (VALUE, f"{name}={_plain(raw[name])}")
        for name, values in known.values.items()
        if isinstance(raw.get(name), str) and raw[name] not in values
    ]
    return [*fields, *values]


def _plain(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else UNREADABLE
