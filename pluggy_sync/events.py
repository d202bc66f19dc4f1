"""
Webhook events: what Pluggy POSTs to us (Pluggy facts 2.3, 2.4).

An event is a hint. Nothing is decided on its word alone, and its links are never followed. It is read part by part: a
part that cannot be read is left out and named in `unread`, and the rest counts. An event that names its Item is enough
for a fetch of the Item.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pluggy_sync import item_ids, wire

ITEM_CREATED = "item/created"
ITEM_UPDATED = "item/updated"
ITEM_ERROR = "item/error"
ITEM_DELETED = "item/deleted"
ITEM_WAITING_USER_INPUT = "item/waiting_user_input"
ITEM_WAITING_USER_ACTION = "item/waiting_user_action"
# A person is asked for something, or something that a person gave was refused (Pluggy facts 2.3).
URGENT = (ITEM_WAITING_USER_INPUT, ITEM_WAITING_USER_ACTION, ITEM_ERROR)
ITEM_LOGIN_SUCCEEDED = "item/login_succeeded"
CONNECTOR_STATUS_UPDATED = "connector/status_updated"
TRANSACTIONS_CREATED = "transactions/created"
TRANSACTIONS_UPDATED = "transactions/updated"
TRANSACTIONS_DELETED = "transactions/deleted"

# Our own requests for a fetch: the product registered an Item, a person acted, an Item was silent for too long.
FETCH_REQUESTED = "local/fetch_requested"

# The names of events without a name that can be read: about an Item, and about anything else.
UNNAMED = "unnamed"
UNPARSABLE = "unparsable"

# Bodies of real events are three levels deep; an id is 36 characters.
MAX_DEPTH = 20
MAX_ID_LENGTH = 128
# What a BIGINT holds. Connectors have three digits.
MAX_CONNECTOR_ID = 2**63 - 1

_PLAIN_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_LENGTH}}}")
_CONNECTOR_ID = re.compile(r"[0-9]{1,19}")

_ABOUT_AN_ITEM = ("itemId",)
_ABOUT_AN_ACCOUNT = ("itemId", "accountId")
_ABOUT_TRANSACTIONS = ("itemId", "accountId", "transactionIds")
# The keys that each event must have besides `event` and `eventId`. `id` is never used as a key.
_EXPECTED = {
    ITEM_CREATED: _ABOUT_AN_ITEM,
    ITEM_UPDATED: _ABOUT_AN_ITEM,
    ITEM_ERROR: _ABOUT_AN_ITEM,
    ITEM_DELETED: _ABOUT_AN_ITEM,
    ITEM_WAITING_USER_INPUT: _ABOUT_AN_ITEM,
    ITEM_WAITING_USER_ACTION: _ABOUT_AN_ITEM,
    ITEM_LOGIN_SUCCEEDED: _ABOUT_AN_ITEM,
    CONNECTOR_STATUS_UPDATED: ("connectorId",),
    TRANSACTIONS_CREATED: _ABOUT_AN_ACCOUNT,
    TRANSACTIONS_UPDATED: _ABOUT_TRANSACTIONS,
    TRANSACTIONS_DELETED: _ABOUT_TRANSACTIONS,
}
# The names of Pluggy's events that are known here.
KNOWN = frozenset(_EXPECTED)

_T = TypeVar("_T")


class UnparsableError(Exception):
    """A body that is no event. The text says why and quotes nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """
    One event. `event_id` is the same on every retry and for every target (Pluggy facts 2.4).

    `unread` names the parts that could not be read, and those that the event lacks.
    """

    event_id: str
    name: str
    payload: dict[str, Any]
    item_id: str | None = None
    account_id: str | None = None
    client_id: str | None = None
    triggered_by: str | None = None
    connector_id: int | None = None
    connector_status: str | None = None
    transaction_ids: list[str] = field(default_factory=list)
    created_at_from: datetime | None = None
    unread: tuple[str, ...] = ()

    @property
    def can_be_acted_on(self) -> bool:
        """Whether the event says what it is about, or is of a kind that needs no action."""
        return self.item_id is not None or self.connector_id is not None or not self.unread

    def essence(self) -> dict[str, Any]:
        """Return the parts of the payload that we understand. Postgres can always store them."""
        parts = {
            "event": self.name,
            "eventId": self.event_id,
            "itemId": self.item_id,
            "accountId": self.account_id,
            "clientId": self.client_id,
            "triggeredBy": self.triggered_by,
            "connectorId": self.connector_id,
            "data": None if self.connector_status is None else {"status": self.connector_status},
            "transactionIds": self.transaction_ids or None,
            "transactionsCreatedAtFrom": wire.to_text(self.created_at_from),
        }
        return {key: value for key, value in parts.items() if value is not None}


def parse(body: bytes) -> Event:
    """
    Return the event in *body*, read as far as it can be.

    Raises:
        UnparsableError: it is no JSON object.
    """
    try:
        payload = wire.decode(_as_utf8(body))
    except ValueError as exc:
        raise UnparsableError("not JSON, or nested too deeply") from exc
    if not isinstance(payload, dict):
        raise UnparsableError("not a JSON object")
    event = of_payload(payload)
    return event if event.event_id else replace(event, event_id=id_of_body(body))


def _as_utf8(body: bytes) -> bytes:
    """Return *body* as JSON is written today: without a byte order mark, and not in 16 or 32 bits a character."""
    encoding = json.detect_encoding(body)
    return body if encoding == "utf-8" else body.decode(encoding, errors="surrogatepass").encode(errors="replace")


def of_payload(payload: Mapping[str, Any]) -> Event:
    """Return the event in *payload*, a JSON object, read as far as it can be. `event_id` is empty if it has no id."""
    reading = _Reading(payload)
    name = reading.take("event", _text) or UNNAMED
    of_connector = name == CONNECTOR_STATUS_UPDATED
    event = Event(
        event_id=reading.take("eventId", _text) or "",
        name=name,
        payload=reading.shallow(),
        item_id=reading.take("itemId", item_id),
        account_id=reading.take("accountId", _plain_id),
        client_id=reading.take("clientId", _text),
        triggered_by=reading.take("triggeredBy", _text),
        connector_id=_connector_id(reading) if of_connector else None,
        connector_status=reading.take("data", _status) if of_connector else None,
        transaction_ids=reading.take_ids("transactionIds"),
        created_at_from=reading.take("transactionsCreatedAtFrom", wire.instant_or_none),
    )
    missing = {key for key in ("event", "eventId", *_EXPECTED.get(name, ())) if reading.lacks(key)}
    if event.connector_id is not None:
        missing.discard("connectorId")
    return replace(event, unread=tuple(sorted(reading.unread | missing)))


def of_stored(event_id: str, name: str, about_item: str | None, payload: str | None) -> Event:
    """Return a stored event. Its columns count even if its *payload*, JSON, can no longer be read."""
    try:
        value = {} if payload is None else wire.decode(payload)
    except ValueError:
        value = None
    event = of_payload(value if isinstance(value, dict) else {})
    unread = event.unread if isinstance(value, dict) else ("payload",)
    return replace(event, event_id=event_id, name=name, item_id=about_item, unread=unread)


def id_of_body(body: bytes) -> str:
    """Return an event id for a body that has none, the same for the same bytes."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Happening(Protocol):
    """What tells one event from another."""

    @property
    def event_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def item_id(self) -> str | None: ...
    @property
    def account_id(self) -> str | None: ...


def id_of_another(event: Happening) -> str:
    """
    Return another event id for an *event* whose own id belongs to a different event.

    Every delivery of *event* gets the same one. It is made from the kind of event, the Item and the account.
    """
    what = "\n".join((event.name, event.item_id or "", event.account_id or ""))
    return f"{event.event_id}:{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def item_id(value: Any) -> str | None:
    """Return *value* as the id of an Item; None if it can be none. One that is no UUID is left to Pluggy to refuse."""
    plain = _plain_id(value)
    if plain is None:
        return None
    try:
        return item_ids.read(plain)
    except item_ids.NotAnItemIdError:
        return plain


def _plain_id(value: Any) -> str | None:
    return value if isinstance(value, str) and _PLAIN_ID.fullmatch(value) else None


class _Reading:
    """Reads an object part by part and remembers what could not be read."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self._payload = payload
        self.unread: set[str] = set()

    def lacks(self, key: str) -> bool:
        return self._payload.get(key) is None

    def take(self, key: str, read: Callable[[Any], _T | None]) -> _T | None:
        """Return what *read* makes of the part; None if it is not there or cannot be read."""
        value = self._payload.get(key)
        if value is None:
            return None
        found = read(value)
        if found is None:
            self.unread.add(key)
        return found

    def take_ids(self, key: str) -> list[str]:
        """Return the ids of a list, without what is none."""
        value = self._payload.get(key)
        if value is None:
            return []
        ids = [each for each in value if _plain_id(each) is not None] if isinstance(value, list) else []
        if not isinstance(value, list) or len(ids) < len(value):
            self.unread.add(key)
        return ids

    def shallow(self) -> dict[str, Any]:
        """Return the object without the parts that nest too deeply."""
        deep = {key for key, value in self._payload.items() if _deeper_than(value, MAX_DEPTH - 1)}
        if not deep:
            return dict(self._payload)
        self.unread.add("nested")
        return {key: value for key, value in self._payload.items() if key not in deep}


def _text(value: Any) -> str | None:
    """Return *value* if it is a short text that can be stored and shown."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable() else None


def _connector_id(reading: _Reading) -> int | None:
    """Return the connector's number. It comes as `connectorId`, or as `id` in old deliveries, perhaps as text."""
    return reading.take("id" if reading.lacks("connectorId") else "connectorId", _number)


def _number(value: Any) -> int | None:
    number = int(value) if isinstance(value, str) and _CONNECTOR_ID.fullmatch(value) else value
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return number if is_number and 0 < number <= MAX_CONNECTOR_ID else None


def _status(value: Any) -> str | None:
    return _text(value.get("status")) if isinstance(value, dict) else None


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_deeper_than(each, levels - 1) for each in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper_than(each, levels - 1) for each in value)
    return False
