"""The addresses of the person's page: signed, expiring, each bound to one action."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

# How long a link lives when its action has no deadline of its own.
PAGE_LINK_LIFE_S = 7 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class PageLink:
    """What a link opens, and until when; `return_url`: where it leads back to, None if the product did not say."""

    action_id: str
    ends_at: datetime
    return_url: str | None = None


class PageLinks:
    """Makes and reads the addresses of the person's page: signed, expiring, bound to one action."""

    def __init__(self, secret_key: str, public_url: str, *, previous: Sequence[str] = ()) -> None:
        """Sign with *secret_key*; links that one of the *previous* keys has signed still open."""
        # The library signs with the last one.
        self._serializer = URLSafeTimedSerializer([*previous, secret_key], salt="person's page")
        self._public_url = public_url

    def to(self, action_id: str, return_url: str | None = None) -> str:
        """Return the address of the page on which a person settles the action, and from which they go back."""
        return f"{self._public_url}/act/{self.token(action_id, return_url)}"

    def token(self, action_id: str, return_url: str | None = None) -> str:
        """Return the part of the address that names the action and proves that we made it."""
        value = action_id if return_url is None else [action_id, None, return_url]
        return str(self._serializer.dumps(value))

    def following(self, link: PageLink, action_id: str) -> str:
        """
        Return the token of the action that takes the place of that of *link*.

        It ends when *link* does: a link that leaked must not lead to new ones for ever.
        """
        end = int(link.ends_at.timestamp())
        value = [action_id, end] if link.return_url is None else [action_id, end, link.return_url]
        return str(self._serializer.dumps(value))

    def end_of_link(self, made_at: datetime) -> datetime:
        """Return until when a link made at *made_at* opens the page."""
        return made_at + timedelta(seconds=PAGE_LINK_LIFE_S)

    def read(self, token: str) -> PageLink | None:
        """Return what *token* opens, or None if it is not ours or too old."""
        try:
            value, made_at = self._serializer.loads(token, max_age=PAGE_LINK_LIFE_S, return_timestamp=True)
        except BadSignature:
            return None
        link = _link(value, self.end_of_link(made_at))
        return link if link is not None and datetime.now(UTC) < link.ends_at else None

    def read_return_url(self, token: str) -> str | None:
        """Return where *token* leads back to, however old it is; None if it does not say, or is not ours."""
        try:
            value = self._serializer.loads(token, max_age=PAGE_LINK_LIFE_S)
        except SignatureExpired as exc:
            if exc.payload is None:
                return None
            try:
                value = self._serializer.load_payload(exc.payload)
            except BadSignature:
                return None
        except BadSignature:
            return None
        link = _link(value, datetime.now(UTC))
        return None if link is None else link.return_url


def _link(value: object, end_of_link: datetime) -> PageLink | None:
    """Return what was signed; None if it is no link. It ends at *end_of_link*, unless it says when itself."""
    match value:
        case str():
            return PageLink(action_id=value, ends_at=end_of_link)
        case [str(action_id), int(end)]:
            return PageLink(action_id=action_id, ends_at=datetime.fromtimestamp(end, UTC))
        case [str(action_id), None, str(return_url)]:
            return PageLink(action_id=action_id, ends_at=end_of_link, return_url=return_url)
        case [str(action_id), int(end), str(return_url)]:
            return PageLink(action_id=action_id, ends_at=datetime.fromtimestamp(end, UTC), return_url=return_url)
        case _:
            return None
