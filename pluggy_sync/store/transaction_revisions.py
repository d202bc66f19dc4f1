"""
What transactions were before they were modified or removed. Callers own the transaction.

A content is kept as the feed's entry ends it: who reads "as of" a moment finds what was stored then. The merge keeps
its revisions itself (`store/transactions.py`); this is for changes of single rows, and for the end of their life.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import accounts, history_begins, items

# Both tables have these.
CONTENT = ("id", "account_id", "recorded_at", "date", "day", "status", "raw", "replaces", "replaces_rule")
_CONTENT_LIST = ", ".join(CONTENT)

# In the order of their ids they take the next numbers of the feed, which the caller gives them.
_KEEP = sa.text(
    f"""
    INSERT INTO transaction_revisions (item_id, seq, ended_at, {_CONTENT_LIST})
    SELECT :item_id, (SELECT change_seq FROM items WHERE id = :item_id) + row_number() OVER (ORDER BY id),
           greatest(:now, recorded_at), {_CONTENT_LIST}
    FROM transactions
    WHERE id = ANY (CAST(:ids AS text[])) AND item_id = :item_id AND (account_id = :account_id OR :account_id IS NULL)
    RETURNING id, seq
    """  # noqa: S608 - names of columns
).bindparams(sa.bindparam("account_id", type_=sa.Text))


def keep(conn: Connection, item_id: str, ids: Collection[str], *, account_id: str | None, now: datetime) -> list[str]:
    """
    Keep what the transactions *ids* are, which the caller changes or removes next; return the ids of those there are.

    The caller holds the Item's write lock, and appends one entry for each of them to the feed, in the order returned.
    *account_id*: only those of this account; None: of any.
    """
    rows = conn.execute(_KEEP, {"item_id": item_id, "ids": list(ids), "account_id": account_id, "now": now})
    return [row.id for row in sorted(rows, key=lambda row: row.seq)]


def begins_at(conn: Connection, account_id: str) -> datetime | None:
    """
    Return since when it is known what the account had; None: since its first transaction.

    Of an account whose Item was replaced, only what was left for its successor is known.
    """
    from_when = sa.select(history_begins.c.at).scalar_subquery()
    deleted = (
        sa.select(items.c.deleted_at)
        .join(accounts, accounts.c.item_id == items.c.id)
        .where(accounts.c.id == account_id)
        .scalar_subquery()
    )
    moment: datetime | None = conn.scalar(sa.select(sa.func.greatest(from_when, deleted)))
    return moment


def begin_at(conn: Connection, moment: datetime) -> None:
    """Note that what ended before *moment* is removed, or will be soon."""
    new = insert(history_begins).values(at=moment)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[history_begins.c.is_only], set_={"at": moment}, where=history_begins.c.at < moment
        )
    )
