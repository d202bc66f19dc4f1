"""
The mirror as Pluggy's own reads show it: Pluggy's objects, without what Pluggy lists no more. It only reads.

Tests: `webhook_app/pluggy_copy/test_sdk.py`, `webhook_app/pluggy_copy/test_transactions.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.pluggy.fields import Raw
from pluggy_sync.store.data_products import BILLS, IDENTITIES, Listed
from pluggy_sync.store.tables import accounts, categories, items, transactions


@dataclass(frozen=True)
class PluggyObject:
    """One object of Pluggy's, as it was read last."""

    raw: Raw


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows of a list, Pluggy's objects, and how many the whole list has."""

    rows: Sequence[Raw]
    total: int


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which rows of a list are asked for."""

    skip: int
    most: int


@dataclass(frozen=True, kw_only=True)
class ListedItem:
    """An Item in the list of all, at its place in it."""

    id: str
    first_seen_at: datetime
    raw: Raw


# A tuple, since a page has hundreds of them.
class DatedRow(NamedTuple):
    """A transaction, Pluggy's object, at its place in the list."""

    id: str
    date: datetime
    raw: Raw


def items_before(
    conn: Connection,
    place: tuple[datetime, str] | None,
    *,
    client_user_id: str | None,
    connector_id: int | None,
    limit: int,
) -> Sequence[ListedItem]:
    """Return the next *limit* living Items after *place*, those first that were heard of last; None begins."""
    stmt = sa.select(items.c.id, items.c.first_seen_at, items.c.raw).where(
        items.c.deleted_at.is_(None), items.c.raw.is_not(None)
    )
    if place is not None:
        moment, last_id = place
        stmt = stmt.where(sa.tuple_(items.c.first_seen_at, items.c.id) < sa.tuple_(moment, last_id))
    if client_user_id is not None:
        stmt = stmt.where(items.c.client_user_id == client_user_id)
    if connector_id is not None:
        stmt = stmt.where(items.c.connector_id == connector_id)
    newest_first = stmt.order_by(items.c.first_seen_at.desc(), items.c.id.desc())
    return [ListedItem(**row._mapping) for row in conn.execute(newest_first.limit(limit))]


def account(conn: Connection, account_id: str) -> PluggyObject | None:
    """Return the account, or None."""
    raw: Raw | None = conn.scalar(
        sa.select(accounts.c.raw).where(accounts.c.id == account_id, accounts.c.missing_since.is_(None))
    )
    return None if raw is None else PluggyObject(raw)


def accounts_of(conn: Connection, item_id: str, *, type_: str | None, part: Slice) -> Part:
    """Return the Item's accounts, those of *type_* if it is given."""
    listed = sa.select(accounts.c.raw).where(accounts.c.item_id == item_id, accounts.c.missing_since.is_(None))
    if type_ is not None:
        listed = listed.where(accounts.c.type == type_)
    return _part(conn, listed, part, accounts.c.id)


def row(conn: Connection, listed: Listed, row_id: str) -> PluggyObject | None:
    """Return one row of a data product, or None."""
    table = listed.table
    raw: Raw | None = conn.scalar(sa.select(table.c.raw).where(table.c.id == row_id, table.c.missing_since.is_(None)))
    return None if raw is None else PluggyObject(raw)


def rows_of(conn: Connection, listed: Listed, parent_id: str, *, type_: str | None = None, part: Slice) -> Part:
    """Return the rows of a data product that are listed for *parent_id*, those of *type_* if it is given."""
    table = listed.table
    found = sa.select(table.c.raw).where(table.c.parent_id == parent_id, table.c.missing_since.is_(None))
    if type_ is not None:
        found = found.where(table.c.type == type_)
    # Pluggy names an order for bills only (Pluggy facts 5.7).
    order = (table.c.due_date.desc(), table.c.id) if listed is BILLS else (table.c.id,)
    return _part(conn, found, part, *order)


def identity_of(conn: Connection, item_id: str) -> PluggyObject | None:
    """Return whose the Item is, as read last; None: that is not known."""
    table = IDENTITIES.table
    raw: Raw | None = conn.scalar(
        sa.select(table.c.raw)
        .where(table.c.parent_id == item_id, table.c.missing_since.is_(None))
        .order_by(table.c.synced_at.desc(), table.c.id)
        .limit(1)
    )
    return None if raw is None else PluggyObject(raw)


def category(conn: Connection, category_id: str) -> PluggyObject | None:
    """Return the category, or None."""
    raw: Raw | None = conn.scalar(sa.select(categories.c.raw).where(categories.c.id == category_id))
    return None if raw is None else PluggyObject(raw)


def categories_below(conn: Connection, parent_id: str | None, *, part: Slice) -> Part:
    """Return the categories below *parent_id*; None: all."""
    found = sa.select(categories.c.raw)
    if parent_id is not None:
        found = found.where(categories.c.parent_id == parent_id)
    return _part(conn, found, part, categories.c.id)


def _part(conn: Connection, listed: sa.Select[Any], part: Slice, *order: sa.ColumnElement[Any]) -> Part:
    rows = conn.scalars(listed.order_by(*order).offset(part.skip).limit(part.most)).all()
    if not part.skip and len(rows) < part.most:
        return Part(rows=rows, total=len(rows))
    total = conn.scalar(sa.select(sa.func.count()).select_from(listed.subquery()))
    return Part(rows=rows, total=total or 0)


def _of_listed_account() -> sa.ColumnElement[bool]:
    return sa.exists().where(accounts.c.id == transactions.c.account_id, accounts.c.missing_since.is_(None))


def transaction(conn: Connection, transaction_id: str) -> PluggyObject | None:
    """Return the transaction, or None."""
    raw: Raw | None = conn.scalar(
        sa.select(transactions.c.raw).where(transactions.c.id == transaction_id, _of_listed_account())
    )
    return None if raw is None else PluggyObject(raw)


def transactions_by_ids(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, PluggyObject]:
    """Return those of *ids* that are transactions of the account."""
    found = conn.execute(
        sa.select(transactions.c.id, transactions.c.raw).where(
            transactions.c.id == sa.func.any(sa.cast(list(ids), sa.ARRAY(sa.Text))),
            transactions.c.account_id == account_id,
        )
    )
    return {each.id: PluggyObject(each.raw) for each in found}


def transactions_before(
    conn: Connection,
    account_id: str,
    place: tuple[datetime, str] | None,
    *,
    date_from: date | None,
    date_to: date | None,
    created_from: datetime | None,
    limit: int,
) -> Sequence[DatedRow]:
    """
    Return the account's next *limit* transactions, newest first, from those after *place* (date, id); None begins.

    *date_from* and *date_to* are days in UTC, both included. *created_from*: only what Pluggy ingested since then.
    """
    stmt = sa.select(transactions.c.id, transactions.c.date, transactions.c.raw).where(
        transactions.c.account_id == account_id
    )
    if place is not None:
        moment, last_id = place
        later_id = sa.and_(transactions.c.date == moment, transactions.c.id > last_id)
        stmt = stmt.where(transactions.c.date <= moment, sa.or_(transactions.c.date < moment, later_id))
    if date_from is not None:
        stmt = stmt.where(transactions.c.date >= _midnight(date_from))
    if date_to is not None:
        stmt = stmt.where(transactions.c.date < _midnight(date_to) + timedelta(days=1))
    if created_from is not None:
        stmt = stmt.where(transactions.c.created_at >= created_from)
    newest_first = stmt.order_by(transactions.c.date.desc(), transactions.c.id)
    return [DatedRow._make(each) for each in conn.execute(newest_first.limit(limit))]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
