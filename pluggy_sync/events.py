"""
Webhook events: what Pluggy POSTs to us (Pluggy facts 2.3, 2.4). A schema per data event; unknown events pass.

An event is a hint. Nothing is decided on its word alone, and its links are never followed.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import marshmallow as ma
import msgspec
from marshmallow import validate

from pluggy_sync import wire

ITEM_CREATED = "item/created"
ITEM_UPDATED = "item/updated"
ITEM_ERROR = "item/error"
ITEM_DELETED = "item/deleted"
ITEM_WAITING_USER_INPUT = "item/waiting_user_input"
ITEM_WAITING_USER_ACTION = "item/waiting_user_action"
ITEM_LOGIN_SUCCEEDED = "item/login_succeeded"
CONNECTOR_STATUS_UPDATED = "connector/status_updated"
TRANSACTIONS_CREATED = "transactions/created"
TRANSACTIONS_UPDATED = "transactions/updated"
TRANSACTIONS_DELETED = "transactions/deleted"

# Ours, for work that no delivery asked for: the product registered an Item, a person acted, a sweep looks again.
FETCH_REQUESTED = "local/fetch_requested"

UNPARSABLE = "unparsable"

# Bodies of real events are three levels deep; an id is 36 characters.
MAX_DEPTH = 20
MAX_ID_LENGTH = 128


class UnparsableError(Exception):
    """A body that is no event. The text says why and quotes nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One happening. `event_id` is the same on every retry and for every target (Pluggy facts 2.4)."""

    event_id: str
    name: str
    payload: dict[str, Any]
    item_id: str | None = None
    account_id: str | None = None
    client_id: str | None = None
    client_user_id: str | None = None
    triggered_by: str | None = None
    connector_id: int | None = None
    connector_status: str | None = None
    transaction_ids: list[str] = field(default_factory=list)
    created_at_from: datetime | None = None


_ID = validate.Length(min=1, max=MAX_ID_LENGTH)
_PLAIN_ID = validate.And(_ID, validate.Regexp(r"^[A-Za-z0-9_-]+$", error="Not an id."))


class _EventSchema(ma.Schema):
    """What every event has. Only `event` and `eventId` are required; `id` is never used as a key."""

    class Meta:
        unknown = ma.EXCLUDE  # payloads grow without notice

    event_id = ma.fields.Str(required=True, data_key="eventId", validate=_ID)
    name = ma.fields.Str(required=True, data_key="event", validate=_ID)
    client_id = ma.fields.Str(load_default=None, data_key="clientId", allow_none=True)
    client_user_id = ma.fields.Str(load_default=None, data_key="clientUserId", allow_none=True)
    triggered_by = ma.fields.Str(load_default=None, data_key="triggeredBy", allow_none=True)


class _ItemEventSchema(_EventSchema):
    item_id = ma.fields.Str(required=True, data_key="itemId", validate=_PLAIN_ID)


class _ItemErrorSchema(_ItemEventSchema):
    # The Item itself is asked what went wrong; this only has to be an object when it is there.
    error = ma.fields.Dict(load_default=None, allow_none=True, load_only=True)

    @ma.post_load
    def _leave_the_error_to_the_item(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data.pop("error", None)
        return data


class _AccountEventSchema(_ItemEventSchema):
    account_id = ma.fields.Str(required=True, data_key="accountId", validate=_PLAIN_ID)


class _TransactionsCreatedSchema(_AccountEventSchema):
    created_at_from = ma.fields.Raw(load_default=None, data_key="transactionsCreatedAtFrom", allow_none=True)

    @ma.post_load
    def _read_instant(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        try:
            data["created_at_from"] = wire.instant(data["created_at_from"])
        except (ValueError, TypeError) as exc:
            raise ma.ValidationError("Not an instant.", field_name="transactionsCreatedAtFrom") from exc
        return data


class _TransactionIdsSchema(_AccountEventSchema):
    transaction_ids = ma.fields.List(ma.fields.Str(validate=_PLAIN_ID), required=True, data_key="transactionIds")


class _ConnectorEventSchema(_EventSchema):
    """The connector number comes as `connectorId`, or as `id` in old deliveries, perhaps as text."""

    connector_id = ma.fields.Int(load_default=None, data_key="connectorId", allow_none=True)
    id = ma.fields.Raw(load_default=None, allow_none=True)
    data = ma.fields.Dict(load_default=dict, allow_none=True)

    @ma.post_load
    def _read_connector(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        old_id = data.pop("id")
        status = (data.pop("data") or {}).get("status")
        if data["connector_id"] is None:
            if not str(old_id).isdecimal():
                raise ma.ValidationError("Missing data for required field.", field_name="connectorId")
            data["connector_id"] = int(old_id)
        data["connector_status"] = status if isinstance(status, str) else None
        return data


class _UnknownEventSchema(_EventSchema):
    """An event that is not known, or not of a data product; kept, and used to look at its Item if it names one."""

    item_id = ma.fields.Str(load_default=None, data_key="itemId", allow_none=True, validate=_PLAIN_ID)


_SCHEMAS: dict[str, type[_EventSchema]] = {
    ITEM_CREATED: _ItemEventSchema,
    ITEM_UPDATED: _ItemEventSchema,
    ITEM_ERROR: _ItemErrorSchema,
    ITEM_DELETED: _ItemEventSchema,
    ITEM_WAITING_USER_INPUT: _ItemEventSchema,
    ITEM_WAITING_USER_ACTION: _ItemEventSchema,
    ITEM_LOGIN_SUCCEEDED: _ItemEventSchema,
    CONNECTOR_STATUS_UPDATED: _ConnectorEventSchema,
    TRANSACTIONS_CREATED: _TransactionsCreatedSchema,
    TRANSACTIONS_UPDATED: _TransactionIdsSchema,
    TRANSACTIONS_DELETED: _TransactionIdsSchema,
}
_schemas = {name: schema() for name, schema in _SCHEMAS.items()}
_unknown_schema = _UnknownEventSchema()


def parse(body: bytes) -> Event:
    """
    Return the event in *body*.

    Raises:
        UnparsableError: it is not JSON, nests too deeply, is not an object, or lacks what its event must have.
    """
    try:
        payload = wire.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnparsableError("not JSON, or nested too deeply") from exc
    return of_payload(payload)


def of_payload(payload: Any) -> Event:
    """
    Return the event in *payload*, decoded JSON.

    Raises:
        UnparsableError: as `parse`.
    """
    if not isinstance(payload, dict):
        raise UnparsableError("not a JSON object")
    if _deeper_than(payload, MAX_DEPTH):
        raise UnparsableError(f"nested deeper than {MAX_DEPTH}")
    schema = _schemas.get(payload.get("event", ""), _unknown_schema) if _named(payload) else _unknown_schema
    try:
        return Event(payload=payload, **schema.load(payload))
    except ma.ValidationError as exc:
        faults = ", ".join(sorted(str(name) for name in exc.messages_dict))
        raise UnparsableError(f"missing or wrong: {faults}") from None


def _named(payload: dict[str, Any]) -> bool:
    return isinstance(payload.get("event"), str)


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_deeper_than(each, levels - 1) for each in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper_than(each, levels - 1) for each in value)
    return False


def id_of_unparsable(body: bytes) -> str:
    """Return an event id for a body that has none, the same for the same bytes."""
    return "sha256:" + hashlib.sha256(body).hexdigest()
