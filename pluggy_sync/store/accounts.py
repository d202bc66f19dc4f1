"""
Accounts of the mirror. Callers own the transaction and hold the Item's write lock.

Tests: `engine/sync/test_item.py`, `promises/test_promise_6_empty_is_not_deletion.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.pluggy import payloads
from pluggy_sync.rules.sync_plan import AccountState
from pluggy_sync.store.given_rows import as_parameter, given
from pluggy_sync.store.tables import INSTANT, accounts


@dataclass(frozen=True, kw_only=True)
class StoredAccount:
    """An account as last read. `raw` is Pluggy's object."""

    id: str
    raw: dict[str, Any] = field(repr=False)
    synced_at: datetime
    # Since when Pluggy does not list it; None: it does.
    missing_since: datetime | None


_COLUMNS = [accounts.c[each.name] for each in fields(StoredAccount)]


# A sync of its transactions tells the rest.
_SAVED = [column for column in accounts.columns if column.name not in ("synced_through", "synced_from_day")]


def _save() -> sa.Insert:
    names = [column.name for column in _SAVED]
    new = insert(accounts).from_select(names, sa.select(given(_SAVED)))
    return new.on_conflict_do_update(
        index_elements=[accounts.c.id],
        set_={name: new.excluded[name] for name in names if name not in ("id", "item_id")},
        # An id of another Item's account is not taken over.
        where=accounts.c.item_id == new.excluded.item_id,
    )


_SAVE = _save()


def save(conn: Connection, item_id: str, found: Sequence[payloads.Account], *, now: datetime) -> None:
    """Keep the accounts *found* in the Item's list. One that is listed twice is one; the later copy stands."""
    if not found:
        return
    once = {each.id: each for each in found}.values()
    rows = [
        {
            "id": each.id,
            "item_id": item_id,
            "type": each.type,
            "subtype": each.subtype,
            "number": each.number,
            "name": each.name,
            "balance": each.balance,
            "currency_code": each.currency_code,
            "raw": each.raw,
            "synced_at": now,
            "missing_since": None,
        }
        for each in once
    ]
    conn.execute(_SAVE, {"rows": as_parameter(rows)})


_MARK_UNLISTED = sa.update(accounts).where(
    accounts.c.item_id == sa.bindparam("item"),
    accounts.c.missing_since.is_(None),
    accounts.c.id != sa.func.all(sa.bindparam("listed", type_=sa.ARRAY(sa.Text))),
)


def mark_unlisted(conn: Connection, item_id: str, found: Sequence[payloads.Account], *, now: datetime) -> None:
    """
    Mark the Item's accounts that are not among *found*, the whole list. They stay.

    An empty list changes nothing: empty is not deletion.
    """
    if not found:
        return
    conn.execute(_MARK_UNLISTED, {"item": item_id, "listed": [each.id for each in found], "missing_since": now})


_MOVE_WATERMARK = (
    sa.update(accounts)
    .where(accounts.c.id == sa.bindparam("account"))
    .values(synced_through=sa.func.greatest(accounts.c.synced_through, sa.bindparam("through", type_=INSTANT)))
)


def move_watermark(
    conn: Connection, account_id: str, *, synced_through: datetime | None, from_day: date | None
) -> None:
    """Record up to which collection the account's transactions are stored. It only moves forward."""
    conn.execute(_MOVE_WATERMARK, {"account": account_id, "through": synced_through, "synced_from_day": from_day})


_MARK_MISSING = sa.update(accounts).where(
    accounts.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))), accounts.c.missing_since.is_(None)
)


def mark_missing(conn: Connection, ids: Sequence[str], *, now: datetime) -> None:
    """Mark the accounts *ids*, which Pluggy no longer gives."""
    conn.execute(_MARK_MISSING, {"ids": list(ids), "missing_since": now})


_STATES = sa.select(accounts).where(accounts.c.item_id == sa.bindparam("item")).order_by(accounts.c.id)


def states(conn: Connection, item_id: str) -> tuple[AccountState, ...]:
    """Return what a sync needs of the Item's accounts, in the order of their ids."""
    rows = conn.execute(_STATES, {"item": item_id})
    return tuple(
        AccountState(
            id=row.id,
            type=row.type,
            balance=row.balance,
            listed=row.missing_since is None,
            synced_through=row.synced_through,
        )
        for row in rows
    )


_IS_STORED = sa.select(sa.exists().where(accounts.c.id == sa.bindparam("account")))


def is_stored(conn: Connection, account_id: str) -> bool:
    """Return whether the account is known here."""
    return bool(conn.scalar(_IS_STORED, {"account": account_id}))


_AFTER = (
    sa.select(*_COLUMNS)
    .where(accounts.c.item_id == sa.bindparam("item"), accounts.c.id > sa.bindparam("after"))
    .order_by(accounts.c.id)
    .limit(sa.bindparam("limit"))
)


def after(conn: Connection, item_id: str, account_id: str | None, *, limit: int) -> Sequence[StoredAccount]:
    """Return the Item's accounts that come after *account_id* in the order of ids; None begins."""
    # No id is empty.
    rows = conn.execute(_AFTER, {"item": item_id, "after": account_id or "", "limit": limit})
    return [StoredAccount(**row._mapping) for row in rows]
