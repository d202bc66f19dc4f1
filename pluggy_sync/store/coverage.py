"""
How complete the mirror of an Item is, by account and data product. Callers own the transaction.

Tests: `webhook_app/api/test_coverage.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.sync_plan import TRANSACTIONS
from pluggy_sync.store import tables
from pluggy_sync.store.tables import accounts, data_product_watermarks, incomplete_parts, items, transactions

# The data products that are read as whole lists, by the names of `rules.sync_plan.DATA_PRODUCTS`.
_TABLES = {
    "creditCards": tables.bills,
    "investments": tables.investments,
    "investmentsTransactions": tables.investment_transactions,
    "identity": tables.identities,
    "loans": tables.loans,
    "consents": tables.consents,
}


@dataclass(frozen=True, kw_only=True)
class Covered:
    """
    What is stored of one data product; of one account, if *account_id* is given.

    `missing`: rows that Pluggy does not list now. `first` and `last` are days of transactions. `read_from`: the first
    day that the last sync compared; None: everything. `collected_at`: the collection at the bank up to which all is
    stored. `compared_at`: when the whole year of the Item's transactions was last compared with Pluggy's. None: never.
    """

    product: str
    account_id: str | None
    rows: int
    missing: int
    first: date | None = None
    last: date | None = None
    read_from: date | None = None
    collected_at: datetime | None
    stored_at: datetime | None
    compared_at: datetime | None = None
    missing_since: datetime | None = None

    @classmethod
    def nothing_of(cls, product: str) -> "Covered":
        """Return that nothing is stored of *product*."""
        return cls(product=product, account_id=None, rows=0, missing=0, collected_at=None, stored_at=None)


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """A part that could not be read completely. `part_of`: the account or investment; empty: the Item itself."""

    product: str
    part_of: str
    reason: str
    detail: str
    since: datetime
    retry_at: datetime | None


_ITEM = sa.bindparam("item", type_=sa.Text)


def _of_transactions() -> sa.Select[Any]:
    counted = (
        sa.select(
            transactions.c.account_id,
            sa.func.count().label("rows"),
            sa.func.min(transactions.c.day).label("first"),
            sa.func.max(transactions.c.day).label("last"),
        )
        .where(transactions.c.item_id == _ITEM)
        .group_by(transactions.c.account_id)
        .subquery()
    )
    return (
        sa.select(
            accounts.c.id,
            sa.func.coalesce(counted.c.rows, 0).label("rows"),
            counted.c.first,
            counted.c.last,
            accounts.c.synced_from_day,
            accounts.c.synced_through,
            accounts.c.synced_at,
            accounts.c.missing_since,
            items.c.reconciled_at,
        )
        .join(items, items.c.id == accounts.c.item_id)
        .outerjoin(counted, counted.c.account_id == accounts.c.id)
        .where(accounts.c.item_id == _ITEM)
        .order_by(accounts.c.id)
    )


_OF_TRANSACTIONS = _of_transactions()


def of_transactions(conn: Connection, item_id: str) -> Sequence[Covered]:
    """Return what is stored of the transactions of each account, by its id."""
    return [
        Covered(
            product=TRANSACTIONS,
            account_id=row.id,
            rows=row.rows,
            missing=0,
            first=row.first,
            last=row.last,
            read_from=row.synced_from_day,
            collected_at=row.synced_through,
            stored_at=row.synced_at,
            compared_at=row.reconciled_at,
            missing_since=row.missing_since,
        )
        for row in conn.execute(_OF_TRANSACTIONS, {"item": item_id})
    ]


_WATERMARKS = sa.select(data_product_watermarks).where(data_product_watermarks.c.item_id == _ITEM)
# One statement for all tables: most of them have nothing of an Item.
_COUNTS = sa.union_all(
    *(
        sa.select(
            sa.literal_column(f"'{product}'", sa.Text).label("product"),
            sa.func.count().label("rows"),
            sa.func.count(table.c.missing_since).label("missing"),
            sa.func.max(table.c.synced_at).label("stored_at"),
        ).where(table.c.item_id == _ITEM)
        for product, table in _TABLES.items()
    )
)


def of_data_products(conn: Connection, item_id: str) -> Sequence[Covered]:
    """Return what is stored of each data product that is read as a whole list, if it was read once or has rows."""
    marks = {row.product: row for row in conn.execute(_WATERMARKS, {"item": item_id})}
    counted = {row.product: row for row in conn.execute(_COUNTS, {"item": item_id})}
    covered = []
    for product in _TABLES:
        counts, mark = counted[product], marks.get(product)
        if mark is None and not counts.rows:
            continue
        covered.append(
            Covered(
                product=product,
                account_id=None,
                rows=counts.rows,
                missing=counts.missing,
                collected_at=None if mark is None else mark.collected_at,
                stored_at=counts.stored_at if mark is None else mark.synced_at,
            )
        )
    return covered


_INCOMPLETE = (
    sa.select(*[incomplete_parts.c[name] for name in Incomplete.__dataclass_fields__])
    .where(incomplete_parts.c.item_id == _ITEM)
    .order_by(incomplete_parts.c.product, incomplete_parts.c.part_of)
)


def incomplete(conn: Connection, item_id: str) -> Sequence[Incomplete]:
    """Return the parts of the Item that could not be read completely."""
    return [Incomplete(**row._mapping) for row in conn.execute(_INCOMPLETE, {"item": item_id})]
