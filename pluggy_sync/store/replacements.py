"""
Posted transactions that took the place of pending ones: who comes into question, and what was found.

Callers own the transaction and hold the Item's write lock.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.replacements import PENDING, Replacement
from pluggy_sync.store import transaction_revisions
from pluggy_sync.store.tables import changes, transactions
from pluggy_sync.store.transactions import append_changes


class Movement(NamedTuple):
    """A stored transaction, as far as `rules.replacements` looks at it."""

    id: str
    account_id: str
    day: dt.date
    description: str | None
    amount: Decimal | None
    currency_code: str | None
    type: str | None
    status: str | None
    provider_id: str | None


_COLUMNS = [transactions.c[name] for name in Movement._fields]


def pending_among(conn: Connection, account_id: str, ids: Collection[str]) -> list[Movement]:
    """Return those of *ids* that are stored pending transactions of the account."""
    rows = conn.execute(
        sa.select(*_COLUMNS).where(
            transactions.c.id == _any(ids), transactions.c.account_id == account_id, transactions.c.status == PENDING
        )
    )
    return [Movement._make(row) for row in rows]


def posted_since(conn: Connection, item_id: str, cursor: int, like: Sequence[Movement]) -> list[Movement]:
    """
    Return the Item's transactions that are not pending, were added to its feed after *cursor*, and replace nothing yet.

    Only those are returned that have the bank's id or the amount of one of *like*.
    """
    amounts = sa.cast([each.amount for each in like if each.amount is not None], sa.ARRAY(sa.Numeric))
    rows = conn.execute(
        sa.select(*_COLUMNS)
        .distinct()
        .join(changes, changes.c.transaction_id == transactions.c.id)
        .where(
            changes.c.item_id == item_id,
            changes.c.seq > cursor,
            changes.c.kind == "added",
            transactions.c.item_id == item_id,
            transactions.c.status.is_distinct_from(PENDING),
            transactions.c.replaces.is_(None),
            sa.or_(
                transactions.c.provider_id == _any({each.provider_id for each in like if each.provider_id}),
                transactions.c.amount == sa.func.any(amounts),
            ),
        )
    )
    return [Movement._make(row) for row in rows]


def note(conn: Connection, item_id: str, found: Sequence[Replacement], *, now: dt.datetime) -> None:
    """
    Keep what was *found* with the rows that replace another, each of which the feed shows as modified.

    Call it before the replaced rows are removed: whoever follows the feed learns of the new row's part first.
    """
    if not found:
        return
    ids = transaction_revisions.keep(conn, item_id, [each.id for each in found], account_id=None, now=now)
    columns = (sa.column("id", sa.Text), sa.column("replaces", sa.Text), sa.column("rule", sa.Text))
    given = sa.values(*columns, name="found").data([(each.id, each.replaces, each.rule.value) for each in found])
    noted = conn.execute(
        sa.update(transactions)
        .where(transactions.c.id == given.c.id, transactions.c.item_id == item_id)
        .values(
            replaces=given.c.replaces,
            replaces_rule=given.c.rule,
            recorded_at=sa.func.greatest(sa.literal(now, sa.DateTime(timezone=True)), transactions.c.recorded_at),
        )
        .returning(transactions.c.id, transactions.c.account_id)
    ).all()
    account_of = {row.id: row.account_id for row in noted}
    append_changes(conn, item_id, [("modified", each, account_of[each]) for each in ids], now=now)


def _any(texts: Collection[str]) -> sa.ColumnElement[str]:
    return sa.func.any(sa.cast(list(texts), sa.ARRAY(sa.Text)))
