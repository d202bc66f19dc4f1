"""Holding the mirror in Postgres against the truth, field by field, and against its own change feed."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from pluggy_sync.pluggy import payloads
from pluggy_sync.store import transactions as merging
from pluggy_sync.store.tables import (
    accounts,
    bills,
    changes,
    consents,
    identities,
    investment_transactions,
    investments,
    items,
    loans,
    transactions,
)

Raw = dict[str, Any]

_PRODUCTS = {
    "bills": bills,
    "investments": investments,
    "investmentTransactions": investment_transactions,
    "identity": identities,
    "loans": loans,
    "consents": consents,
}
_COLUMNS = merging.COLUMNS


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """What is stored of one Item."""

    item: sa.Row[Any]
    accounts: list[sa.Row[Any]]
    transactions: list[sa.Row[Any]]
    # By its name in the truth, what is stored of each product that is re-read as a list, without what is missing now.
    products: dict[str, dict[str, Raw]]
    changes: list[sa.Row[Any]]

    def assert_equals(self, truth: Raw) -> None:
        """Check every account and transaction against *truth*, and the feed against the transactions."""
        _assert_same(
            {row.id: row.raw for row in self.accounts}, {raw["id"]: raw for raw in truth["accounts"]}, "accounts"
        )
        _assert_same(
            {row.id: row.raw for row in self.transactions},
            {raw["id"]: raw for raw in truth["transactions"]},
            "transactions",
        )
        for name, stored in self.products.items():
            _assert_same(stored, {raw["id"]: raw for raw in _listed(truth[name])}, name)
        assert self.item.raw["id"] == truth["item"]["id"]
        self.assert_columns_say_what_raw_says()
        self.assert_feed_rebuilds_it()

    def assert_columns_say_what_raw_says(self) -> None:
        """Check the typed columns of each row against the JSON that they were taken from."""
        for row in self.transactions:
            parsed = payloads.transaction(row.raw)
            for name in _COLUMNS:
                assert getattr(row, name) == getattr(parsed, name), name
            assert row.item_id == self.item.id
        for row in self.accounts:
            account = payloads.account(row.raw)
            assert (row.id, row.item_id, row.balance) == (account.id, account.item_id, account.balance)

    def assert_feed_rebuilds_it(self) -> None:
        """Check that the feed has no gap, says nothing that cannot be, and leads to the rows that are stored."""
        assert [change.seq for change in self.changes] == list(range(1, self.item.change_seq + 1))
        known: set[str] = set()
        for change in self.changes:
            if change.kind == "added":
                assert change.transaction_id not in known
                known.add(change.transaction_id)
            else:
                assert change.transaction_id in known
            if change.kind == "removed":
                known.remove(change.transaction_id)
        assert known == {row.id for row in self.transactions}

    def content(self) -> Raw:
        """Return all that two mirrors of one truth must have in common."""
        return {
            "item": self.item.raw,
            "deleted": self.item.deleted_at is not None,
            "watermark": self.item.synced_through,
            "accounts": {row.id: row.raw for row in self.accounts},
            "transactions": {row.id: row.raw for row in self.transactions},
            "products": self.products,
        }


def mirror_of(database: Engine, item_id: str) -> Mirror:
    """Return what is stored of the Item."""
    with database.begin() as conn:

        def rows(table: sa.Table, *order: sa.Column[Any]) -> list[sa.Row[Any]]:
            return list(conn.execute(sa.select(table).where(table.c.item_id == item_id).order_by(*order)))

        return Mirror(
            item=conn.execute(sa.select(items).where(items.c.id == item_id)).one(),
            accounts=rows(accounts, accounts.c.id),
            transactions=rows(transactions, transactions.c.id),
            products={
                name: {row.id: row.raw for row in rows(table) if row.missing_since is None}
                for name, table in _PRODUCTS.items()
            },
            changes=rows(changes, changes.c.seq),
        )


def _listed(part: Any) -> list[Raw]:
    """Return the objects of one part of the truth: a list, a list per parent, a single object, or nothing."""
    if isinstance(part, dict) and "id" not in part:
        return [raw for each in part.values() for raw in each]
    return part if isinstance(part, list) else [part] if part else []


def _assert_same(stored: dict[str, Raw], true: dict[str, Raw], what: str) -> None:
    missing, surplus = true.keys() - stored.keys(), stored.keys() - true.keys()
    differing = {key: _difference(stored[key], true[key]) for key in true.keys() & stored.keys()}
    differing = {key: difference for key, difference in differing.items() if difference}
    assert not missing, f"{what}: {len(missing)} of {len(true)} are missing, as {min(missing)}"
    assert not surplus, f"{what}: {len(surplus)} should not be there, as {min(surplus)}"
    assert not differing, f"{what}: {len(differing)} differ, as {next(iter(differing.items()))}"


def _difference(stored: Raw, true: Raw) -> dict[str, tuple[Any, Any]]:
    keys = stored.keys() | true.keys()
    return {key: (stored.get(key), true.get(key)) for key in keys if stored.get(key) != true.get(key)}
