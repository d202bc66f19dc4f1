"""What the service stored of an Item, compared with the truth of the sandbox field by field."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pluggy_sync.pluggy import payloads
from pluggy_sync.store.tables import (
    accounts,
    bills,
    consents,
    identities,
    investment_transactions,
    investments,
    loans,
    transactions,
)
from pluggy_sync.store.transactions import COLUMNS as TRANSACTION_COLUMNS

Json = dict[str, Any]
Rows = Mapping[str, Json]

ACCOUNT_COLUMNS = ("id", "item_id", "type", "subtype", "number", "name", "balance", "currency_code")

# The other data products, by their names in the truth.
_LISTED = {
    "bills": bills,
    "investments": investments,
    "investmentTransactions": investment_transactions,
    "identity": identities,
    "loans": loans,
    "consents": consents,
}


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """
    What is stored of one Item: the rows of its accounts and transactions, and what Pluggy sent of the others.

    *listed*: by the names of the truth. What Pluggy lists no more is left out.
    """

    accounts: Sequence[sa.RowMapping]
    transactions: Sequence[sa.RowMapping]
    listed: Mapping[str, Rows]

    def differences(self, truth: Json) -> Iterator[str]:
        """Yield each difference from *truth*: of the objects as Pluggy sent them, and of the typed columns."""
        yield from differences(by_id(truth["accounts"]), _raw(self.accounts))
        yield from differences(by_id(truth["transactions"]), _raw(self.transactions))
        for name, rows in self.listed.items():
            yield from (f"{name}: {each}" for each in differences(by_id(_objects(truth[name])), rows))
        for row in self.accounts:
            yield from _columns_that_differ(row, payloads.account(row["raw"]), ACCOUNT_COLUMNS)
        for row in self.transactions:
            yield from _columns_that_differ(row, payloads.transaction(row["raw"]), TRANSACTION_COLUMNS)


def stored(conn: sa.Connection, item_id: str) -> Mirror:
    """Return what is stored of the Item."""

    def rows(table: sa.Table) -> Sequence[sa.RowMapping]:
        return conn.execute(sa.select(table).where(table.c.item_id == item_id)).mappings().all()

    return Mirror(
        accounts=rows(accounts),
        transactions=rows(transactions),
        listed={
            name: _raw(row for row in rows(table) if row["missing_since"] is None) for name, table in _LISTED.items()
        },
    )


def by_id(rows: Iterable[Json]) -> dict[str, Json]:
    """Return *rows* by their ids."""
    return {row["id"]: row for row in rows}


def differences(truth: Rows, seen: Rows, *, ours: Collection[str] = ()) -> Iterator[str]:
    """Yield each row that is on one side only, and each field that differs. The fields *ours* are not in the truth."""
    for id_ in sorted(truth.keys() - seen.keys()):
        yield f"{id_} is missing"
    for id_ in sorted(seen.keys() - truth.keys()):
        yield f"{id_} should not be there"
    for id_ in sorted(truth.keys() & seen.keys()):
        true, row = truth[id_], seen[id_]
        for name in sorted(row.keys() - true.keys() - set(ours)):
            yield f"{id_}: {name} should not be there"
        for name, value in true.items():
            if name not in row:
                yield f"{id_}: {name} is missing"
            elif row[name] != value:
                yield f"{id_}: {name} is {row[name]!r}, not {value!r}"


def _raw(rows: Iterable[sa.RowMapping]) -> dict[str, Json]:
    return {row["id"]: row["raw"] for row in rows}


def _objects(part: Any) -> list[Json]:
    """Return the objects of one part of the truth: a list, a list for each parent, one object, or nothing."""
    if isinstance(part, dict) and "id" not in part:
        return [raw for each in part.values() for raw in each]
    return part if isinstance(part, list) else [part] if part else []


def _columns_that_differ(row: sa.RowMapping, parsed: object, columns: Iterable[str]) -> Iterator[str]:
    for name in columns:
        if row[name] != getattr(parsed, name):
            yield f"{row['id']}: column {name} is {row[name]!r}, not {getattr(parsed, name)!r}"
