"""Accounts of the mirror. Callers own the transaction and hold the Item's write lock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.api import payloads
from pluggy_sync.store.tables import accounts


def save(conn: Connection, found: Sequence[payloads.Account], *, now: datetime) -> None:
    """Keep *found*. An account that is no longer listed is kept: an answer may lack it by mistake."""
    if not found:
        return
    new = insert(accounts).values(
        [
            {
                "id": each.id,
                "item_id": each.item_id,
                "type": each.type,
                "subtype": each.subtype,
                "number": each.number,
                "name": each.name,
                "balance": each.balance,
                "currency_code": each.currency_code,
                "raw": each.raw,
                "synced_at": now,
            }
            for each in found
        ]
    )
    columns = [column.name for column in accounts.columns if column.name not in ("id", "item_id")]
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[accounts.c.id],
            set_={name: new.excluded[name] for name in columns},
            # An id that another Item holds is not taken over.
            where=accounts.c.item_id == new.excluded.item_id,
        )
    )


def of_item(conn: Connection, item_id: str) -> Sequence[sa.Row[Any]]:
    """Return the Item's accounts, in the order of their ids."""
    return conn.execute(sa.select(accounts).where(accounts.c.item_id == item_id).order_by(accounts.c.id)).all()


def get(conn: Connection, account_id: str) -> sa.Row[Any] | None:
    """Return the account, or None."""
    return conn.execute(sa.select(accounts).where(accounts.c.id == account_id)).one_or_none()
