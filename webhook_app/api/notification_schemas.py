"""
The notifications as the document describes them: `webhooks`, one for each type of `pluggy_sync/notifications`.

Tests: `api/test_document.py`. Every notification that a test writes or gets is compared with these.
"""

from collections.abc import Mapping
from typing import Any

from pluggy_sync.notifications import messages
from pluggy_sync.rules.alerts import Code
from pluggy_sync.rules.sync_plan import Reason
from webhook_app.api.pluggy_objects import Schema, component

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_INSTANT_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _object(properties: Mapping[str, Schema], description: str = "") -> Schema:
    said = {"description": description} if description else {}
    return {"type": "object", "required": [*properties], "properties": dict(properties), **said}


_SETTLED = _object({"id": _TEXT, "kind": _TEXT, "outcome": _TEXT_OR_NULL})
_RUN = _object(
    {
        "id": _TEXT,
        "trigger": _described(_TEXT, "Name of the event that made it due"),
        "window": _object({"from": {"type": ["string", "null"], "format": "date"}, "to": _INSTANT_OR_NULL}),
        "added": _COUNT,
        "modified": _COUNT,
        "removed": _COUNT,
    }
)
_INCOMPLETE = _object(
    {
        "product": _TEXT,
        "accountId": _TEXT_OR_NULL,
        "reason": {"type": "string", "enum": list(Reason)},
        "detail": _TEXT,
    }
)

# Its `data` beside `itemId`, `clientUserId` and `sequence`; what it says in one line, and what the product does.
_OF_ITEM: Mapping[str, tuple[Mapping[str, Schema], str, str]] = {
    messages.ACTION_REQUIRED: (
        {"action": component("Action")},
        "A person must act",
        "Lead the person to `action.pageUrl`, or ask them on a screen of your own.",
    ),
    messages.ACTION_REMINDER: (
        {"action": component("Action"), "number": _described(_COUNT, "1 for the first reminder")},
        "A person has not acted yet",
        "Ask the person again.",
    ),
    messages.ACTION_RESOLVED: ({"action": _SETTLED}, "A person has acted, and it helped", "Stop asking."),
    messages.ACTION_EXPIRED: (
        {"action": _SETTLED},
        "The time to act is over",
        "Stop asking. If it is still needed, another action follows.",
    ),
    messages.SYNCED: (
        {
            "run": _RUN,
            "cursor": _described(_TEXT, "Read the changes from here"),
            "incomplete": {
                "type": "array",
                "items": _INCOMPLETE,
                "description": "What could not be read. It is tried again",
            },
        },
        "New data is stored",
        "Read the changes of the Item's transactions from `cursor`.",
    ),
    messages.SYNC_FAILED: (
        {
            "run": _object({"id": _TEXT, "error": _TEXT_OR_NULL}),
            "willRetryAt": _described(_INSTANT_OR_NULL, "null: with the next event only"),
        },
        "A sync failed",
        "Nothing. It is tried again.",
    ),
    messages.STALE: (
        {
            "status": _TEXT_OR_NULL,
            "reason": _TEXT_OR_NULL,
            "lastUpdatedAt": _INSTANT_OR_NULL,
            "nextAutoSyncAt": _INSTANT_OR_NULL,
        },
        "The data is older than it should be",
        "Show the person how old it is.",
    ),
    messages.CONSENT_EXPIRING: (
        {
            "consentExpiresAt": _INSTANT_OR_NULL,
            "daysLeft": {"type": "integer"},
            "action": component("Action"),
        },
        "The person's consent ends soon",
        "Ask the person to renew it.",
    ),
    messages.BANK_BACK: (
        {
            "connectorId": {"type": "integer"},
            "name": _TEXT_OR_NULL,
            "incident": _object({"type": _TEXT_OR_NULL, "since": _INSTANT_OR_NULL, "until": _INSTANT_OR_NULL}),
        },
        "The bank is back after an incident that hit this Item",
        "Tell the person that their bank works again. It is told once, and never at night.",
    ),
    messages.REPLACED: (
        {
            "by": _described(_TEXT, "The Item that brings the same accounts from now on"),
            "accounts": {"type": "array", "items": _object({"old": _TEXT, "new": _TEXT})},
        },
        "The person connected the bank anew: another Item brings the accounts",
        "Use the accounts of `by`. With `withPredecessors=true` their transactions have those of the old ones.",
    ),
    messages.REPLACEMENT_UNDONE: (
        {"by": _described(_TEXT, "The Item that was said to bring its accounts")},
        "An operator undid `item.replaced`",
        "Use the accounts of this Item again.",
    ),
    messages.DELETED: (
        {"replacedBy": _described(_TEXT_OR_NULL, "The Item that brings its accounts, as `item.replaced` told")},
        "The Item is gone, and its data here too",
        "Remove what you keep of it. If it was replaced, the history that only it had is read with its successor's.",
    ),
}
_ALERT: Mapping[str, Schema] = {
    "code": {"type": "string", "enum": list(Code)},
    "subject": _described(_TEXT_OR_NULL, "What it is about, where one code may be open for several things"),
    "detail": _TEXT,
    "since": _described(_INSTANT, "When it began, as far as is known"),
}
_OF_NO_ITEM: Mapping[str, tuple[Mapping[str, Schema], str, str]] = {
    messages.CONNECTOR_STATUS_CHANGED: (
        {"connectorId": {"type": "integer"}, "name": _TEXT_OR_NULL, "status": _TEXT_OR_NULL},
        "A bank works, is unstable, or is offline",
        "Tell the persons of that bank, if you like. Nobody is asked anything while it is offline.",
    ),
    messages.ENDPOINT_PING: ({"endpointId": _TEXT}, "An operator or you tried this endpoint", "Nothing."),
    messages.ENDPOINT_DISABLED: (
        {"endpointId": _TEXT, "reason": {"type": "string", "enum": ["gone", "failing"]}},
        "Nothing is sent to another endpoint any more",
        "Mend that endpoint, then resume it: `POST /v1/endpoints/{id}/resume`.",
    ),
    messages.SYSTEM_ALERT: (
        _ALERT,
        "This service, or something that it depends on, is in trouble",
        "Pass it on to whoever operates this service: `code` names the paragraph of its runbook.",
    ),
    messages.SYSTEM_ALERT_CLEARED: (_ALERT, "A trouble is over that `system.alert` told of", "Nothing."),
}
_ABOUT_ITEM: Mapping[str, Schema] = {
    "itemId": {"type": "string"},
    "clientUserId": _described(_TEXT_OR_NULL, "Your id of the person"),
    "sequence": {"type": "integer", "minimum": 1, "description": "Rises per Item"},
}

_HEADERS = (
    ("webhook-id", "The same on every attempt: drop what you have seen."),
    ("webhook-timestamp", "When it was sent, in seconds since 1970."),
    ("webhook-signature", "`v1,` and a signature (Standard Webhooks). Several, while a secret is replaced."),
)
_RESPONSES: Mapping[str, Any] = {
    "2XX": {"description": "Taken. It is not sent again."},
    "410": {"description": "Send nothing more to this endpoint, until an operator resumes it."},
    "default": {"description": "Not taken. It is sent again over three days."},
}


def types() -> list[str]:
    """Return the types of all notifications."""
    return [*_OF_ITEM, *_OF_NO_ITEM]


def component_name(type_: str) -> str:
    """Return the name of the schema of the notifications of *type_*."""
    return "Notification" + "".join(word.capitalize() for word in type_.replace(".", "_").split("_"))


def components() -> dict[str, Schema]:
    """Return the schema of each notification."""
    of_item = {type_: _body(type_, {**_ABOUT_ITEM, **data}) for type_, (data, _, _) in _OF_ITEM.items()}
    others = {type_: _body(type_, data) for type_, (data, _, _) in _OF_NO_ITEM.items()}
    return {component_name(type_): schema for type_, schema in {**of_item, **others}.items()}


def _body(type_: str, data: Mapping[str, Schema]) -> Schema:
    return _object(
        {
            "type": {"type": "string", "const": type_},
            "timestamp": _described(_INSTANT, "When it happened"),
            "data": _object(data),
        }
    )


def webhooks(examples: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `webhooks` of the document; *examples* has a body for each type."""
    parameters = [
        {"name": name, "in": "header", "required": True, "description": said, "schema": {"type": "string"}}
        for name, said in _HEADERS
    ]
    return {
        type_: {
            "post": {
                "operationId": component_name(type_)[0].lower() + component_name(type_)[1:],
                "tags": ["notifications"],
                "summary": said,
                "description": advice,
                "parameters": parameters,
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": component(component_name(type_)),
                            **({"example": examples[type_]} if type_ in examples else {}),
                        }
                    },
                },
                "responses": _RESPONSES,
            }
        }
        for type_, (_, said, advice) in {**_OF_ITEM, **_OF_NO_ITEM}.items()
    }
