"""The addresses of the person's page: signed, expiring, each bound to one action."""

from datetime import datetime, timedelta

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

# How long a link lives when its action has no deadline of its own.
PAGE_LINK_LIFE_S = 7 * 24 * 3600


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
