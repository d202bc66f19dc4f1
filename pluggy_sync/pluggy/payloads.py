"""
Objects as Pluggy sends them, parsed. Enums stay open, unknown keys stay in `raw`, absent and null are one.

Items and accounts go through marshmallow. Transactions come by the hundred thousand, so they are taken apart by hand.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import marshmallow as ma

from pluggy_sync import wire

# The day of a transaction is the day in São Paulo; midnight there is 03:00Z (Pluggy facts 9.7).
SAO_PAULO = ZoneInfo("America/Sao_Paulo")

Raw: TypeAlias = dict[str, Any]


class UnreadableError(Exception):
    """Pluggy sent an object that lacks what we cannot do without. The text names the fields, never the values."""


@dataclass(frozen=True, kw_only=True)
class Connector:
    """The institution integration that an Item goes through (Pluggy facts 3.9)."""

    id: int
    name: str | None
    image_url: str | None
    status: str | None
    credentials: list[Raw]
    has_mfa: bool
    is_open_finance: bool

    @property
    def offline(self) -> bool:
        return self.status == "OFFLINE"

    @property
    def needs_mfa_each_run(self) -> bool:
        """Whether a run cannot start or end without a fresh MFA value (Pluggy facts 4.3)."""
        return self.has_mfa or any(credential.get("mfa") for credential in self.credentials)


@dataclass(frozen=True, kw_only=True)
class Product:
    """How the last run went for one product (Pluggy facts 3.4)."""

    is_updated: bool
    last_updated_at: dt.datetime | None
    warnings: list[Raw]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One person's connection to one connector (Pluggy facts 3.1)."""

    id: str
    connector: Connector
    status: str
    execution_status: str | None
    # By product name as in `statusDetail`; empty when Pluggy gives no detail.
    products: Mapping[str, Product]
    error: Raw | None
    parameter: Raw | None
    user_action: Raw | None
    updated_at: dt.datetime | None
    last_updated_at: dt.datetime | None
    next_auto_sync_at: dt.datetime | None
    consent_expires_at: dt.datetime | None
    client_user_id: str | None
    raw: Raw

    @property
    def provider_message(self) -> str | None:
        """The institution's own words, in Portuguese. None when it gave none."""
        message = (self.error or {}).get("providerMessage")
        return str(message) if message else None

    def collected_at(self, product: str) -> dt.datetime | None:
        """
        Return when *product* was last collected well; None when never.

        Without detail about it, every product shares the Item's `lastUpdatedAt`.
        """
        detail = self.products.get(product)
        if detail is None:
            return self.last_updated_at
        return detail.last_updated_at or (self.last_updated_at if detail.is_updated else None)


@dataclass(frozen=True, kw_only=True)
class Account:
    """A bank account or card (Pluggy facts 5.2)."""

    id: str
    item_id: str
    type: str | None
    subtype: str | None
    number: str | None
    name: str | None
    balance: Decimal | None
    currency_code: str | None
    raw: Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One movement (Pluggy facts 5.5). A CREDIT account's purchases are positive: read `type`, not the sign."""

    id: str
    account_id: str
    date: dt.datetime
    day: dt.date
    description: str | None
    amount: Decimal | None
    amount_in_account_currency: Decimal | None
    currency_code: str | None
    type: str | None
    status: str
    category_id: str | None
    provider_id: str | None
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    raw: Raw


class _Instant(ma.fields.Field[dt.datetime | None]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dt.datetime | None:
        try:
            return wire.instant(value)
        except (ValueError, TypeError) as exc:
            raise ma.ValidationError("Not an instant.") from exc


class _Money(ma.fields.Field[Decimal]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, Decimal | int) and not isinstance(value, bool):
            return Decimal(value)
        raise ma.ValidationError("Not a number.")


class _Parsed(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE


class _ProductSchema(_Parsed):
    is_updated = ma.fields.Bool(load_default=False, data_key="isUpdated", allow_none=True)
    last_updated_at = _Instant(load_default=None, data_key="lastUpdatedAt", allow_none=True)
    warnings = ma.fields.List(ma.fields.Dict(), load_default=list, allow_none=True)

    @ma.post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Product:
        return Product(
            is_updated=bool(data["is_updated"]),
            last_updated_at=data["last_updated_at"],
            warnings=data["warnings"] or [],
        )


class _ItemSchema(_Parsed):
    id = ma.fields.Str(required=True)
    connector = ma.fields.Dict(load_default=dict, allow_none=True)
    status = ma.fields.Str(required=True)
    execution_status = ma.fields.Str(load_default=None, data_key="executionStatus", allow_none=True)
    status_detail = ma.fields.Dict(load_default=dict, data_key="statusDetail", allow_none=True)
    error = ma.fields.Dict(load_default=None, allow_none=True)
    parameter = ma.fields.Dict(load_default=None, allow_none=True)
    user_action = ma.fields.Dict(load_default=None, data_key="userAction", allow_none=True)
    updated_at = _Instant(load_default=None, data_key="updatedAt", allow_none=True)
    last_updated_at = _Instant(load_default=None, data_key="lastUpdatedAt", allow_none=True)
    next_auto_sync_at = _Instant(load_default=None, data_key="nextAutoSyncAt", allow_none=True)
    consent_expires_at = _Instant(load_default=None, data_key="consentExpiresAt", allow_none=True)
    client_user_id = ma.fields.Str(load_default=None, data_key="clientUserId", allow_none=True)


class _HealthSchema(_Parsed):
    status = ma.fields.Str(load_default=None, allow_none=True)


class _ConnectorSchema(_Parsed):
    id = ma.fields.Int(load_default=-1)
    name = ma.fields.Str(load_default=None, allow_none=True)
    image_url = ma.fields.Str(load_default=None, data_key="imageUrl", allow_none=True)
    health = ma.fields.Nested(_HealthSchema, load_default=None, allow_none=True)
    credentials = ma.fields.List(ma.fields.Dict(), load_default=None, allow_none=True)
    has_mfa = ma.fields.Bool(load_default=False, data_key="hasMFA", allow_none=True)
    is_open_finance = ma.fields.Bool(load_default=False, data_key="isOpenFinance", allow_none=True)


class _AccountSchema(_Parsed):
    id = ma.fields.Str(required=True)
    item_id = ma.fields.Str(required=True, data_key="itemId")
    type = ma.fields.Str(load_default=None, allow_none=True)
    subtype = ma.fields.Str(load_default=None, allow_none=True)
    number = ma.fields.Str(load_default=None, allow_none=True)
    name = ma.fields.Str(load_default=None, allow_none=True)
    balance = _Money(load_default=None, allow_none=True)
    currency_code = ma.fields.Str(load_default=None, data_key="currencyCode", allow_none=True)


_item_schema = _ItemSchema()
_account_schema = _AccountSchema()
_connector_schema = _ConnectorSchema()
_product_schema = _ProductSchema()

# Two spellings of one product are in use (Pluggy facts 3.4, 9.27).
_PRODUCT_SPELLING = {"investmentTransactions": "investmentsTransactions"}


def _load(schema: ma.Schema, raw: Any) -> Any:
    try:
        return schema.load(raw)
    except ma.ValidationError as exc:
        fields = ", ".join(sorted(exc.messages_dict))
        raise UnreadableError(f"{type(schema).__name__}: {fields}") from None


def _connector(raw: Raw) -> Connector:
    data = _load(_connector_schema, raw)
    health = data.pop("health") or {}
    return Connector(
        status=health.get("status"),
        credentials=data.pop("credentials") or [],
        has_mfa=bool(data.pop("has_mfa")),
        is_open_finance=bool(data.pop("is_open_finance")),
        **data,
    )


def _products(status_detail: Raw | None) -> dict[str, Product]:
    return {
        _PRODUCT_SPELLING.get(name, name): _load(_product_schema, detail)
        for name, detail in (status_detail or {}).items()
        if detail is not None
    }


def item(raw: Any) -> Item:
    """
    Return the Item in *raw*.

    Raises:
        UnreadableError: it has no id or status, or a field is of another type.
    """
    data = _load(_item_schema, raw)
    return Item(
        connector=_connector(data.pop("connector") or {}),
        products=_products(data.pop("status_detail")),
        raw=raw,
        **data,
    )


def account(raw: Any) -> Account:
    """
    Return the account in *raw*.

    Raises:
        UnreadableError: it has no id or Item, or a field is of another type.
    """
    return Account(raw=raw, **_load(_account_schema, raw))


def transaction(raw: Raw) -> Transaction:
    """
    Return the transaction in *raw*. Without a status it is POSTED (Pluggy facts 5.5).

    Raises:
        UnreadableError: id, account or date is missing, or a field is of another type.
    """
    try:
        moment = wire.instant(raw["date"])
        if moment is None:
            raise UnreadableError("transaction: date")
        get = raw.get
        return Transaction(
            id=raw["id"],
            account_id=raw["accountId"],
            date=moment,
            day=moment.astimezone(SAO_PAULO).date(),
            description=get("description"),
            amount=_decimal(get("amount")),
            amount_in_account_currency=_decimal(get("amountInAccountCurrency")),
            currency_code=get("currencyCode"),
            type=get("type"),
            status=get("status") or "POSTED",
            category_id=get("categoryId"),
            provider_id=get("providerId"),
            created_at=wire.instant(get("createdAt")),
            updated_at=wire.instant(get("updatedAt")),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise UnreadableError(f"transaction: {type(exc).__name__}") from None


def _decimal(value: Any) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    raise TypeError("not a number")
