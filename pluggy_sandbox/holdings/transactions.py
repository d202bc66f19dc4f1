"""Bank rows as transactions of Pluggy's API (Pluggy facts 5.5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pluggy_sandbox.bank.rows import Row
from pluggy_sandbox.catalogue.categories import CATEGORIES
from pluggy_sandbox.holdings.category_rules import CategoryRule
from pluggy_sandbox.wire.encoding import Json, encode
from pluggy_sandbox.wire.instants import iso

# What only one kind of connector tells of a card's row (Pluggy facts 13.12).
_REGULATED_ONLY = ("billForecastDate", "paymentType", "billPostDate", "transactionDateTime")
_DIRECT_ONLY = ("totalAmount",)


@dataclass(frozen=True)
class Frame:
    """What an account adds to each of its rows."""

    account_id: str
    regulated: bool  # Open Finance: with providerId and operationType
    enriched: bool  # False: the plan has no categories
    bill_id: Callable[[str], str]
    account_type: str
    rules: Sequence[CategoryRule] = ()


def content(row: Row, row_id: str, order: int, frame: Frame, category_id: str | None) -> bytes:
    """
    Return *row* as JSON, without `createdAt` and `updatedAt`.

    Top-level keys without a value are null, nested ones are absent (Pluggy facts 0). *category_id* is the
    application's own choice, None where it made none.
    """
    category = category_id or _by_rule(row, frame) or (row.category if frame.enriched else None)
    view: Json = {
        "id": row_id,
        "accountId": frame.account_id,
        "description": _text(row, row.description),
        "descriptionRaw": _text(row, row.description_raw),
        "currencyCode": row.currency,
        "amount": row.amount,
        "amountInAccountCurrency": row.amount_in_account_currency,
        "date": iso(row.at),
        "type": row.type,
        "balance": None,
        "providerCode": row.provider_code,
        "providerId": row.key if frame.regulated else None,
        "status": row.status,
        "category": CATEGORIES[category].description if category in CATEGORIES else None,
        "categoryId": category,
        "operationType": row.operation if frame.regulated else None,
        "operationTypeAdditionalInfo": row.operation_info if frame.regulated else None,
        "order": order,
        "paymentData": row.payment,
        "creditCardMetadata": _card(row, frame),
        "merchant": row.merchant if frame.enriched else None,
    }
    return encode(view)


def _by_rule(row: Row, frame: Frame) -> str | None:
    return next((rule.category_id for rule in frame.rules if rule.fits(row, frame.account_type)), None)


def _card(row: Row, frame: Frame) -> Json | None:
    if row.card is None:
        return None
    others = _DIRECT_ONLY if frame.regulated else _REGULATED_ONLY
    card = {name: value for name, value in row.card.items() if name not in others}
    return card | {"billId": frame.bill_id(card["billId"])} if "billId" in card else card


def _text(row: Row, text: str | None) -> str | None:
    """Return *text* as it arrives: broken where the institution breaks the texts of this row (Pluggy facts 13.18)."""
    return f"{text or ''} \ud83d caf\u00e9\x00" if row.odd else text
