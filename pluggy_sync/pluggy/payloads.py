"""
Objects as Pluggy sends them, parsed. Enums stay open, unknown keys stay in `raw`, absent and null are one.

Each kind of object needs one to three keys. If one of them cannot be read, the object is unreadable. Every other
field of another type than expected counts as absent.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pluggy_sync.pluggy import fields
from pluggy_sync.pluggy.fields import SAO_PAULO, Raw

__all__ = ["SAO_PAULO", "Raw"]

# Codes and statuses have some twenty characters. They become labels of metrics.
MAX_CODE_LENGTH = 200


class UnreadableError(Exception):
    """Pluggy sent an object that lacks what we cannot do without. The text names the fields, never the values."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Trouble at a bank, as Pluggy tells it (Pluggy facts 13.4). Its words are kept open."""

    id: str
    type: str | None
    product: str | None
    severity: str | None
    state: str | None
    title: str | None
    started_at: dt.datetime | None
    url: str | None


@dataclass(frozen=True, kw_only=True)
class Connector:
    """The institution integration that an Item goes through (Pluggy facts 3.9)."""

    # None: Pluggy did not say which.
    id: int | None
    name: str | None
    image_url: str | None
    status: str | None
    # What goes on at the bank; None: it does not say, as without a health.
    incidents: Sequence[Incident] | None
    credentials: list[Raw]
    has_mfa: bool
    is_open_finance: bool

    @property
    def needs_mfa_each_run(self) -> bool:
        """Whether an execution cannot start or end without a fresh MFA value (Pluggy facts 4.3)."""
        return self.has_mfa or any(credential.get("mfa") for credential in self.credentials)


@dataclass(frozen=True, kw_only=True)
class Product:
    """How the last execution went for one data product (Pluggy facts 3.4)."""

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
    # By data product as in `statusDetail`; empty when Pluggy gives no detail.
    products: Mapping[str, Product]
    # Data products that the Item collects; empty: all that the plan allows (Pluggy facts 3.1).
    requested: Sequence[str]
    error: Raw | None
    parameter: Raw | None
    user_action: Raw | None
    updated_at: dt.datetime | None
    last_updated_at: dt.datetime | None
    next_auto_sync_at: dt.datetime | None
    consent_expires_at: dt.datetime | None
    # Whether somebody must still approve a part of it at the bank; None: it does not say (Pluggy facts 13.3).
    has_resources_pending: bool | None
    # When Pluggy last asked the bank what it shares; None: never, or it does not say.
    resources_collected_at: dt.datetime | None
    client_user_id: str | None
    raw: Raw

    @property
    def provider_message(self) -> str | None:
        """The institution's own words, in Portuguese. None when it gave none."""
        return fields.text((self.error or {}).get("providerMessage")) or None

    def collected_at(self, product: str) -> dt.datetime | None:
        """
        Return when *product* was last collected well; None when never.

        Without detail about it, every data product shares the Item's `lastUpdatedAt`.
        """
        detail = self.products.get(product)
        if detail is None:
            return self.last_updated_at
        return detail.last_updated_at or (self.last_updated_at if detail.is_updated else None)


@dataclass(frozen=True, kw_only=True)
class ListedItem:
    """An Item as the list of all names it."""

    id: str
    client_user_id: str | None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One thing that the bank of an Open Finance Item declares (Pluggy facts 13.2)."""

    type: str
    status: str


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
    # As sent. `day` is the day that it means.
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


# Two spellings of one data product are in use (Pluggy facts 3.4, 9.27).
_PRODUCT_SPELLING = {"investmentTransactions": "investmentsTransactions"}


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """
    A registration of ours at Pluggy (Pluggy facts 2.2).

    *headers* are what each delivery carries, secrets included; None: Pluggy does not say. *disabled_at* None: it is on.
    """

    id: str
    url: str = dataclasses.field(repr=False)
    event: str
    disabled_at: dt.datetime | None
    created_at: dt.datetime | None
    headers: Mapping[str, str] | None = dataclasses.field(repr=False)


def _code(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_CODE_LENGTH else None


def _needed(what: str, raw: Raw, **readers: Callable[[Any], Any]) -> dict[str, Any]:
    """
    Return the value of each key that *readers* names.

    Raises:
        UnreadableError: one of them cannot be read.
    """
    found = {key: read(raw.get(key)) for key, read in readers.items()}
    missing = [key for key, value in found.items() if value is None]
    if missing:
        raise UnreadableError(f"{what}: {', '.join(missing)}")
    return found


def _object(what: str, raw: Any) -> Raw:
    if not isinstance(raw, dict):
        raise UnreadableError(f"{what}: not an object")
    return raw


def id_of(raw: Any) -> str | None:
    """Return the id of an object that may be unreadable, or None."""
    return fields.identity(raw.get("id")) if isinstance(raw, dict) else None


def row_id(what: str, raw: Any) -> str:
    """
    Return the id of a row of *what*. A row of a data product needs nothing else.

    Raises:
        UnreadableError: it is no object, or has no id.
    """
    found: str = _needed(what, _object(what, raw), id=fields.identity)["id"]
    return found


def item(raw: Any) -> Item:
    """
    Return the Item in *raw*.

    Raises:
        UnreadableError: it has no id or status.
    """
    get = _object("item", raw).get
    needed = _needed("item", raw, id=fields.identity, status=_code)
    return Item(
        id=needed["id"],
        connector=_connector(fields.object_of(get("connector")) or {}),
        status=needed["status"],
        execution_status=_code(get("executionStatus")),
        products=_products(fields.object_of(get("statusDetail")) or {}),
        requested=fields.texts(get("products")),
        error=fields.object_of(get("error")),
        parameter=fields.object_of(get("parameter")),
        user_action=fields.object_of(get("userAction")),
        updated_at=fields.instant(get("updatedAt")),
        last_updated_at=fields.instant(get("lastUpdatedAt")),
        next_auto_sync_at=fields.instant(get("nextAutoSyncAt")),
        consent_expires_at=fields.instant(get("consentExpiresAt")),
        has_resources_pending=resources_pending(raw),
        resources_collected_at=fields.instant(get("resourcesCollectedAt")),
        client_user_id=fields.text(get("clientUserId")),
        raw=raw,
    )


def listed_item(raw: Any) -> ListedItem | None:
    """Return an Item of the list; None: it has no id."""
    found = fields.object_of(raw) or {}
    id_ = fields.identity(found.get("id"))
    return None if id_ is None else ListedItem(id=id_, client_user_id=fields.text(found.get("clientUserId")))


def resource(raw: Any) -> Resource | None:
    """Return a resource that the bank declares; None: it names no type or no status."""
    found = fields.object_of(raw) or {}
    type_, status = _code(found.get("type")), _code(found.get("status"))
    return None if type_ is None or status is None else Resource(type=type_, status=status)


def resources_pending(raw: Raw) -> bool | None:
    """Return `hasResourcesPendingAuthorization` of an Item; None if it does not say."""
    found = raw.get("hasResourcesPendingAuthorization")
    return found if isinstance(found, bool) else None


def _connector(raw: Raw) -> Connector:
    health = fields.object_of(raw.get("health")) or {}
    return Connector(
        id=fields.whole(raw.get("id")),
        name=fields.text(raw.get("name")),
        image_url=fields.text(raw.get("imageUrl")),
        status=_code(health.get("status")),
        incidents=None if health.get("status") is None else incidents(health.get("incidents")),
        credentials=fields.objects(raw.get("credentials")),
        has_mfa=raw.get("hasMFA") is True,
        is_open_finance=raw.get("isOpenFinance") is True,
    )


def incidents(raw: Any) -> list[Incident]:
    """Return the incidents in the list *raw*; what has no id is left out."""
    found = []
    for each in fields.objects(raw):
        id_ = fields.identity(each.get("id"))
        if id_ is not None:
            found.append(
                Incident(
                    id=id_,
                    type=_code(each.get("type")),
                    product=_code(each.get("product")),
                    severity=_code(each.get("severity")),
                    state=_code(each.get("state")),
                    title=fields.text(each.get("title")),
                    started_at=fields.instant(each.get("startedAt")),
                    url=fields.text(each.get("url")),
                )
            )
    return found


def _products(status_detail: Raw) -> dict[str, Product]:
    found = {name: _product(detail) for name, detail in status_detail.items()}
    return {_PRODUCT_SPELLING.get(name, name): product for name, product in found.items() if product is not None}


def _product(detail: Any) -> Product | None:
    """Return how it went for a data product; None: *detail* does not say, which counts as no detail."""
    is_updated = detail.get("isUpdated") if isinstance(detail, dict) else None
    if not isinstance(detail, dict) or not isinstance(is_updated, bool | None):
        return None
    return Product(
        is_updated=bool(is_updated),
        last_updated_at=fields.instant(detail.get("lastUpdatedAt")),
        warnings=fields.objects(detail.get("warnings")),
    )


def account(raw: Any, *, of_item: str = "") -> Account:
    """
    Return the account in *raw*. It is *of_item*'s, which it was asked of, unless it names another Item.

    Raises:
        UnreadableError: it has no id.
    """
    get = _object("account", raw).get
    return Account(
        id=row_id("account", raw),
        item_id=fields.identity(get("itemId")) or of_item,
        type=fields.text(get("type")),
        subtype=fields.text(get("subtype")),
        number=fields.text(get("number")),
        name=fields.text(get("name")),
        balance=fields.number(get("balance")),
        currency_code=fields.text(get("currencyCode")),
        raw=raw,
    )


def transaction(raw: Any) -> Transaction:
    """
    Return the transaction in *raw*. Without a status it is POSTED (Pluggy facts 5.5).

    Raises:
        UnreadableError: it has no id or account, or no date that exists.
    """
    get = _object("transaction", raw).get
    # Spelled out for speed: transactions come by the hundred thousand.
    transaction_id, account_id, date = (
        fields.identity(get("id")),
        fields.identity(get("accountId")),
        fields.instant(get("date")),
    )
    if transaction_id is None or account_id is None or date is None:
        missing = [
            name for name, value in (("id", transaction_id), ("accountId", account_id), ("date", date)) if value is None
        ]
        raise UnreadableError(f"transaction: {', '.join(missing)}")
    return Transaction(
        id=transaction_id,
        account_id=account_id,
        date=date,
        day=fields.day_of(date),
        description=fields.text(get("description")),
        amount=fields.number(get("amount")),
        amount_in_account_currency=fields.number(get("amountInAccountCurrency")),
        currency_code=fields.text(get("currencyCode")),
        type=fields.text(get("type")),
        status=fields.text(get("status")) or "POSTED",
        category_id=fields.text(get("categoryId")),
        provider_id=fields.text(get("providerId")),
        created_at=fields.instant(get("createdAt")),
        updated_at=fields.instant(get("updatedAt")),
        raw=raw,
    )


def webhook(raw: Any) -> Webhook:
    """
    Parse a webhook.

    Raises:
        UnreadableError: it has no id, address or event.
    """
    raw = _object("webhook", raw)
    headers = fields.object_of(raw.get("headers"))
    return Webhook(
        **_needed("webhook", raw, id=fields.identity, url=fields.text, event=fields.text),
        disabled_at=fields.instant(raw.get("disabledAt")),
        created_at=fields.instant(raw.get("createdAt")),
        headers=None if headers is None else {name: str(value) for name, value in headers.items()},
    )
