"""
Rows of accounts that took the place of others: which two are one, what only the older account has, and what is kept
of an Item that is gone.

Callers own the transaction and hold the write locks of the Items.

Tests: `engine/test_succession.py`, `store/test_series.py`.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.rules.succession import Rows
from pluggy_sync.store.tables import account_links, accounts, balances, bills, transaction_links, transactions

# Evidence is taken from the last days that both accounts cover: enough to tell, and bounded.
_EVIDENCE_DAYS = 60
# A row that the bank dates back after the older account was last read may still be one of its rows.
_DATED_BACK_DAYS = 5

_ANCESTORS = sa.text(
    """
    WITH RECURSIVE ancestors (account_id) AS (
        SELECT old_account_id FROM account_links WHERE new_account_id = :account_id
        UNION
        SELECT old_account_id FROM account_links JOIN ancestors ON new_account_id = ancestors.account_id
    )
    SELECT account_id FROM ancestors
    """
)

# Texts as two connectors of one bank may write them.
_WORDS = "lower(regexp_replace(coalesce(description, ''), '\\s+', ' ', 'g'))"
_VALUE = "coalesce(amount_in_account_currency, amount)"

# How rows are found to be the same, the surest way first; what is paired is not looked at again. The last ones are for
# rows that two connectors date differently.
_WAYS = (
    ("provider_id", "provider_id", "provider_id IS NOT NULL"),
    (f"day, {_VALUE}, {_WORDS}", f"day, {_VALUE}, {_WORDS}", "true"),
    (f"day, {_VALUE}", f"day, {_VALUE}", "true"),
    (f"day + 1, {_VALUE}", f"day, {_VALUE}", "true"),
    (f"day - 1, {_VALUE}", f"day, {_VALUE}", "true"),
)


def _pairing(way: tuple[str, str, str]) -> sa.TextClause:
    of_old, of_new, condition = way
    return sa.text(
        f"""
        INSERT INTO transaction_links (old_id, new_id, old_account_id, new_account_id)
        SELECT old.id, new.id, old.account_id, :account_id
        FROM (
            SELECT id, account_id, ROW({of_old}) AS key,
                   row_number() OVER (PARTITION BY {of_old} ORDER BY date, id) AS nth
            FROM transactions
            WHERE account_id = ANY (:ancestors) AND status IS DISTINCT FROM 'PENDING' AND {condition}
              AND date >= :since AND NOT EXISTS (SELECT FROM transaction_links WHERE old_id = transactions.id)
        ) AS old JOIN (
            SELECT id, ROW({of_new}) AS key, row_number() OVER (PARTITION BY {of_new} ORDER BY date, id) AS nth
            FROM transactions
            WHERE account_id = :account_id AND {condition}
              AND date <= :until AND NOT EXISTS (SELECT FROM transaction_links WHERE new_id = transactions.id)
        ) AS new ON new.key = old.key AND new.nth = old.nth
        ON CONFLICT DO NOTHING
        """  # noqa: S608 - nothing in it comes from outside
    )


_PAIRINGS = [_pairing(way) for way in _WAYS]

# Rows are in no order of the table: each end is found by the index.
_NEWEST = "(SELECT date FROM transactions WHERE account_id = {of} ORDER BY date DESC, id LIMIT 1)"
_OLDEST = "(SELECT date FROM transactions WHERE account_id = {of} ORDER BY date, id DESC LIMIT 1)"

_BOUNDS = sa.text(
    f"""
    SELECT {_OLDEST.format(of=":account_id")} - interval '2 days' AS since,
           (SELECT max({_NEWEST.format(of="each")}) FROM unnest(CAST(:ancestors AS text[])) AS each)
               + interval '{_DATED_BACK_DAYS} days' AS until
    """  # noqa: S608 - as above
)

_CHANGED = sa.text(
    """
    SELECT EXISTS (
        SELECT FROM changes JOIN transactions ON transactions.id = changes.transaction_id
        WHERE changes.item_id = :item_id AND changes.seq > :after_seq
          AND changes.account_id = :account_id AND transactions.date <= :until
    )
    """
)

_EVIDENCE = sa.text(
    f"""
    WITH ends AS (
        SELECT {_OLDEST.format(of=":old")} AS old_first, {_NEWEST.format(of=":old")} AS old_last,
               {_OLDEST.format(of=":new")} AS new_first, {_NEWEST.format(of=":new")} AS new_last
    ), bounds AS (
        SELECT least(old_last, new_last) AS until,
               greatest(old_first, new_first, least(old_last, new_last) - interval '{_EVIDENCE_DAYS} days') AS since
        FROM ends WHERE old_last IS NOT NULL AND new_last IS NOT NULL
    ), rows AS (
        SELECT account_id, provider_id, day, {_VALUE} AS value, {_WORDS} AS words,
               row_number() OVER (PARTITION BY account_id, day, {_VALUE}, {_WORDS} ORDER BY date, id) AS nth
        FROM transactions, bounds
        WHERE account_id IN (:old, :new) AND date BETWEEN bounds.since AND bounds.until
          AND status IS DISTINCT FROM 'PENDING'
    ), old AS (SELECT * FROM rows WHERE account_id = :old), new AS (SELECT * FROM rows WHERE account_id = :new)
    SELECT (SELECT count(*) FROM old) AS old, (SELECT count(*) FROM new) AS new,
           (SELECT count(*) FROM old JOIN new USING (day, value, words, nth)) AS same_words,
           (SELECT count(*) FROM old JOIN new USING (provider_id)) AS same_ids
    """  # noqa: S608 - as above
)


def evidence(conn: Connection, pairs: Sequence[tuple[str, str]]) -> Rows:
    """Return how the posted rows of *pairs* of accounts, (old, new), agree in the last days that both cover."""
    found = [conn.execute(_EVIDENCE, {"old": old, "new": new}).one() for old, new in pairs]
    return Rows(
        old=sum(each.old for each in found),
        new=sum(each.new for each in found),
        same=sum(max(each.same_words, each.same_ids) for each in found),
        same_ids=sum(each.same_ids for each in found),
    )


def ancestors(conn: Connection, account_id: str) -> list[str]:
    """Return ids of the accounts whose place this one took, and of those whose place they took."""
    return list(conn.scalars(_ANCESTORS, {"account_id": account_id}))


def pair(conn: Connection, account_id: str) -> int:
    """Find the rows of the account's predecessors that it has too; return how many were found. Safe to repeat."""
    asked = {"account_id": account_id, "ancestors": ancestors(conn, account_id)}
    bounds = conn.execute(_BOUNDS, asked).one()
    if bounds.since is None or bounds.until is None:
        return 0
    return sum(
        conn.execute(pairing, {**asked, "since": bounds.since, "until": bounds.until}).rowcount for pairing in _PAIRINGS
    )


def pair_changed(conn: Connection, item_id: str, account_id: str, *, after_seq: int) -> int:
    """Pair as `pair` does, if a row changed after *after_seq* of the Item's feed that may be one of a predecessor's."""
    asked = {"account_id": account_id, "ancestors": ancestors(conn, account_id)}
    until = conn.execute(_BOUNDS, asked).one().until
    if until is None:
        return 0
    changed = conn.scalar(
        _CHANGED, {"item_id": item_id, "account_id": account_id, "after_seq": after_seq, "until": until}
    )
    return pair(conn, account_id) if changed else 0


def unpair(conn: Connection, account_id: str) -> None:
    """Remove what says which rows of the account and its predecessors are also in its successors."""
    own = [account_id, *ancestors(conn, account_id)]
    conn.execute(
        sa.delete(transaction_links).where(
            transaction_links.c.old_account_id.in_(own), transaction_links.c.new_account_id.not_in(own)
        )
    )


def paired(conn: Connection, account_id: str) -> int:
    """Return how many rows of the replaced account its successors have too."""
    count: int = conn.execute(
        sa.select(sa.func.count()).where(transaction_links.c.old_account_id == account_id)
    ).scalar_one()
    return count


def rows_of_its_own() -> sa.ColumnElement[bool]:
    """
    Return the condition of a row of a replaced account that its successors do not have.

    What was still pending there is left out: how it came out is in the successor.
    """
    return sa.and_(
        transactions.c.status.is_distinct_from("PENDING"),
        ~sa.exists().where(transaction_links.c.old_id == transactions.c.id),
    )


def kept(conn: Connection, account_id: str) -> int:
    """Return how many rows of the replaced account only it has."""
    count: int = conn.execute(
        sa.select(sa.func.count()).where(transactions.c.account_id == account_id, rows_of_its_own())
    ).scalar_one()
    return count


def remove_what_successors_have(conn: Connection, item_id: str) -> None:
    """
    Remove the rows and bills of a replaced Item that its successors have too, and its accounts that have no successor.

    Of these accounts everything is removed. What is left is history: it belongs to the successor's person from then on.
    """
    linked = sa.select(account_links.c.old_account_id).where(account_links.c.old_item_id == item_id)
    conn.execute(
        sa.delete(transactions).where(
            transactions.c.item_id == item_id, sa.or_(transactions.c.account_id.not_in(linked), ~rows_of_its_own())
        )
    )
    conn.execute(sa.delete(balances).where(balances.c.item_id == item_id, balances.c.account_id.not_in(linked)))
    newer = bills.alias("newer")
    conn.execute(
        sa.delete(bills).where(
            bills.c.item_id == item_id,
            sa.or_(
                bills.c.parent_id.not_in(linked),
                sa.exists().where(
                    account_links.c.old_account_id == bills.c.parent_id,
                    newer.c.parent_id == account_links.c.new_account_id,
                    newer.c.due_date == bills.c.due_date,
                ),
            ),
        )
    )
    conn.execute(sa.delete(accounts).where(accounts.c.item_id == item_id, accounts.c.id.not_in(linked)))


def remove(conn: Connection, item_id: str) -> None:
    """Remove what says which rows of the Item are rows of other accounts. Called before its accounts are removed."""
    own = sa.select(accounts.c.id).where(accounts.c.item_id == item_id)
    conn.execute(
        sa.delete(transaction_links).where(
            sa.or_(transaction_links.c.old_account_id.in_(own), transaction_links.c.new_account_id.in_(own))
        )
    )
