"""
Removing what is older than its life, a few rows at a time. Callers own the transaction.

All rows of a tier are visited in the order of an index, oldest first, in passes. Where a pass is stands in the table
`pruning`: rows that stay are visited once in a pass, however many they are, and a pass goes on after a restart.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.rules.action_states import UNSETTLED
from pluggy_sync.rules.retention import Tier
from pluggy_sync.store import counters, superseded_changes, transaction_revisions
from pluggy_sync.store.tables import EVENT_WITH_PAYLOAD, pruning

# What a batch may wait for and take. A row that somebody holds is passed over until the next pass.
_LIMITS = {
    "lock_timeout": "50ms",
    "statement_timeout": "5s",
    # A plan made for a small table reads it whole, and is kept as it grows.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What was done with one batch. *is_last*: the pass is over."""

    removed: int
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class Pass:
    """How far a tier is. *finished_at*: when the last pass ended; None: none did."""

    tier: Tier
    began_at: datetime
    finished_at: datetime | None
    # Rows over all of history.
    removed: int


@dataclass(frozen=True, kw_only=True)
class _Way:
    """
    Which rows of a tier are visited, and which of them go.

    *order*: columns of an index, with the primary key among them. *age* rises along it: a pass ends at the first row
    whose age is not before the cutoff. *within* is the condition of the index. *goes* names the row `t`.
    """

    table: str
    order: tuple[tuple[str, str], ...]
    age: str
    within: str = "true"
    goes: str = "true"
    # What is removed of the row; None: all of it.
    cleared: str | None = None
    # What refers to the row and goes before it, and what must be true of the row then; None: what *goes* says.
    referring: str | None = None
    goes_then: str | None = None
    # What is noted of those that go, just before they do.
    noted: str | None = None


_UNSETTLED = ", ".join(f"'{state}'" for state in UNSETTLED)
_ID = (("id", "bigint"),)

# What Pluggy's answer still contradicts is asked about again, with all that was told since. A sync that is due, and a
# part that could not be read, are told by the events what to read.
_IS_STILL_READ = """(
    EXISTS (
        SELECT FROM item_progress AS progress
        WHERE progress.item_id = t.item_id AND (
            (progress.contradiction IS NOT NULL AND progress.settled_seq < t.item_seq)
            OR (progress.due_at IS NOT NULL AND progress.synced_seq < t.item_seq)))
    OR EXISTS (SELECT FROM incomplete_parts WHERE item_id = t.item_id AND after_seq < t.item_seq)
)"""

# A delivery that somebody works on, or that an operator sends again at this moment, stays, and its notification too.
_WITHOUT_DELIVERIES = "NOT EXISTS (SELECT FROM deliveries WHERE notification_id = t.id)"
# Who reads the stream on from before there would miss some, and is told (`streams.removed_through`).
_NOTE_POSITION = f"""
    INSERT INTO counters (name, value)
    SELECT '{counters.NOTIFICATIONS_REMOVED_THROUGH}', max(position)
    FROM outbox AS t JOIN notification_stream ON notification_id = t.id
    WHERE t.ctid = ANY (CAST(:ctids AS tid[])) AND {_WITHOUT_DELIVERIES}
    HAVING max(position) IS NOT NULL
    ON CONFLICT (name) DO UPDATE SET value = greatest(counters.value, excluded.value)
"""  # noqa: S608 - nothing in it comes from outside


def _deliveries(which: str) -> str:
    return f"""
        DELETE FROM deliveries WHERE id IN (
            SELECT deliveries.id FROM outbox AS t JOIN deliveries ON notification_id = t.id
            WHERE t.ctid = ANY (CAST(:ctids AS tid[])) AND {which}
            FOR UPDATE OF deliveries SKIP LOCKED)
    """  # noqa: S608 - nothing in it comes from outside


_WAYS = {
    Tier.EVENT_PAYLOADS: _Way(
        table="inbox",
        order=(("handled_at", "timestamptz"), *_ID),
        age="handled_at",
        within=EVENT_WITH_PAYLOAD,
        goes=f"{EVENT_WITH_PAYLOAD} AND NOT {_IS_STILL_READ}",
        cleared="payload = NULL, raw = NULL",
    ),
    Tier.EVENTS: _Way(
        table="inbox",
        order=_ID,
        age="received_at",
        goes=f"t.state = 'handled' AND t.received_at < :before AND NOT {_IS_STILL_READ}",
    ),
    Tier.DEAD_EVENTS: _Way(
        table="inbox",
        order=_ID,
        age="received_at",
        within="state = 'dead'",
        goes="t.state = 'dead' AND t.received_at < :before",
    ),
    Tier.ATTEMPTS: _Way(table="delivery_attempts", order=_ID, age="started_at", goes="t.started_at < :before"),
    Tier.NOTIFICATIONS: _Way(
        table="outbox",
        order=(("created_at", "timestamptz"), ("id", "text")),
        age="created_at",
        goes="NOT EXISTS (SELECT FROM deliveries WHERE notification_id = t.id AND state <> 'delivered')",
        referring=_deliveries("state = 'delivered'"),
        goes_then=_WITHOUT_DELIVERIES,
        noted=_NOTE_POSITION,
    ),
    Tier.UNDELIVERED: _Way(
        table="outbox",
        order=(("created_at", "timestamptz"), ("id", "text")),
        age="created_at",
        referring=_deliveries("true"),
        goes_then=_WITHOUT_DELIVERIES,
        noted=_NOTE_POSITION,
    ),
    Tier.SYNC_RUNS: _Way(
        table="sync_runs",
        order=(("started_at", "timestamptz"), ("id", "uuid")),
        age="started_at",
        goes="t.outcome <> 'running'",
    ),
    Tier.SUBMISSIONS: _Way(
        table="submissions",
        order=_ID,
        age="started_at",
        goes=f"""
            t.started_at < :before AND NOT EXISTS (
                SELECT FROM user_actions WHERE id = t.action_id AND state IN ({_UNSETTLED}))
        """,
    ),
    Tier.ACTIONS: _Way(
        table="user_actions",
        order=(("created_at", "timestamptz"), ("id", "text")),
        age="created_at",
        goes="t.settled_at < :before",
    ),
    Tier.REVISIONS: _Way(
        table="transaction_revisions",
        order=(("ended_at", "timestamptz"), ("item_id", "text"), ("seq", "bigint")),
        age="ended_at",
    ),
    Tier.BALANCES: _Way(
        table="balances",
        order=(("collected_at", "timestamptz"), ("account_id", "text")),
        age="collected_at",
    ),
    Tier.AUDIT_ENTRIES: _Way(table="audit_entries", order=_ID, age="at", goes="t.at < :before"),
    Tier.CONSOLE_SESSIONS: _Way(
        table="console_sessions",
        order=(("ends_at", "timestamptz"), ("token_digest", "text")),
        age="ends_at",
    ),
    Tier.BULK_OPERATIONS: _Way(
        table="bulk_operations",
        order=(("started_at", "timestamptz"), ("id", "text")),
        age="started_at",
        goes="t.state <> 'running'",
    ),
    Tier.FIGURES: _Way(table="figure_samples", order=(("at", "timestamptz"),), age="at"),
}


def tables_of_tiers() -> set[str]:
    """Return the names of the tables of which rows are removed by age."""
    return {*(way.table for way in _WAYS.values()), "changes"}


def begin(conn: Connection, tier: Tier, *, now: datetime, unless_since: datetime) -> bool:
    """
    Go on with the tier's pass, or begin one unless the last ended at *unless_since* or later.

    Return False if there is nothing to do, or somebody else does it at this moment.
    """
    conn.execute(insert(pruning).values(tier=tier, began_at=now).on_conflict_do_nothing())
    row = conn.execute(
        sa.select(pruning.c.place, pruning.c.finished_at, pruning.c.is_over)
        .where(pruning.c.tier == tier)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return False
    if not row.is_over:
        return True
    if row.finished_at is not None and row.finished_at >= unless_since:
        return False
    conn.execute(sa.update(pruning).where(pruning.c.tier == tier).values(place=None, began_at=now, is_over=False))
    return True


def begin_anew(conn: Connection, tiers: Collection[Tier], *, now: datetime) -> None:
    """Begin a pass of each of *tiers* now, also of those that have one under way."""
    for tier in sorted(tiers):
        new = insert(pruning).values(tier=tier, began_at=now, is_over=False)
        conn.execute(
            new.on_conflict_do_update(
                index_elements=[pruning.c.tier], set_={"place": None, "began_at": now, "is_over": False}
            )
        )


def remove(conn: Connection, tier: Tier, *, before: datetime, rows: int, now: datetime) -> Batch:
    """
    Visit about the next *rows* of the tier's pass, and remove those that are over since *before*. Call `begin` first.

    Raises:
        sqlalchemy.exc.OperationalError: somebody holds what belongs to a row, or it took too long.
    """
    _limit(conn)
    place = conn.scalar(sa.select(pruning.c.place).where(pruning.c.tier == tier))
    if tier is Tier.CHANGES:
        step = superseded_changes.remove(conn, None if place is None else place[0], before=before, rows=rows)
        removed, is_last, place = step.removed, step.is_last, None if step.item_id is None else [step.item_id]
    else:
        if tier is Tier.REVISIONS:
            # Who asks for an older moment is told that it is not kept.
            transaction_revisions.begin_at(conn, before)
        removed, is_last, place = _remove_rows(conn, _WAYS[tier], place, before=before, rows=rows)
    conn.execute(
        sa.update(pruning)
        .where(pruning.c.tier == tier)
        .values(
            place=place,
            removed=pruning.c.removed + removed,
            is_over=is_last,
            finished_at=now if is_last else pruning.c.finished_at,
        )
    )
    return Batch(removed=removed, is_last=is_last)


def _remove_rows(
    conn: Connection, way: _Way, place: list[str] | None, *, before: datetime, rows: int
) -> tuple[int, bool, list[str] | None]:
    """Return how many rows were removed, whether the pass is over, and where it is."""
    visited = conn.execute(
        _visit(way, is_first=place is None),
        {"before": before, "rows": rows, **{f"place_{n}": each for n, each in enumerate(place or ())}},
    ).one()
    removed = 0
    if visited.ctids:
        if way.referring is not None:
            conn.execute(sa.text(way.referring), {"ctids": visited.ctids})
        if way.noted is not None:
            conn.execute(sa.text(way.noted), {"ctids": visited.ctids})
        # Asked once more: what was locked meanwhile may have been changed before.
        removed = conn.execute(_remove(way), {"ctids": visited.ctids, "before": before}).rowcount
    is_last = visited.number < rows or not visited.is_over
    return removed, is_last, place if visited.number == 0 else list(visited.place)


def _limit(conn: Connection) -> None:
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _LIMITS.items())
    conn.execute(sa.text(f"SELECT {settings}"))


def _visit(way: _Way, *, is_first: bool) -> sa.TextClause:
    names = ", ".join(name for name, _ in way.order)
    places = ", ".join(f"CAST(:place_{n} AS {type_})" for n, (_, type_) in enumerate(way.order))
    after = "" if is_first else f"AND ({names}) > ({places})"
    return sa.text(
        f"""
        WITH visited AS MATERIALIZED (
            SELECT {names}, {way.age} < :before AS is_over FROM {way.table}
            WHERE {way.within} {after}
            ORDER BY {names} LIMIT :rows
        ), locked AS MATERIALIZED (
            SELECT t.ctid FROM visited JOIN {way.table} AS t USING ({names})
            WHERE visited.is_over AND {way.goes}
            FOR UPDATE OF t SKIP LOCKED
        ), last AS (
            SELECT * FROM visited ORDER BY {", ".join(f"{name} DESC" for name, _ in way.order)} LIMIT 1
        )
        SELECT (SELECT count(*) FROM visited) AS number,
               (SELECT array_agg(CAST(ctid AS text)) FROM locked) AS ctids,
               (SELECT is_over FROM last) AS is_over,
               (SELECT ARRAY[{", ".join(f"CAST({name} AS text)" for name, _ in way.order)}] FROM last) AS place
        """  # noqa: S608 - as above
    )


def _remove(way: _Way) -> sa.TextClause:
    # A locked row does not move.
    those = f"t.ctid = ANY (CAST(:ctids AS tid[])) AND {way.goes_then or way.goes}"
    if way.cleared is None:
        return sa.text(f"DELETE FROM {way.table} AS t WHERE {those}")  # noqa: S608 - as above
    return sa.text(f"UPDATE {way.table} AS t SET {way.cleared} WHERE {those}")  # noqa: S608 - as above


def overdue(conn: Connection, tier: Tier, *, before: datetime, at_most: int) -> int:
    """Return how many rows of the tier go with the next pass; *at_most* stands for as many or more."""
    if tier is Tier.CHANGES:
        return superseded_changes.overdue(conn, before=before, at_most=at_most)
    way = _WAYS[tier]
    conn.execute(sa.text("SET LOCAL enable_seqscan = off"))
    some = sa.text(
        f"""
        SELECT count(*) FROM (
            SELECT FROM {way.table} AS t WHERE {way.within} AND {way.age} < :before AND {way.goes} LIMIT :at_most
        ) AS found
        """  # noqa: S608 - as above
    )
    number: int = conn.execute(some, {"before": before, "at_most": at_most}).scalar_one()
    return number


def passes(conn: Connection) -> list[Pass]:
    """Return how far each tier is that was ever begun."""
    columns = (pruning.c.tier, pruning.c.began_at, pruning.c.finished_at, pruning.c.removed)
    rows = conn.execute(sa.select(*columns).order_by(pruning.c.tier))
    known = set(Tier)
    return [Pass(**{**row._mapping, "tier": Tier(row.tier)}) for row in rows if row.tier in known]
