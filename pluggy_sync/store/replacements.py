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
from pluggy_sync.store.tables import INSTANT, changes, transactions
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


def _any(texts: str) -> sa.ColumnElement[str]:
    return sa.func.any(sa.bindparam(texts, type_=sa.ARRAY(sa.Text)))


_PENDING_AMONG = sa.select(*_COLUMNS).where(
    transactions.c.id == _any("ids"),
    transactions.c.account_id == sa.bindparam("account"),
    transactions.c.status == PENDING,
)


def pending_among(conn: Connection, account_id: str, ids: Collection[str]) -> list[Movement]:
    """Return those of *ids* that are stored pending transactions of the account."""
    rows = conn.execute(_PENDING_AMONG, {"ids": list(ids), "account": account_id})
    return [Movement._make(row) for row in rows]


_POSTED_SINCE = (
    sa.select(*_COLUMNS)
    .distinct()
    .join(changes, changes.c.transaction_id == transactions.c.id)
    .where(
        changes.c.item_id == sa.bindparam("item"),
        changes.c.seq > sa.bindparam("cursor"),
        changes.c.kind == "added",
        transactions.c.item_id == sa.bindparam("item"),
        transactions.c.status.is_distinct_from(PENDING),
        transactions.c.replaces.is_(None),
        sa.or_(
            transactions.c.provider_id == _any("provider_ids"),
            transactions.c.amount == sa.func.any(sa.bindparam("amounts", type_=sa.ARRAY(sa.Numeric))),
        ),
    )
)


def posted_since(conn: Connection, item_id: str, cursor: int, like: Sequence[Movement]) -> list[Movement]:
    """
    Return the Item's transactions that are not pending, were added to its feed after *cursor*, and replace nothing yet.

    Only those are returned that have the bank's id or the amount of one of *like*.
    """
    given = {
        "provider_ids": list({each.provider_id for each in like if each.provider_id}),
        "amounts": [each.amount for each in like if each.amount is not None],
    }
    rows = conn.execute(_POSTED_SINCE, {"item": item_id, "cursor": cursor, **given})
    return [Movement._make(row) for row in rows]


def _note() -> sa.Update:
    found = sa.func.unnest(
        *(sa.bindparam(name, type_=sa.ARRAY(sa.Text)) for name in ("ids", "replaced_ids", "rules"))
    ).table_valued("id", "replaces", "rule")
    found = found.render_derived(name="found")
    return (
        sa.update(transactions)
        .where(transactions.c.id == found.c.id, transactions.c.item_id == sa.bindparam("item"))
        .values(
            replaces=found.c.replaces,
            replaces_rule=found.c.rule,
            recorded_at=sa.func.greatest(sa.bindparam("now", type_=INSTANT), transactions.c.recorded_at),
        )
        .returning(transactions.c.id, transactions.c.account_id)
    )


_NOTE = _note()


def note(conn: Connection, item_id: str, found: Sequence[Replacement], *, now: dt.datetime) -> None:
    """
    Keep what was *found* with the rows that replace another, each of which the feed shows as modified.

    Call it before the replaced rows are removed: whoever follows the feed learns of the new row's part first.
    """
    if not found:
        return
    ids = transaction_revisions.keep(conn, item_id, [each.id for each in found], account_id=None, now=now)
    given = {
        "ids": [each.id for each in found],
        "replaced_ids": [each.replaces for each in found],
        "rules": [each.rule.value for each in found],
    }
    noted = conn.execute(_NOTE, {"item": item_id, "now": now, **given}).all()
    account_of = {row.id: row.account_id for row in noted}
    append_changes(conn, item_id, [("modified", each, account_of[each]) for each in ids], now=now)
