"""
Data products that are read again as whole lists: bills, investments and their movements, identity, loans, consents.

A list is merged by set. Unchanged rows are not written. Rows that the list lacks are marked, never removed. A row needs
an id. One without is kept in `unreadable_rows`, and then the list proves nothing about the rows that it lacks.
Callers own the transaction and hold the Item's write lock.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy import fields, payloads
from pluggy_sync.pluggy.payloads import Raw
from pluggy_sync.pluggy.unreadable import UnreadableRow, unreadable_row
from pluggy_sync.store import tables, unreadable_rows
from pluggy_sync.store.given_rows import as_parameter, given
from pluggy_sync.store.tables import data_product_watermarks

ROWS_PER_STATEMENT = 500


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A table and, for each of its columns, the key in Pluggy's object (Pluggy facts 5.7, 5.8)."""

    table: sa.Table
    keys: dict[str, str]


BILLS = Listed(
    table=tables.bills,
    keys={
        "due_date": "dueDate",
        "closing_date": "billClosingDate",
        "total_amount": "totalAmount",
        "minimum_payment_amount": "minimumPaymentAmount",
        "currency_code": "totalAmountCurrencyCode",
    },
)
INVESTMENTS = Listed(
    table=tables.investments,
    keys={
        "type": "type",
        "subtype": "subtype",
        "name": "name",
        "status": "status",
        "balance": "balance",
        "amount": "amount",
        "currency_code": "currencyCode",
        "due_date": "dueDate",
    },
)
INVESTMENT_TRANSACTIONS = Listed(
    table=tables.investment_transactions,
    keys={
        "type": "type",
        "movement_type": "movementType",
        "date": "date",
        "amount": "amount",
        "quantity": "quantity",
        "value": "value",
    },
)
IDENTITIES = Listed(table=tables.identities, keys={"full_name": "fullName", "tax_number": "taxNumber"})
LOANS = Listed(
    table=tables.loans,
    keys={
        "contract_number": "contractNumber",
        "product_name": "productName",
        "type": "type",
        "kind": "kind",
        "contract_amount": "contractAmount",
        "currency_code": "currencyCode",
        "due_date": "dueDate",
    },
)
CONSENTS = Listed(
    table=tables.consents,
    keys={"created_at": "createdAt", "expires_at": "expiresAt", "revoked_at": "revokedAt"},
)


def merge(
    conn: Connection, listed: Listed, item_id: str, parent_id: str, found: Sequence[Any], *, now: datetime
) -> None:
    """
    Merge the whole list of *parent_id*, rows as they came. Of two rows with one id the later counts.

    An empty list changes nothing: empty is not deletion.
    """
    readable, odd = _split(listed.table.name, parent_id, found)
    rows = [_row(listed, item_id, parent_id, raw, now) for raw in readable]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[start : start + ROWS_PER_STATEMENT]
        conn.execute(_upsert_into(listed.table), {"rows": as_parameter(some)})
    if rows and not odd:
        _mark_missing(conn, listed.table, parent_id, [row["id"] for row in rows], now=now)
    if rows or odd:
        unreadable_rows.replace_list(conn, item_id, listed.table.name, parent_id, odd, now=now)


def _split(what: str, parent_id: str, found: Sequence[Any]) -> tuple[list[Raw], list[UnreadableRow]]:
    """Return the rows of *found* that have an id, each id once, and those that have none."""
    readable: dict[str, Raw] = {}
    odd: list[UnreadableRow] = []
    for raw in found:
        try:
            readable[payloads.row_id(what, raw)] = raw
        except payloads.UnreadableError as exc:
            odd.append(unreadable_row(what, parent_id, raw, exc))
    return list(readable.values()), odd


def _row(listed: Listed, item_id: str, parent_id: str, raw: Raw, now: datetime) -> dict[str, Any]:
    typed = {column: _TYPED[type(listed.table.c[column].type)](raw.get(key)) for column, key in listed.keys.items()}
    return {
        "id": raw["id"],
        "item_id": item_id,
        "parent_id": parent_id,
        **typed,
        "raw": raw,
        "synced_at": now,
        "missing_since": None,
    }


_TYPED: dict[type[Any], Callable[[Any], Any]] = {
    sa.Text: fields.text,
    sa.Numeric: fields.number,
    sa.Date: fields.day,
    sa.DateTime: fields.instant,
}


@functools.cache
def _upsert_into(table: sa.Table) -> sa.Insert:
    names = [column.name for column in table.columns]
    new = insert(table).from_select(names, sa.select(given(table.columns)))
    return new.on_conflict_do_update(
        index_elements=[table.c.id],
        set_={name: new.excluded[name] for name in names if name not in ("id", "item_id", "parent_id")},
        where=sa.and_(
            # An id of another Item's row is not taken over.
            table.c.item_id == new.excluded.item_id,
            sa.or_(table.c.raw.is_distinct_from(new.excluded.raw), table.c.missing_since.is_not(None)),
        ),
    )


@functools.cache
def _mark_missing_in(table: sa.Table) -> sa.Update:
    return sa.update(table).where(
        table.c.parent_id == sa.bindparam("parent"),
        table.c.missing_since.is_(None),
        table.c.id != sa.func.all(sa.bindparam("listed", type_=sa.ARRAY(sa.Text))),
    )


def _mark_missing(conn: Connection, table: sa.Table, parent_id: str, listed: list[str], *, now: datetime) -> None:
    conn.execute(_mark_missing_in(table), {"parent": parent_id, "listed": listed, "missing_since": now})


@functools.cache
def _ids_in(table: sa.Table) -> sa.Select[str]:
    of_item = table.c.item_id == sa.bindparam("item")
    return sa.select(table.c.id).where(of_item, table.c.missing_since.is_(None)).order_by(table.c.id)


def ids(conn: Connection, listed: Listed, item_id: str) -> list[str]:
    """Return the ids of the Item's rows that were in the last list."""
    return list(conn.scalars(_ids_in(listed.table), {"item": item_id}))


@functools.cache
def _ids_of_parent_in(table: sa.Table) -> sa.Select[str]:
    of_parent = table.c.parent_id == sa.bindparam("parent")
    stmt = sa.select(table.c.id).where(of_parent, table.c.missing_since.is_(None))
    return stmt.order_by(table.c.id).limit(sa.bindparam("limit"))


def ids_of(conn: Connection, listed: Listed, parent_id: str, *, limit: int) -> list[str]:
    """Return the ids of at most *limit* rows that were in the last list that was asked of *parent_id*."""
    return list(conn.scalars(_ids_of_parent_in(listed.table), {"parent": parent_id, "limit": limit}))


@functools.cache
def _mark_missing_among(table: sa.Table) -> sa.Update:
    among = table.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))
    return sa.update(table).where(among, table.c.missing_since.is_(None))


def mark_missing(conn: Connection, listed: Listed, row_ids: Sequence[str], *, now: datetime) -> None:
    """Mark the rows *row_ids*, which Pluggy no longer gives."""
    conn.execute(_mark_missing_among(listed.table), {"ids": list(row_ids), "missing_since": now})


@functools.cache
def _mark_missing_with(parents: sa.Table, table: sa.Table) -> sa.Update:
    item = sa.bindparam("item", type_=sa.Text)
    missing = sa.select(parents.c.id).where(parents.c.item_id == item, parents.c.missing_since.is_not(None))
    return sa.update(table).where(
        table.c.item_id == item, table.c.missing_since.is_(None), table.c.parent_id.in_(missing)
    )


def mark_missing_with_parents(
    conn: Connection, listed: Listed, parents: sa.Table, item_id: str, *, now: datetime
) -> None:
    """Mark the Item's rows whose parent is missing: no list has them."""
    conn.execute(_mark_missing_with(parents, listed.table), {"item": item_id, "missing_since": now})


@dataclass(frozen=True, kw_only=True)
class ListedRow:
    """A row as last read. `raw` is Pluggy's object; `parent_id` is what its list was asked of."""

    id: str
    parent_id: str
    raw: Raw = field(repr=False)
    # Since when Pluggy does not list it; None: it does.
    missing_since: datetime | None


@functools.cache
def _rows_after(table: sa.Table) -> sa.Select[Any]:
    columns = [table.c[each.name] for each in dataclasses.fields(ListedRow)]
    of_item = (table.c.item_id == sa.bindparam("item"), table.c.id > sa.bindparam("after"))
    return sa.select(*columns).where(*of_item).order_by(table.c.id).limit(sa.bindparam("limit"))


def after(conn: Connection, listed: Listed, item_id: str, row_id: str | None, *, limit: int) -> Sequence[ListedRow]:
    """Return the Item's rows that come after *row_id* in the order of ids; None begins."""
    # No id is empty.
    rows = conn.execute(_rows_after(listed.table), {"item": item_id, "after": row_id or "", "limit": limit})
    return [ListedRow(**row._mapping) for row in rows]


_WATERMARK = insert(data_product_watermarks)
_MOVE_WATERMARK = _WATERMARK.on_conflict_do_update(
    index_elements=[data_product_watermarks.c.item_id, data_product_watermarks.c.product],
    set_={
        "collected_at": sa.func.greatest(data_product_watermarks.c.collected_at, _WATERMARK.excluded.collected_at),
        "synced_at": _WATERMARK.excluded.synced_at,
    },
)


def move_watermark(conn: Connection, item_id: str, product: str, collected_at: datetime, *, now: datetime) -> None:
    """Record that the collection of *product* at *collected_at* is stored; the watermark only moves forward."""
    moments = {"collected_at": collected_at, "synced_at": now}
    conn.execute(_MOVE_WATERMARK, {"item_id": item_id, "product": product, **moments})


def _save_categories() -> sa.Insert:
    table = tables.categories
    names = [column.name for column in table.columns]
    new = insert(table).from_select(names, sa.select(given(table.columns)))
    changed = {name: new.excluded[name] for name in names if name != "id"}
    return new.on_conflict_do_update(index_elements=[table.c.id], set_=changed)


_SAVE_CATEGORIES = _save_categories()


def categories_older_than(conn: Connection, moment: datetime) -> bool:
    """Return whether the categories were last read before *moment*, or never."""
    newest: datetime | None = conn.scalar(sa.select(sa.func.max(tables.categories.c.synced_at)))
    return newest is None or newest < moment


def save_categories(conn: Connection, found: Sequence[Any], *, now: datetime) -> None:
    """Save Pluggy's categories as they came. Of two with one id the later counts."""
    table = tables.categories
    readable, odd = _split(table.name, unreadable_rows.NO_ITEM, found)
    rows = [
        {
            "id": raw["id"],
            "description": fields.text(raw.get("description")),
            "description_translated": fields.text(raw.get("descriptionTranslated")),
            "parent_id": fields.text(raw.get("parentId")),
            "raw": raw,
            "synced_at": now,
        }
        for raw in readable
    ]
    if rows or odd:
        unreadable_rows.replace_list(conn, unreadable_rows.NO_ITEM, table.name, "", odd, now=now)
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        conn.execute(_SAVE_CATEGORIES, {"rows": as_parameter(rows[start : start + ROWS_PER_STATEMENT])})
