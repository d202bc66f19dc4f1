"""
Transactions of the mirror, their tombstones and the change feed.

Rows arrive by COPY in a temporary table and are merged by set: insert, update where different, leave the rest
untouched. A row that was removed after its page was asked for is dropped. Every effective change takes the next number
of the Item's feed, and what the row was before is kept. Callers own the transaction and hold the Item's write lock.
"""

import functools
from collections.abc import Collection, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync import wire
from pluggy_sync.pluggy.payloads import Transaction
from pluggy_sync.store import series, streams, transaction_revisions
from pluggy_sync.store.tables import INSTANT, change_stream, changes, items, tombstones, transactions
from pluggy_sync.store.tables import transaction_revisions as revisions

# What is known of a transaction beside what Pluggy sends.
_OURS = {"item_id", "replaces", "replaces_rule", "recorded_at"}
# The others, as `payloads.Transaction` has them; `raw` is the last.
COLUMNS = [column.name for column in transactions.columns if column.name not in _OURS]
_COLUMN_LIST = ", ".join(f'"{name}"' for name in COLUMNS)
_SET_LIST = ", ".join(f'"{name}" = incoming."{name}"' for name in COLUMNS if name != "id")

# One simple query, to save round trips. Stored rows have to be found by their key and in no other way. If the table
# has grown since it was analyzed, or since a plan was cached, the planner would hash or walk far too many rows for each
# batch.
_PREPARE = """
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_seqscan = off;
    SET LOCAL jit = off;
    CREATE TEMPORARY TABLE IF NOT EXISTS incoming (LIKE transactions INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
    DELETE FROM incoming;
"""
_COPY_CHANGES = "COPY changes (item_id, seq, kind, transaction_id, account_id, changed_at) FROM STDIN"
_CONTENT_LIST = ", ".join(transaction_revisions.CONTENT)
_CONTENT_LIST_OF_T = ", ".join(f"t.{name}" for name in transaction_revisions.CONTENT)
_values = attrgetter(*COLUMNS[:-1])  # all but `raw`

# The Item of a stored row never changes: a row of another Item is not merged. Its account may change: Pluggy moves
# rows, and they keep their id. A tombstone belongs to the account that the row disappeared from, and holds against
# pages that were requested before it. A later page, or one of the account that the row has moved to, lifts it.
# The same statement writes the feed: the merged rows need not travel to us and back.
_MERGE = sa.text(
    f"""
    WITH modified AS (
        UPDATE transactions SET {_SET_LIST}, recorded_at = greatest(:now, transactions.recorded_at)
        FROM incoming
        WHERE transactions.id = incoming.id
          AND (transactions.item_id = :item_id) IS TRUE -- in this form no index is taken for it
          AND transactions.raw IS DISTINCT FROM incoming.raw
          AND (transactions.updated_at IS NULL OR incoming.updated_at IS NULL
               OR incoming.updated_at >= transactions.updated_at)
        RETURNING transactions.id, transactions.account_id
    ), added AS (
        INSERT INTO transactions (item_id, recorded_at, {_COLUMN_LIST})
        SELECT :item_id, :now, {_COLUMN_LIST} FROM incoming
        WHERE NOT EXISTS (SELECT FROM transactions WHERE transactions.id = incoming.id)
          AND NOT EXISTS (
              SELECT FROM tombstones
              WHERE tombstones.id = incoming.id AND tombstones.account_id = incoming.account_id
                AND tombstones.removed_at >= :began_at
          )
        RETURNING id, account_id
    ), lifted AS (
        DELETE FROM tombstones USING added WHERE tombstones.id = added.id
        RETURNING tombstones.account_id = added.account_id AS is_repair
    ), changed AS (
        SELECT kind, id, account_id, row_number() OVER () AS place
        FROM (SELECT 'added' AS kind, * FROM added UNION ALL SELECT 'modified', * FROM modified) AS both_kinds
    ), counted AS (
        UPDATE items SET change_seq = change_seq + (SELECT count(*) FROM changed)
        WHERE id = :item_id AND EXISTS (SELECT FROM changed)
        RETURNING change_seq - (SELECT count(*) FROM changed) AS before
    ), fed AS (
        INSERT INTO changes (item_id, seq, kind, transaction_id, account_id, changed_at)
        SELECT :item_id, before + place, kind, id, account_id, :now FROM changed, counted
        RETURNING kind
    ), kept AS (
        -- Each part of the statement sees the table as it was before: here the content that was modified.
        INSERT INTO transaction_revisions (item_id, seq, ended_at, {_CONTENT_LIST})
        SELECT :item_id, before + place, greatest(:now, t.recorded_at), {_CONTENT_LIST_OF_T}
        FROM changed JOIN transactions AS t ON t.id = changed.id, counted
        WHERE changed.kind = 'modified'
    )
    SELECT (SELECT count(*) FROM added) AS added,
           (SELECT count(*) FROM modified) AS modified,
           (SELECT count(*) FROM lifted WHERE is_repair) AS repaired,
           (SELECT count(*) FROM fed) AS fed
    """  # noqa: S608 - column names of our own table
)


@dataclass(frozen=True, kw_only=True)
class Merged:
    """How many rows a merge added and modified; `repaired` of those added had been removed by mistake."""

    added: int = 0
    modified: int = 0
    repaired: int = 0


Reason = Literal["event", "absent"]


def merge(conn: Connection, item_id: str, rows: Sequence[Transaction], *, began_at: datetime, now: datetime) -> Merged:
    """
    Merge *rows* of one account, asked for at *began_at* or later, into the mirror.

    An older version of a row never replaces a newer one. A row that was removed at *began_at* or later stays removed.

    Raises:
        LookupError: there is no such Item.
    """
    if not rows:
        return Merged()
    _copy(conn, item_id, rows)
    done = conn.execute(_MERGE, {"item_id": item_id, "began_at": began_at, "now": now}).one()
    if done.fed != done.added + done.modified:
        raise LookupError("transactions of an Item that is not stored")
    if done.fed:
        streams.add_changes(conn, item_id)
    return Merged(added=done.added, modified=done.modified, repaired=done.repaired)


def _copy(conn: Connection, item_id: str, rows: Sequence[Transaction]) -> None:
    conn.exec_driver_sql(_PREPARE)
    # A row that moves while the pages are read may come twice. The later copy counts.
    once = {row.id: row for row in rows}.values()
    with _copying(conn, f"COPY incoming (item_id, {_COLUMN_LIST}) FROM STDIN") as copy:
        for row in once:
            copy.write_row((item_id, *_values(row), wire.encode(row.raw).decode()))


def _copying(conn: Connection, statement: str) -> AbstractContextManager[psycopg.Copy]:
    # SQLAlchemy does not say which driver's connection it is.
    driver: psycopg.Connection[Any] = conn.connection.driver_connection  # type: ignore[assignment]
    return driver.cursor().copy(statement)


_AMONG = transactions.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))
_DELETE = sa.delete(transactions).where(_AMONG)


def remove(
    conn: Connection, item_id: str, account_id: str, ids: Collection[str], *, reason: Reason, now: datetime
) -> int:
    """
    Replace the stored transactions *ids* of one account by tombstones; return how many there were.

    The caller has checked that Pluggy does not give them. Nothing is done about one that is not stored, or has moved to
    another account: only a page of this run, or later news, could bring it.
    """
    if not ids:
        return 0
    gone = transaction_revisions.keep(conn, item_id, ids, account_id=account_id, now=now)
    if gone:
        conn.execute(_DELETE, {"ids": gone})
        _add_tombstones(conn, item_id, account_id, gone, reason=reason, now=now)
        append_changes(conn, item_id, [("removed", each, account_id) for each in gone], now=now)
    return len(gone)


_ADD_TOMBSTONES = insert(tombstones).from_select(
    ["id", "item_id", "account_id", "reason", "removed_at"],
    sa.select(
        sa.func.unnest(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))),
        sa.bindparam("item", type_=sa.Text),
        sa.bindparam("account", type_=sa.Text),
        sa.bindparam("why", type_=sa.Text),
        sa.bindparam("now", type_=INSTANT),
    ),
)


def _add_tombstones(
    conn: Connection, item_id: str, account_id: str, ids: Sequence[str], *, reason: Reason, now: datetime
) -> None:
    given = {"ids": list(ids), "item": item_id, "account": account_id, "why": reason, "now": now}
    conn.execute(_ADD_TOMBSTONES, given)


_RAISE_CHANGES = (
    sa.update(items)
    .where(items.c.id == sa.bindparam("item"))
    .values(change_seq=items.c.change_seq + sa.bindparam("number", type_=sa.BigInteger))
    .returning(items.c.change_seq)
)


def append_changes(conn: Connection, item_id: str, changed: Sequence[tuple[str, str, str]], *, now: datetime) -> None:
    """Append to the Item's feed: kind, transaction and account each. The caller holds the Item's write lock."""
    last: int = conn.execute(_RAISE_CHANGES, {"item": item_id, "number": len(changed)}).scalar_one()
    first = last - len(changed) + 1
    with _copying(conn, _COPY_CHANGES) as copy:
        for seq, (kind, transaction_id, account_id) in enumerate(changed, start=first):
            copy.write_row([item_id, seq, kind, transaction_id, account_id, now])
    streams.add_changes(conn, item_id)


_OF_ACCOUNT = transactions.c.account_id == sa.bindparam("account")

# A day in São Paulo ends hours after the same day in UTC, and less than a day after.
_TWO_DAYS = timedelta(days=2)


def _midnight(day: date) -> datetime:
    """Return when *day* begins in UTC. In São Paulo, west of it, it begins later."""
    return datetime.combine(day, time.min, UTC)


@functools.cache
def _in_window(*, after: bool, through: bool, from_day: bool) -> sa.Select[str]:
    """Return the statement for the account's transactions whose date is in the window; False: that end is open."""
    stmt = sa.select(transactions.c.id).where(_OF_ACCOUNT)
    if after:
        stmt = stmt.where(transactions.c.date > sa.bindparam("after"))
    if through:
        stmt = stmt.where(transactions.c.date <= sa.bindparam("through"))
    if from_day:
        stmt = stmt.where(transactions.c.date >= sa.bindparam("midnight"))
        # Not `day`, which for midnight UTC is not the day that the instant has in São Paulo.
        for zone in ("UTC", "America/Sao_Paulo"):
            day = sa.cast(sa.func.timezone(zone, transactions.c.date), sa.Date)
            stmt = stmt.where(day >= sa.bindparam("from_day", type_=sa.Date))
    return stmt


def unlisted(
    conn: Connection,
    account_id: str,
    listed: Set[str],
    *,
    after: datetime | None,
    through: datetime | None,
    from_day: date | None,
) -> list[str]:
    """
    Return the ids of stored transactions that are not among *listed*, though their date is in (after, through].

    None leaves that end open. *from_day* bounds the window by the day of the instant. Nobody knows in which zone Pluggy
    counts `dateFrom`: a row counts as unlisted only if it is in the window both in UTC and in São Paulo.
    """
    stmt = _in_window(after=after is not None, through=through is not None, from_day=from_day is not None)
    midnight = None if from_day is None else _midnight(from_day)
    given = {"after": after, "through": through, "from_day": from_day, "midnight": midnight}
    ends = {name: value for name, value in given.items() if value is not None}
    # Compared here: Postgres would walk a list in a parameter once for each row.
    return [each for each in conn.scalars(stmt, {"account": account_id, **ends}) if each not in listed]


_STORED_AMONG = sa.select(transactions.c.id).where(_AMONG, _OF_ACCOUNT)


def stored_among(conn: Connection, account_id: str, ids: Collection[str]) -> set[str]:
    """Return those of *ids* that are stored transactions of the account."""
    if not ids:
        return set()
    return set(conn.scalars(_STORED_AMONG, {"ids": list(ids), "account": account_id}))


_NEWEST_BUT = (
    sa.select(transactions.c.id)
    .where(_OF_ACCOUNT, transactions.c.id != sa.func.all(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))))
    .order_by(transactions.c.date.desc(), transactions.c.id)
    .limit(1)
)


def newest_but(conn: Connection, account_id: str, ids: Collection[str]) -> str | None:
    """Return the id of the account's newest stored transaction that is not among *ids*; None if there is none."""
    newest: str | None = conn.scalar(_NEWEST_BUT, {"account": account_id, "ids": list(ids)})
    return newest


_SHOWN_NAMES = ("raw", "replaces", "replaces_rule")
_SHOWN = [transactions.c[name] for name in _SHOWN_NAMES]


# Tuples, since a page has hundreds of them.
class Change(NamedTuple):
    """An entry of an Item's change feed. `raw` and what follows are the row as it is now; `raw` None: it is gone."""

    seq: int
    # added, modified or removed
    kind: str
    transaction_id: str
    account_id: str
    raw: dict[str, Any] | None
    replaces: str | None
    replaces_rule: str | None


class StoredTransaction(NamedTuple):
    """A transaction as last read. `raw` is Pluggy's object; `replaces` as in the table."""

    id: str
    date: datetime
    raw: dict[str, Any]
    replaces: str | None = None
    replaces_rule: str | None = None


_CHANGES_AFTER = (
    sa.select(changes.c.seq, changes.c.kind, changes.c.transaction_id, changes.c.account_id, *_SHOWN)
    .outerjoin(transactions, transactions.c.id == changes.c.transaction_id)
    .where(changes.c.item_id == sa.bindparam("item"), changes.c.seq > sa.bindparam("cursor"))
    .order_by(changes.c.seq)
    .limit(sa.bindparam("limit"))
)


def changes_after(conn: Connection, item_id: str, cursor: int, limit: int) -> Sequence[Change]:
    """Return the next *limit* entries of the Item's change feed after *cursor*."""
    rows = conn.execute(_CHANGES_AFTER, {"item": item_id, "cursor": cursor, "limit": limit})
    return [Change._make(row) for row in rows]


class StreamedChange(NamedTuple):
    """An entry of the change feed of all Items. Its place is *position* and, within it, *seq*."""

    position: int
    item_id: str
    seq: int
    kind: str
    transaction_id: str
    account_id: str
    raw: dict[str, Any] | None
    replaces: str | None
    replaces_rule: str | None


def _changes_of_all_after() -> sa.Select[Any]:
    position = sa.bindparam("from_position", type_=sa.BigInteger)
    seq = sa.bindparam("from_seq", type_=sa.BigInteger)
    return (
        sa.select(
            change_stream.c.position,
            changes.c.item_id,
            *(changes.c[name] for name in ("seq", "kind", "transaction_id", "account_id")),
            *_SHOWN,
        )
        .join(
            changes,
            sa.and_(
                changes.c.item_id == change_stream.c.item_id,
                changes.c.seq > change_stream.c.after_seq,
                changes.c.seq <= change_stream.c.through_seq,
            ),
        )
        .outerjoin(transactions, transactions.c.id == changes.c.transaction_id)
        .where(change_stream.c.position >= position, sa.or_(change_stream.c.position > position, changes.c.seq > seq))
        .order_by(change_stream.c.position, changes.c.seq)
        .limit(sa.bindparam("limit"))
    )


_CHANGES_OF_ALL_AFTER = _changes_of_all_after()


def changes_of_all_after(conn: Connection, place: tuple[int, int], limit: int) -> Sequence[StreamedChange]:
    """Return the next *limit* entries of all Items after *place*, in the order of their commits."""
    position, seq = place
    rows = conn.execute(_CHANGES_OF_ALL_AFTER, {"from_position": position, "from_seq": seq, "limit": limit})
    return [StreamedChange._make(row) for row in rows]


def before(
    conn: Connection,
    account_id: str,
    position: tuple[datetime, str] | None,
    *,
    date_from: date | None,
    date_to: date | None,
    status: str | None,
    limit: int,
    predecessors: Sequence[str] = (),
    as_of: datetime | None = None,
) -> Sequence[StoredTransaction]:
    """
    Return the account's next *limit* transactions, newest first, from those before *position* (date, id).

    *date_from* and *date_to* are days in São Paulo, both included. *predecessors*: accounts whose place it took; their
    rows that it does not have itself are among the returned. *as_of*: of this account alone, what was stored at that
    moment; None: what is stored now.
    """

    asked = _asked(position, date_from=date_from, date_to=date_to, status=status)
    if as_of is not None:
        stmt, more = _page_as_of(frozenset(asked)), {"as_of": as_of}
    elif predecessors:
        stmt, more = _page_with_predecessors(predecessors, frozenset(asked)), {}
    else:
        stmt, more = _page(frozenset(asked)), {}
    rows = conn.execute(stmt, {**asked, **more, "account": account_id, "limit": limit})
    return [StoredTransaction._make(row) for row in rows]


def _asked(
    position: tuple[datetime, str] | None, *, date_from: date | None, date_to: date | None, status: str | None
) -> dict[str, datetime | date | str]:
    """Return the parameters of `_rows_before`, without those that restrict nothing."""
    asked: dict[str, datetime | date | str] = {}
    if position is not None:
        asked["moment"], asked["last_id"] = position
    # The day decides. The instant beside it is what the index knows: no row of a day is further away.
    if date_from is not None:
        asked["from_day"], asked["from_moment"] = date_from, _midnight(date_from)
    if date_to is not None:
        asked["to_day"] = date_to
        if date_to < date.max - _TWO_DAYS:
            asked["to_moment"] = _midnight(date_to + _TWO_DAYS)
    if status is not None:
        asked["of_status"] = status
    return asked


def _rows_before(table: sa.Table, account: sa.ColumnElement[str], asked: frozenset[str]) -> sa.Select[Any]:
    """Return the account's rows of *table* as `before` lists them; *asked*: which parameters are given."""
    moment, last_id = sa.bindparam("moment", type_=INSTANT), sa.bindparam("last_id", type_=sa.Text)
    conditions = {
        "moment": table.c.date <= moment,
        "last_id": sa.or_(table.c.date < moment, sa.and_(table.c.date == moment, table.c.id > last_id)),
        "from_day": table.c.day >= sa.bindparam("from_day"),
        "from_moment": table.c.date >= sa.bindparam("from_moment"),
        "to_day": table.c.day <= sa.bindparam("to_day"),
        "to_moment": table.c.date < sa.bindparam("to_moment"),
        "of_status": table.c.status == sa.bindparam("of_status"),
    }
    chosen = [condition for name, condition in conditions.items() if name in asked]
    columns = [table.c[name] for name in ("id", "date", *_SHOWN_NAMES)]
    return sa.select(*columns).where(table.c.account_id == account, *chosen).order_by(table.c.date.desc(), table.c.id)


_ACCOUNT = sa.bindparam("account", type_=sa.Text)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)


@functools.cache
def _page(asked: frozenset[str]) -> sa.Select[Any]:
    return _rows_before(transactions, _ACCOUNT, asked).limit(_LIMIT)


def _page_with_predecessors(predecessors: Sequence[str], asked: frozenset[str]) -> sa.Select[Any]:
    of_others = [_rows_before(transactions, sa.literal(each, sa.Text), asked) for each in predecessors]
    return _first_of(_page(asked), *(each.where(series.rows_of_its_own()).limit(_LIMIT) for each in of_others))


@functools.cache
def _page_as_of(asked: frozenset[str]) -> sa.Select[Any]:
    """Return the first of the stored rows and of the ended revisions whose content was that of a moment."""
    as_of = sa.bindparam("as_of", type_=INSTANT)
    stored = _rows_before(transactions, _ACCOUNT, asked).where(transactions.c.recorded_at <= as_of)
    ended = _rows_before(revisions, _ACCOUNT, asked).where(
        revisions.c.recorded_at <= as_of, revisions.c.ended_at > as_of
    )
    return _first_of(stored.limit(_LIMIT), ended.limit(_LIMIT))


def _first_of(*pages: sa.Select[Any]) -> sa.Select[Any]:
    # Of each the first ones, found by its index; the rest of them is not sorted.
    rows = sa.union_all(*(sa.select(each.subquery()) for each in pages)).subquery()
    return sa.select(rows).order_by(rows.c.date.desc(), rows.c.id).limit(_LIMIT)
