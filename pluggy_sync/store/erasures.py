"""
Erasures of persons: what each has done so far, and the statements that find and remove what is theirs.

Which tables hold what is said in `store/personal_data.py`. Callers own the transaction.

Tests: `engine/test_erasure.py`, `store/test_personal_data.py`.
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store import personal_data
from pluggy_sync.store.personal_data import Held
from pluggy_sync.store.tables import (
    bulk_operations,
    erasure_items,
    erasures,
    inbox,
    item_links,
    items,
    outbox,
    user_actions,
)

RUNNING = "running"
DONE = "done"

# What Pluggy answered to the deletion of an Item.
DELETED = "deleted"
ABSENT = "absent"

# Rows of the inbox and the outbox that one statement looks through.
SEARCHED_AT_ONCE = 20_000

_APPLICATION = "pluggy-sync"


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """An erasure. `user_sealed` None: it is done, and nothing here tells whom it was about. Moments as in the table."""

    id: str
    state: str
    user_sealed: str | None = field(repr=False)
    requested_at: datetime
    completed_at: datetime | None
    searched_at: datetime | None
    visible_at: datetime | None
    removed_at: datetime | None
    confirmed_at: datetime | None
    # By table: how many rows were removed.
    removed: Mapping[str, int]
    # What it waits for, in a word; None: it goes on, or is done.
    waits_for: str | None
    due_at: datetime
    attempts: int
    receipt: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ErasedItem:
    """An Item of an erasure. `trouble`: why Pluggy's deletion failed last; it names nobody."""

    digest: bytes
    item_sealed: str | None = field(repr=False)
    # deleted, absent; None: not known yet.
    outcome: str | None
    attempts: int
    trouble: str | None
    due_at: datetime


_COLUMNS = [erasures.c[each.name] for each in fields(Erasure)]
_ITEM_COLUMNS = [erasure_items.c[each.name] for each in fields(ErasedItem)]
_NOT_CONFIRMED = {"visible_at": None, "removed_at": None, "confirmed_at": None}


def new_id() -> str:
    """Return the id of a new erasure."""
    return "ers_" + secrets.token_urlsafe(12)


def add(conn: Connection, erasure_id: str, *, user_sealed: str, now: datetime) -> None:
    """Begin an erasure."""
    conn.execute(
        sa.insert(erasures).values(id=erasure_id, user_sealed=user_sealed, requested_at=now, due_at=now, removed={})
    )


def reopen(conn: Connection, erasure_id: str, *, user_sealed: str, now: datetime) -> None:
    """Have everything looked through once more. The receipt so far stays until there is a newer one."""
    values = {"state": RUNNING, "user_sealed": user_sealed, "searched_at": None, "waits_for": None, "due_at": now}
    conn.execute(sa.update(erasures).where(erasures.c.id == erasure_id).values({**values, **_NOT_CONFIRMED}))


def get(conn: Connection, erasure_id: str) -> Erasure | None:
    """Return the erasure, or None."""
    row = conn.execute(sa.select(*_COLUMNS).where(erasures.c.id == erasure_id)).one_or_none()
    return None if row is None else Erasure(**row._mapping)


def lock(conn: Connection, erasure_id: str) -> Erasure | None:
    """Return the erasure, and lock it until the transaction ends; None: there is none."""
    row = conn.execute(sa.select(*_COLUMNS).where(erasures.c.id == erasure_id).with_for_update()).one_or_none()
    return None if row is None else Erasure(**row._mapping)


def newest(conn: Connection, *, limit: int) -> Sequence[Erasure]:
    """Return the newest erasures."""
    rows = conn.execute(sa.select(*_COLUMNS).order_by(erasures.c.requested_at.desc(), erasures.c.id).limit(limit))
    return [Erasure(**row._mapping) for row in rows]


def running(conn: Connection) -> Sequence[Erasure]:
    """Return the erasures that are not done, oldest first."""
    rows = conn.execute(sa.select(*_COLUMNS).where(erasures.c.state == RUNNING).order_by(erasures.c.requested_at))
    return [Erasure(**row._mapping) for row in rows]


_DUE = (
    sa.select(erasures.c.id)
    .where(erasures.c.state == RUNNING, erasures.c.due_at <= sa.bindparam("now"))
    .order_by(erasures.c.due_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_TAKE_DUE = sa.update(erasures).where(erasures.c.id == _DUE.c.id).returning(erasures.c.id)


def take_due(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Return ids of erasures that are due; each is due again at *until* if nobody goes on with it."""
    return list(conn.scalars(_TAKE_DUE, {"now": now, "limit": limit, "due_at": until}))


def begin_attempt(conn: Connection, erasure_id: str, *, until: datetime) -> Erasure | None:
    """Return the erasure if it runs. If the process ends, the sweep finds it due at *until*."""
    row = conn.execute(
        sa.update(erasures)
        .where(erasures.c.id == erasure_id, erasures.c.state == RUNNING)
        .values(attempts=erasures.c.attempts + 1, due_at=until)
        .returning(*_COLUMNS)
    ).one_or_none()
    return None if row is None else Erasure(**row._mapping)


def wait(conn: Connection, erasure_id: str, what: str, *, until: datetime) -> None:
    """Leave the erasure running, to go on at *until*; *what* it waits for."""
    conn.execute(
        sa.update(erasures)
        .where(erasures.c.id == erasure_id, erasures.c.state == RUNNING)
        .values(waits_for=what, due_at=until)
    )


def note(conn: Connection, erasure_id: str, **moments: Any) -> None:
    """Write down that a step is done."""
    conn.execute(sa.update(erasures).where(erasures.c.id == erasure_id).values(**moments))


def note_now(conn: Connection, erasure_id: str, step: str) -> datetime:
    """Write down that a step is done, by the clock of Postgres, and return that moment."""
    stmt = sa.update(erasures).where(erasures.c.id == erasure_id).values({step: sa.func.clock_timestamp()})
    moment: datetime = conn.execute(stmt.returning(erasures.c[step])).scalar_one()
    return moment


def finish(conn: Connection, erasure_id: str, *, receipt: str, now: datetime) -> None:
    """End the erasure. From now on nothing here tells whom it was about."""
    conn.execute(
        sa.update(erasures)
        .where(erasures.c.id == erasure_id)
        .values(state=DONE, user_sealed=None, waits_for=None, completed_at=now, receipt=receipt)
    )
    conn.execute(sa.update(erasure_items).where(erasure_items.c.erasure_id == erasure_id).values(item_sealed=None))


def count_removed(conn: Connection, erasure_id: str, removed: Mapping[str, int]) -> None:
    """Add what was removed in this transaction."""
    before = lock(conn, erasure_id)
    if before is not None and any(removed.values()):
        sums = Counter(before.removed)
        sums.update({table: number for table, number in removed.items() if number})
        conn.execute(sa.update(erasures).where(erasures.c.id == erasure_id).values(removed=dict(sums)))


# Items of an erasure.


def add_item(conn: Connection, erasure_id: str, digest: bytes, item_sealed: str, *, now: datetime) -> None:
    """Add an Item, of which nothing is removed yet."""
    values = {"erasure_id": erasure_id, "digest": digest, "item_sealed": item_sealed, "due_at": now}
    # One that is there already is only looked at again.
    conn.execute(
        insert(erasure_items)
        .values(values)
        .on_conflict_do_update(
            index_elements=["erasure_id", "digest"], set_={"item_sealed": item_sealed, "due_at": now}
        )
    )
    conn.execute(sa.update(erasures).where(erasures.c.id == erasure_id).values(_NOT_CONFIRMED))


def items_of(conn: Connection, erasure_id: str) -> Sequence[ErasedItem]:
    """Return the Items of the erasure."""
    stmt = sa.select(*_ITEM_COLUMNS).where(erasure_items.c.erasure_id == erasure_id)
    return [ErasedItem(**row._mapping) for row in conn.execute(stmt.order_by(erasure_items.c.digest))]


def take_item(conn: Connection, erasure_id: str, *, now: datetime, until: datetime) -> ErasedItem | None:
    """Return an Item that Pluggy is to be asked to delete now. Nobody else takes it before *until*."""
    due = (
        sa.select(erasure_items.c.digest)
        .where(
            erasure_items.c.erasure_id == erasure_id,
            erasure_items.c.outcome.is_(None),
            erasure_items.c.item_sealed.is_not(None),
            erasure_items.c.due_at <= now,
        )
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    row = conn.execute(
        sa.update(erasure_items)
        .where(erasure_items.c.erasure_id == erasure_id, erasure_items.c.digest == due.c.digest)
        .values(due_at=until)
        .returning(*_ITEM_COLUMNS)
    ).one_or_none()
    return None if row is None else ErasedItem(**row._mapping)


def settle_item(conn: Connection, erasure_id: str, digest: bytes, outcome: str) -> None:
    """Write down what Pluggy answered."""
    _update_item(conn, erasure_id, digest, outcome=outcome, trouble=None)


def fail_item(conn: Connection, erasure_id: str, digest: bytes, trouble: str, *, until: datetime) -> None:
    """Have Pluggy asked again at *until*."""
    _update_item(conn, erasure_id, digest, trouble=trouble, due_at=until, attempts=erasure_items.c.attempts + 1)


def _update_item(conn: Connection, erasure_id: str, digest: bytes, **values: Any) -> None:
    conn.execute(
        sa.update(erasure_items)
        .where(erasure_items.c.erasure_id == erasure_id, erasure_items.c.digest == digest)
        .values(**values)
    )


def seal_anew(conn: Connection, sealed_anew: Callable[[str], str | None]) -> None:
    """Replace what *sealed_anew* gives another text for."""
    for table, column in ((erasures, "user_sealed"), (erasure_items, "item_sealed")):
        keys = list(table.primary_key.columns)
        for row in conn.execute(sa.select(*keys, table.c[column]).where(table.c[column].is_not(None))).all():
            sealed = sealed_anew(row._mapping[column])
            if sealed is not None:
                this = [key == row._mapping[key.name] for key in keys]
                conn.execute(sa.update(table).where(*this).values({column: sealed}))


# What is a person's.


def items_known_of(conn: Connection, client_user_id: str) -> list[str]:
    """Return ids of the Items that say they are the person's, and of those whose place they took. This is quick."""
    of_items = sa.select(items.c.id).where(items.c.client_user_id == client_user_id)
    of_actions = sa.select(user_actions.c.item_id).where(user_actions.c.client_user_id == client_user_id)
    found = set(conn.scalars(of_items.union(of_actions)))
    return sorted(found | predecessors_of(conn, found))


def predecessors_of(conn: Connection, item_ids: Collection[str]) -> set[str]:
    """
    Return ids of the Items that these, and these in turn, took the place of, and that say of nobody else to be theirs.

    One that was replaced and deleted says nothing of its person any more, and keeps the history of its accounts.
    """
    found: set[str] = set()
    following = set(item_ids)
    while following:
        linked = sa.select(item_links.c.old_item_id).where(
            item_links.c.new_item_id.in_(following), item_links.c.state == "linked"
        )
        replaced = sa.select(items.c.id).where(items.c.id.in_(linked), items.c.client_user_id.is_(None))
        following = set(conn.scalars(replaced)) - found - set(item_ids)
        found |= following
    return found


def pages_of_inbox(conn: Connection) -> Iterator[tuple[int, int]]:
    """Yield ranges of ids (after, through) that hold all events of now."""
    return _pages(conn.scalar(sa.select(sa.func.max(inbox.c.id))))


def _pages(last: int | None) -> Iterator[tuple[int, int]]:
    for after in range(0, last or 0, SEARCHED_AT_ONCE):
        yield after, after + SEARCHED_AT_ONCE


_CLIENT_USER_ID = "clientUserId"


def items_in_inbox(conn: Connection, client_user_id: str, *, after: int, through: int, before: datetime) -> set[str]:
    """Return ids of the Items of which an event in this range, received until *before*, names the person."""
    stmt = sa.select(inbox.c.item_id).where(
        inbox.c.id > after,
        inbox.c.id <= through,
        inbox.c.item_id.is_not(None),
        inbox.c.received_at <= before,
        inbox.c.payload[_CLIENT_USER_ID].astext == client_user_id,
    )
    return set(conn.scalars(stmt.distinct()))


def items_in_outbox(conn: Connection, client_user_id: str, *, after: str, limit: int) -> tuple[set[str], str | None]:
    """
    Return ids of the Items of which one of the next *limit* notifications after the id *after* names the person.

    And the id of the last one that was looked at; None: there are no more.
    """
    page = sa.select(outbox.c.id, outbox.c.item_id, outbox.c.body).where(outbox.c.id > after)
    some = page.order_by(outbox.c.id).limit(limit).cte("some")
    last = conn.scalar(sa.select(sa.func.max(some.c.id)))
    named = sa.cast(some.c.body, sa.dialects.postgresql.JSONB)["data"][_CLIENT_USER_ID].astext == client_user_id
    found = conn.scalars(sa.select(some.c.item_id).where(some.c.item_id.is_not(None), named).distinct())
    return set(found), last


def remove_item(conn: Connection, item_id: str) -> Counter[str]:
    """Remove all rows of the Item, its own last, and empty those that stay; return how many, by table."""
    conn.execute(sa.select(items.c.id).where(items.c.id == item_id).with_for_update())
    conn.execute(sa.update(items).where(items.c.replaced_by == item_id).values(replaced_by=None))
    removed: Counter[str] = Counter()
    for held in personal_data.HELD:
        removed[held.table.name] = _remove(conn, held, held.rows_of(item_id))
    return removed


def _remove(conn: Connection, held: Held, where: sa.ColumnElement[bool]) -> int:
    of_table = sa.delete(held.table) if held.emptied is None else sa.update(held.table).values(**held.emptied)
    if held.table is bulk_operations:
        where = sa.and_(where, bulk_operations.c.state != RUNNING)
    return conn.execute(of_table.where(where)).rowcount


def count_rows(conn: Connection, item_ids: Collection[str]) -> Counter[str]:
    """Return how many rows are those of the Items, by table."""
    found: Counter[str] = Counter()
    for item_id in item_ids:
        of_tables = (
            sa.select(sa.literal(held.table.name).label("name"), sa.func.count().label("number"))
            .select_from(held.table)
            .where(held.rows_of(item_id))
            for held in personal_data.HELD
        )
        for row in conn.execute(sa.union_all(*of_tables)):
            found[row.name] += row.number
    return +found


def empty_events_naming(
    conn: Connection,
    client_user_id: str,
    item_ids: Collection[str],
    *,
    after: int,
    through: int,
    before: datetime,
) -> int:
    """
    Empty the events in this range of ids that name the person, or an Item in what they say; return how many.

    One that was received after *before* and names the person may be that of a new Item, which is fetched first.
    """
    in_range = sa.and_(inbox.c.id > after, inbox.c.id <= through)
    is_early = sa.or_(inbox.c.item_id.is_(None), inbox.c.received_at <= before)
    of_person = sa.and_(_INBOX.naming(client_user_id), is_early)
    named = sa.or_(of_person, inbox.c.payload["itemId"].astext.in_(item_ids))
    return _remove(conn, _INBOX, sa.and_(in_range, named))


def empty_raw_naming(conn: Connection, client_user_id: str, item_ids: Collection[str]) -> int:
    """Empty the events that were kept as they came, since a part could not be read, and name the person or an Item."""
    rows = conn.execute(sa.select(inbox.c.id, inbox.c.raw).where(inbox.c.unread.is_not(None), inbox.c.raw.is_not(None)))
    naming = [row.id for row in rows.yield_per(100) if names(bytes(row.raw), client_user_id, item_ids)]
    return _remove(conn, _INBOX, inbox.c.id.in_(naming)) if naming else 0


def empty_others_naming(conn: Connection, client_user_id: str) -> Counter[str]:
    """Empty what names the person in tables that are small; return how many rows, by table."""
    others = [held for held in personal_data.EMPTIED if held is not _INBOX]
    return Counter({held.table.name: _remove(conn, held, held.naming(client_user_id)) for held in others})


def is_named_by_running_operation(conn: Connection, client_user_id: str, item_ids: Collection[str]) -> bool:
    """Return whether an operator's operation that goes on was asked for by the person's id, or stands at an Item."""
    (held,) = (each for each in personal_data.EMPTIED if each.table is bulk_operations)
    naming = sa.or_(held.naming(client_user_id), *(held.rows_of(each) for each in item_ids))
    return bool(conn.scalar(sa.select(sa.exists().where(bulk_operations.c.state == RUNNING, naming))))


(_INBOX,) = (each for each in personal_data.EMPTIED if each.table is inbox)


def names(body: bytes, client_user_id: str, item_ids: Collection[str]) -> bool:
    """Return whether *body*, which may be no JSON, names the person as `clientUserId`, or one of the Items."""
    text = body.decode(errors="replace")
    if any(item_id in text for item_id in item_ids):
        return True
    written = {json.dumps(client_user_id, ensure_ascii=ascii_) for ascii_ in (True, False)}
    return any(re.search(rf'"{_CLIENT_USER_ID}"\s*:\s*{re.escape(each)}', text) for each in written)


def is_older_transaction_open(conn: Connection, moment: datetime) -> bool:
    """
    Return whether a transaction of this service goes on that began before *moment*, by the clock of Postgres.

    It may not have seen what was committed before that moment.
    """
    stmt = sa.text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name = :application AND xact_start <= :moment)"
    )
    return bool(conn.scalar(stmt, {"application": _APPLICATION, "moment": moment}))
