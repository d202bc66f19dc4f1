"""
What an operator sees of a payload: its shape, its ids and codes, and of everything else only what kind of value it is.

What is shown is named here. Whatever Pluggy adds tomorrow is not shown until somebody names it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# What an id, a code and a moment look like. A field that is shown may still hold any text.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]{2,4}_[A-Za-z0-9_-]{8,64}|[0-9]{1,19}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?")
# Such as LOGIN_ERROR, item/updated, item.synced, and the words of the product contract.
_CODE = re.compile(
    r"[A-Z][A-Z0-9_]{1,63}|[a-z_]{1,30}[/.][a-z_]{1,40}|mfa|authorize|credentials|consent|bank|open|submitted|resolved"
    r"|expired|superseded|reconciliation"
)
_FORMS = {
    **dict.fromkeys(
        ("eventId", "id", "itemId", "accountId", "connectorId", "transactionIds", "clientId", "endpointId", "cursor"),
        _ID,
    ),
    **dict.fromkeys(("event", "type", "status", "executionStatus", "triggeredBy", "trigger", "kind", "reason"), _CODE),
    **dict.fromkeys(("state", "outcome", "code"), _CODE),
    **dict.fromkeys(("timestamp", "createdAt", "updatedAt", "expiresAt", "settledAt", "lastUpdatedAt"), _MOMENT),
    **dict.fromkeys(("nextAutoSyncAt", "consentExpiresAt", "transactionsCreatedAtFrom", "willRetryAt"), _MOMENT),
    **dict.fromkeys(("from", "to", "since"), _MOMENT),
}
# Counts.
_NUMBERS = frozenset({"sequence", "number", "added", "modified", "removed", "daysLeft"})
# As a name of a field, not as a text of somebody.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MOST_SHOWN = 20
_DEEPEST = 8


def redacted(payload: Any, *, depth: int = 0) -> Any:
    """Return *payload* with only ids, codes and moments in it; other values as their kind, such as `‹text of 12›`."""
    if depth >= _DEEPEST:
        return "‹deeper›"
    if isinstance(payload, Mapping):
        return {_name(name): _value(name, value, depth) for name, value in payload.items()}
    if isinstance(payload, Sequence) and not isinstance(payload, str):
        return _some([redacted(each, depth=depth + 1) for each in payload[:_MOST_SHOWN]], len(payload))
    return _kind(payload)


def _name(name: object) -> str:
    text = str(name)
    return text if _NAME.fullmatch(text) else "‹name›"


def _value(name: object, value: Any, depth: int) -> Any:
    if isinstance(value, Mapping) or (name not in _FORMS and name not in _NUMBERS):
        return redacted(value, depth=depth + 1)
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = [each if _is_shown(name, each) else redacted(each, depth=depth + 1) for each in value[:_MOST_SHOWN]]
        return _some(shown, len(value))
    return value if _is_shown(name, value) else _kind(value)


def _is_shown(name: object, value: Any) -> bool:
    if isinstance(value, str):
        return name in _FORMS and bool(_FORMS[str(name)].fullmatch(value))
    return isinstance(value, int) and (name in _NUMBERS or _FORMS.get(str(name)) is _ID)


def _kind(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    return f"‹text of {len(value)}›" if isinstance(value, str) else "‹number›"


def _some(shown: list[Any], number: int) -> list[Any]:
    return shown if number <= _MOST_SHOWN else [*shown, f"‹{number - _MOST_SHOWN} more›"]
