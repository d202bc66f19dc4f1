"""A user action as products see it (product contract), in notifications and in the API alike."""

from typing import Any

from pluggy_sync import wire
from pluggy_sync.page_links import PageLinks
from pluggy_sync.rules.action_states import UNSETTLED
from pluggy_sync.store.user_actions import Action
from pluggy_sync.texts.actions import text_of
from pluggy_sync.texts.catalogue import Language, Texts

_PARAMETER_FIELDS = (
    "name",
    "type",
    "label",
    "placeholder",
    "assistiveText",
    "instructions",
    "options",
    "data",
    "validation",
    "validationMessage",
)


def of_row(action: Action, links: PageLinks, texts: Texts) -> dict[str, Any]:
    """Return the action as the contract shows it."""
    settled = action.state not in UNSETTLED
    return {
        "id": action.id,
        "itemId": action.item_id,
        "clientUserId": action.client_user_id,
        "kind": action.kind,
        "reason": action.reason,
        "state": action.state,
        "text": {"pt": _text(texts.pt, action), "en": _text(texts.en, action)},
        "providerMessage": action.provider_message,
        "parameter": _parameter(action.parameter),
        "userAction": action.user_action,
        "expiresAt": wire.to_text(action.expires_at),
        "retryAt": wire.to_text(action.retry_at),
        "pageUrl": None if settled else links.to(action.id),
        "createdAt": wire.to_text(action.created_at),
        "submittedAt": wire.to_text(action.submitted_at),
        "settledAt": wire.to_text(action.settled_at),
        "outcome": action.outcome,
        "attempts": action.attempts,
    }


def _text(language: Language, action: Action) -> dict[str, str]:
    asked = (action.parameter or {}).get("type")
    text = text_of(language, action.kind, action.reason, asked=asked, ends_at=action.expires_at)
    return {"title": text.title, "body": text.body}


def _parameter(parameter: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what a form needs of the parameter; `options` and `data` are null when there are none."""
    if parameter is None:
        return None
    return {name: parameter.get(name) for name in _PARAMETER_FIELDS}
