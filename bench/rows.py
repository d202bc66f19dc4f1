"""Transactions as Pluggy sends them, made in bulk: a year of one account, about as wide as real ones."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pluggy_sync import wire
from pluggy_sync.pluggy import payloads

NEWEST = datetime(2026, 3, 9, 3, tzinfo=UTC)
ACCOUNT = "22222222-2222-4222-8222-222222222222"
ITEM = "11111111-1111-4111-8111-111111111111"


def rows(count: int) -> list[payloads.Transaction]:
    """Return *count* transactions of one account, newest first."""
    return [payloads.transaction(_raw(number, count)) for number in range(count)]


def _raw(number: int, count: int) -> dict[str, Any]:
    moment = wire.to_text(NEWEST - timedelta(days=number * 365 // count))
    return {
        "id": str(uuid.uuid4()),
        "accountId": ACCOUNT,
        "description": f"PIX ENVIADO PADARIA {number}",
        "descriptionRaw": f"PIX ENVIADO PADARIA {number} LTDA",
        "currencyCode": "BRL",
        "amount": Decimal(-number % 90000).scaleb(-2),
        "amountInAccountCurrency": None,
        "date": moment,
        "type": "DEBIT",
        "status": "POSTED",
        "category": "Food and drinks",
        "categoryId": "11000000",
        "balance": Decimal(number % 900000).scaleb(-2),
        "providerId": str(uuid.uuid4()),
        "providerCode": None,
        "operationType": "PIX",
        "order": 0,
        "paymentData": {"payer": {"name": "A", "documentNumber": None}, "paymentMethod": "PIX", "reason": None},
        "creditCardMetadata": None,
        "merchant": None,
        "createdAt": moment,
        "updatedAt": moment,
    }
