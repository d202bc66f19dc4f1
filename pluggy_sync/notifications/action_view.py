"""A user action as products see it (product contract), in notifications and in the API alike."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from pluggy_sync.api import wire
from pluggy_sync.notifications.texts import Text, texts_of

# How long a link lives when its action has no deadline of its own.
PAGE_LINK_LIFE_S = 7 * 24 * 3600

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


class PageLinks:
    """Makes and reads the addresses of the person's page: signed, expiring, bound to one action."""

    def __init__(self, secret_key: str, public_url: str) -> None:
        self._serializer = URLSafeTimedSerializer(secret_key, salt="person's page")
        self._public_url = public_url

    def to(self, action_id: str) -> str:
        """Return the address of the page on which a person settles the action."""
        return f"{self._public_url}/act/{self.token(action_id)}"

    def token(self, action_id: str) -> str:
        """Return the part of the address that names the action and proves that we made it."""
        return str(self._serializer.dumps(action_id))

    def end_of_link(self, made_at: datetime) -> datetime:
        """Return until when a link made at *made_at* opens the page."""
        return made_at + timedelta(seconds=PAGE_LINK_LIFE_S)

    def read(self, token: str) -> str | None:
        """Return the action id that *token* was made for, or None if it is not ours or too old."""
        try:
            action_id = self._serializer.loads(token, max_age=PAGE_LINK_LIFE_S)
        except (BadSignature, SignatureExpired):
            return None
        return action_id if isinstance(action_id, str) else None


def of_row(action: sa.Row[Any], links: PageLinks) -> dict[str, Any]:
    """Return the action as the contract shows it."""
    texts = texts_of(action.kind, action.reason, asked=(action.parameter or {}).get("type"))
    settled = action.state not in ("open", "submitted")
    return {
        "id": action.id,
        "itemId": action.item_id,
        "clientUserId": action.client_user_id,
        "kind": action.kind,
        "reason": action.reason,
        "state": action.state,
        "text": {"pt": _text(texts.pt), "en": _text(texts.en)},
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


def _text(text: Text) -> dict[str, str]:
    return {"title": text.title, "body": text.body}


def _parameter(parameter: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what a form needs of the parameter; `options` and `data` are null when there are none."""
    if parameter is None:
        return None
    return {name: parameter.get(name) for name in _PARAMETER_FIELDS}
