"""The addresses of the person's page: signed, expiring, each bound to one action."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, URLSafeTimedSerializer

# How long a link lives when its action has no deadline of its own.
PAGE_LINK_LIFE_S = 7 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class PageLink:
    """What a link opens, and until when."""

    action_id: str
    ends_at: datetime


class PageLinks:
    """Makes and reads the addresses of the person's page: signed, expiring, bound to one action."""

    def __init__(self, secret_key: str, public_url: str, *, previous: Sequence[str] = ()) -> None:
        """Sign with *secret_key*; links that one of the *previous* keys has signed still open."""
        # The library signs with the last one.
        self._serializer = URLSafeTimedSerializer([*previous, secret_key], salt="person's page")
        self._public_url = public_url

    def to(self, action_id: str) -> str:
        """Return the address of the page on which a person settles the action."""
        return f"{self._public_url}/act/{self.token(action_id)}"

    def token(self, action_id: str) -> str:
        """Return the part of the address that names the action and proves that we made it."""
        return str(self._serializer.dumps(action_id))

    def following(self, link: PageLink, action_id: str) -> str:
        """
        Return the token of the action that takes the place of that of *link*.

        It ends when *link* does: a link that leaked must not lead to new ones for ever.
        """
        return str(self._serializer.dumps([action_id, int(link.ends_at.timestamp())]))

    def end_of_link(self, made_at: datetime) -> datetime:
        """Return until when a link made at *made_at* opens the page."""
        return made_at + timedelta(seconds=PAGE_LINK_LIFE_S)

    def read(self, token: str) -> PageLink | None:
        """Return what *token* opens, or None if it is not ours or too old."""
        try:
            value, made_at = self._serializer.loads(token, max_age=PAGE_LINK_LIFE_S, return_timestamp=True)
        except BadSignature:
            return None
        match value:
            case str():
                return PageLink(action_id=value, ends_at=self.end_of_link(made_at))
            case [str(action_id), int(end)]:
                ends_at = datetime.fromtimestamp(end, UTC)
                return PageLink(action_id=action_id, ends_at=ends_at) if datetime.now(UTC) < ends_at else None
            case _:
                return None
