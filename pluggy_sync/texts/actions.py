"""
Which texts say what an action asks of a person. Plain words, no codes.

Tests: `texts/test_actions.py`.
"""

from collections.abc import Mapping
from datetime import datetime

from pluggy_sync.texts.catalogue import Language, Text

# A reason that is new to us gets the words of its kind.
_OF_KIND: Mapping[str, str] = {
    "mfa": "WAITING_USER_INPUT",
    "authorize": "WAITING_USER_ACTION",
    "credentials": "INVALID_CREDENTIALS",
    "consent": "USER_AUTHORIZATION_REVOKED",
    "bank": "ACCOUNT_NEEDS_ACTION",
}

_OF_REASON = frozenset(
    {
        *_OF_KIND.values(),
        "RESOURCES_PENDING_AUTHORIZATION",
        "INVALID_CREDENTIALS_MFA",
        "USER_INPUT_TIMEOUT",
        "USER_AUTHORIZATION_NOT_GRANTED",
        "UPDATE_NEEDS_PERSON",
        "USER_AUTHORIZATION_PENDING",
        "ACCOUNT_LOCKED",
        "ACCOUNT_CREDENTIALS_RESET",
        "USER_NOT_SUPPORTED",
    }
)


def text_of(
    language: Language, kind: str, reason: str, *, asked: str | None = None, ends_at: datetime | None = None
) -> Text:
    """
    Return the words for an action of *kind*.

    *asked*: the type of the parameter that the bank asks for, None when it asks for none. *ends_at*: the action's
    deadline, by which the renewal of a consent says its day.
    """
    if reason == "WAITING_USER_INPUT":
        # The same code can ask for different things. In Open Finance by API it is an address of the bank
        # (Pluggy facts 8).
        if asked == "select":
            return language.action("CHOICE")
        if kind == "authorize":
            return language.action("AUTHORIZE_AT_BANK")
    if reason == "CONSENT_EXPIRING" and ends_at is not None:
        return language.action("CONSENT_EXPIRING", date=language.date(ends_at))
    return language.action(reason if reason in _OF_REASON else _OF_KIND[kind])
