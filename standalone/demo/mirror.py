"""Holds what the service stored against the sandbox's truth, field by field."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.store.tables import accounts, transactions

Json = dict[str, Any]
Rows = Mapping[str, Json]

# The typed columns, and the field each is made from.
_TRANSACTION_COLUMNS = {
    "account_id": "accountId",
    "description": "description",
    "amount": "amount",
    "amount_in_account_currency": "amountInAccountCurrency",
    "currency_code": "currencyCode",
    "type": "type",
    "status": "status",
    "category_id": "categoryId",
    "provider_id": "providerId",
}
_TRANSACTION_INSTANTS = {"date": "date", "created_at": "createdAt", "updated_at": "updatedAt"}
_ACCOUNT_COLUMNS = {
    "type": "type",
    "subtype": "subtype",
    "number": "number",
    "name": "name",
    "balance": "balance",
    "currency_code": "currencyCode",
}


def by_id(rows: Iterable[Json]) -> dict[str, Json]:
    """Return *rows* by their ids."""
    return {row["id"]: row for row in rows}


def differences(truth: Rows, seen: Rows) -> Iterator[str]:
    """Yield each row that is on one side only and each field that differs. Fields of our own are passed over."""
    for id_ in sorted(truth.keys() - seen.keys()):
        yield f"{id_} is missing"
    for id_ in sorted(seen.keys() - truth.keys()):
        yield f"{id_} should not be there"
    for id_ in sorted(truth.keys() & seen.keys()):
        for name, value in truth[id_].items():
            if name not in seen[id_]:
                yield f"{id_}: {name} is missing"
            elif seen[id_][name] != value:
                yield f"{id_}: {name} is {seen[id_][name]!r}, not {value!r}"


def stored_transactions(conn: sa.Connection, item_id: str) -> dict[str, Json]:
    """Return the raw objects of an item's transactions, by id."""
    rows = conn.execute(sa.select(transactions.c.id, transactions.c.raw).where(transactions.c.item_id == item_id))
    return {row.id: row.raw for row in rows}


def stored_accounts(conn: sa.Connection, item_id: str) -> dict[str, Json]:
    """Return the raw objects of an item's accounts, by id."""
    rows = conn.execute(sa.select(accounts.c.id, accounts.c.raw).where(accounts.c.item_id == item_id))
    return {row.id: row.raw for row in rows}


def column_differences(conn: sa.Connection, item_id: str, truth: Json) -> Iterator[str]:
    """Yield each typed column that says something else than the field it is made from."""
    true_rows = by_id(truth["transactions"])
    for row in conn.execute(sa.select(transactions).where(transactions.c.item_id == item_id)).mappings():
        yield from _columns_that_differ(row, true_rows.get(row["id"], {}), _TRANSACTION_COLUMNS)
        for column, name in _TRANSACTION_INSTANTS.items():
            if row[column] != wire.instant(true_rows.get(row["id"], {}).get(name)):
                yield f"{row['id']}: column {column} is {row[column]}"
    true_accounts = by_id(truth["accounts"])
    for row in conn.execute(sa.select(accounts).where(accounts.c.item_id == item_id)).mappings():
        yield from _columns_that_differ(row, true_accounts.get(row["id"], {}), _ACCOUNT_COLUMNS)


def _columns_that_differ(row: sa.RowMapping, true: Json, columns: Mapping[str, str]) -> Iterator[str]:
    for column, name in columns.items():
        if row[column] != true.get(name):
            yield f"{row['id']}: column {column} is {row[column]!r}, not {true.get(name)!r}"
