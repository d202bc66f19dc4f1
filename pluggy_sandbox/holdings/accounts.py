"""Accounts as Pluggy holds them (Pluggy facts 5.2)."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from pluggy_sandbox.bank import card
from pluggy_sandbox.bank.accounts import Account
from pluggy_sandbox.bank.people import Person
from pluggy_sandbox.holdings.ledger import Ledger
from pluggy_sandbox.wire.encoding import Json, cents
from pluggy_sandbox.wire.instants import day_in_brazil, iso, midnight_in_brazil

# All that a connect token may see of an account (Pluggy facts 1.3).
REDUCED = ("id", "itemId", "type", "subtype", "number", "balance", "name", "currencyCode")


@dataclass
class HeldAccount:
    """One account of one Item: its last view, its ledger and its bills."""

    id: str
    source: Account
    ledger: Ledger
    view: Json = field(default_factory=dict)
    bills: list[Json] = field(default_factory=list)
    created_at: datetime | None = None


def view(held: HeldAccount, item_id: str, person: Person, *, regulated: bool, at: datetime) -> Json:
    """Return the account as collected at *at*."""
    source = held.source
    created = held.created_at or at
    is_card = source.type == "CREDIT"
    balance = source.used_limit(at) if is_card and regulated else source.balance(at)
    in_bulk = cents(0) if is_card else held.ledger.bulk.total(at)
    return {
        "id": held.id,
        "itemId": item_id,
        "type": source.type,
        "subtype": source.subtype,
        "number": source.number,
        "name": source.name,
        "marketingName": f"{source.name} Pluggy",
        "balance": balance + in_bulk,
        "currencyCode": "BRL",
        "taxNumber": person.cnpj or person.cpf,
        "owner": person.name,
        "bankData": None if is_card else _bank_data(source, at, in_bulk),
        "creditData": _credit_data(source, at) if is_card else None,
        "createdAt": iso(created),
        "updatedAt": iso(at),
    }


def _bank_data(source: Account, at: datetime, in_bulk: Decimal) -> Json:
    return {
        "transferNumber": f"999/{source.number}",
        "closingBalance": source.closing_balance(at) + in_bulk,
        "automaticallyInvestedBalance": cents(0),
        "overdraftContractedLimit": cents(200_000),
        "overdraftUsedLimit": cents(0),
        "unarrangedOverdraftAmount": cents(0),
        "hasReservedBalance": False,
    }


def _credit_data(source: Account, at: datetime) -> Json:
    closing = source.closing_after(day_in_brazil(at))
    due: date = closing + timedelta(days=card.DUE_AFTER_DAYS)
    used = source.used_limit(at)
    return {
        "level": "BLACK",
        "brand": "MASTERCARD",
        "balanceCloseDate": iso(midnight_in_brazil(closing)),
        "balanceDueDate": iso(midnight_in_brazil(due)),
        "availableCreditLimit": source.credit_limit - used,
        "minimumPayment": cents(int(source.balance(at) * 15)),
        "creditLimit": source.credit_limit,
        "isLimitFlexible": False,
        "status": "ACTIVE",
        "holderType": "MAIN",
        "additionalCards": [],
    }
