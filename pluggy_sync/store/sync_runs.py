"""
What each sync did. Callers own the transaction.

Tests: `engine/sync/test_run.py`, `engine/sync/test_item.py`.
"""

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB

from pluggy_sync.store import counters
from pluggy_sync.store.tables import INSTANT, sync_runs

# The trigger of a run that compares everything stored with Pluggy.
RECONCILIATION = "reconciliation"


@dataclass(frozen=True, kw_only=True)
class SyncRun:
    """A sync run as recorded."""

    id: uuid.UUID
    item_id: str
    # Name of the event that made it due, and who started Pluggy's execution.
    trigger: str
    triggered_by: str | None
    window_from: date | None
    window_to: datetime | None
    requests: int
    added: int
    modified: int
    removed: int
    # Rows that were kept though Pluggy's answer lacked them.
    doubted: int
    # Rows among `added` that had been removed here by mistake.
    repaired: int
    # What it read, each part with the reason; None once the Item is deleted.
    parts: dict[str, str] | None
    # The parts that were not complete as it ended; None: all were.
    incomplete: list[dict[str, str | None]] | None
    started_at: datetime
    finished_at: datetime | None
    # running, done, failed, rescheduled or abandoned
    outcome: str
    error: str | None
    # Where the Item's change feed stood as it began.
    cursor: int


_COLUMNS = [sync_runs.c[each.name] for each in fields(SyncRun)]


_OF_RUN = sync_runs.c.id == sa.bindparam("run")

_ABANDON = (
    sa.update(sync_runs)
    .where(sync_runs.c.item_id == sa.bindparam("item"), sync_runs.c.outcome == "running")
    .values(outcome="abandoned")
    .returning(*_COLUMNS)
)
_BEGIN = sa.insert(sync_runs)


def begin(
    conn: Connection,
    run_id: uuid.UUID,
    item_id: str,
    *,
    trigger: str,
    triggered_by: str | None,
    began_at_seq: int,
    parts: Mapping[str, str],
    window_from: date | None,
    window_to: datetime | None,
    cursor: int,
    now: datetime,
) -> None:
    """
    Record that a run begins, which reads *parts*, each for a reason.

    If another run of this Item still counts as running, its worker died: it is marked as abandoned.
    """
    abandoned = conn.execute(_ABANDON, {"item": item_id, "finished_at": now}).all()
    _count_repaired(conn, abandoned)
    conn.execute(
        _BEGIN,
        {
            "id": run_id,
            "item_id": item_id,
            "trigger": trigger,
            "triggered_by": triggered_by,
            "began_at_seq": began_at_seq,
            "parts": dict(parts),
            "window_from": window_from,
            "window_to": window_to,
            "cursor": cursor,
            "started_at": now,
        },
    )


def _feed_before() -> sa.Select[int]:
    of_item = sync_runs.c.item_id == sa.bindparam("item")
    last_done = sa.select(sa.func.max(sync_runs.c.started_at)).where(
        of_item, sync_runs.c.outcome == "done", sync_runs.c.incomplete.is_(None)
    )
    since = sa.func.coalesce(last_done.scalar_subquery(), sa.literal("-infinity", sa.DateTime(timezone=True)))
    return sa.select(sa.func.min(sync_runs.c.cursor)).where(of_item, sa.or_(_OF_RUN, sync_runs.c.started_at > since))


_FEED_BEFORE = _feed_before()


def feed_before(conn: Connection, run: uuid.UUID, item_id: str) -> int:
    """
    Return where the Item's change feed stood when *run* began.

    Runs after the last that was complete count as one with it: what one of them could not read, the next one does.
    """
    return int(conn.execute(_FEED_BEFORE, {"item": item_id, "run": run}).scalar_one())


_COUNTED = ("added", "modified", "removed", "doubted", "repaired")
_ADD_COUNTS = (
    sa.update(sync_runs)
    .where(_OF_RUN)
    .values({name: sync_runs.c[name] + sa.bindparam(f"more_{name}", type_=sa.BigInteger) for name in _COUNTED})
)


def add_counts(
    conn: Connection,
    run_id: uuid.UUID,
    *,
    added: int = 0,
    modified: int = 0,
    removed: int = 0,
    doubted: int = 0,
    repaired: int = 0,
) -> None:
    """Add to the run's counters."""
    more = zip(_COUNTED, (added, modified, removed, doubted, repaired), strict=True)
    conn.execute(_ADD_COUNTS, {"run": run_id, **{f"more_{name}": number for name, number in more}})


def _count_repaired(conn: Connection, rows: Iterable[sa.Row[Any]]) -> None:
    """Count what ended runs repaired: all that a reconciliation changed, and what another run brought back."""
    repaired = sum(
        row.added + row.modified + row.removed if row.trigger == RECONCILIATION else row.repaired for row in rows
    )
    if repaired:
        counters.add(conn, counters.ROWS_REPAIRED, repaired)


# Before any was measured: an Item of three accounts, each of one page, and its lists.
REQUESTS_ASSUMED = 6.0
_MEASURED_RUNS = 50


def requests_of_reconciliation(conn: Connection) -> float:
    """Return how many requests the newest reconciliations made on average."""
    newest = (
        sa.select(sync_runs.c.requests)
        .where(
            sync_runs.c.trigger == sa.literal_column("'reconciliation'", sa.Text),
            sync_runs.c.outcome == sa.literal_column("'done'", sa.Text),
        )
        .order_by(sync_runs.c.started_at.desc())
        .limit(_MEASURED_RUNS)
        .subquery()
    )
    average = conn.scalar(sa.select(sa.func.avg(newest.c.requests)))
    return REQUESTS_ASSUMED if average is None else float(average)


_FINISH = (
    sa.update(sync_runs)
    .where(_OF_RUN, sync_runs.c.outcome == "running")
    .values(incomplete=sa.bindparam("incomplete", type_=JSONB(none_as_null=True)))
    .returning(*_COLUMNS)
)


def finish(
    conn: Connection,
    run_id: uuid.UUID,
    outcome: str,
    *,
    requests: int,
    now: datetime,
    error: str | None = None,
    incomplete: Sequence[Mapping[str, str | None]] = (),
) -> SyncRun | None:
    """
    Record how the run ended and return it; None if it was abandoned meanwhile.

    *incomplete*: the parts of the Item that are not complete, as notifications name them.
    """
    row = conn.execute(
        _FINISH,
        {
            "run": run_id,
            "outcome": outcome,
            "requests": requests,
            "finished_at": now,
            "error": error,
            "incomplete": [dict(each) for each in incomplete] or None,
        },
    ).one_or_none()
    if row is None:
        return None
    _count_repaired(conn, [row])
    return SyncRun(**row._mapping)


@functools.cache
def _before(*, continued: bool) -> sa.Select[Any]:
    stmt = sa.select(*_COLUMNS).where(sync_runs.c.item_id == sa.bindparam("item"))
    if continued:
        position = sa.tuple_(sa.bindparam("from_started_at", type_=INSTANT), sa.bindparam("from_id", type_=sa.Uuid))
        stmt = stmt.where(sa.tuple_(sync_runs.c.started_at, sync_runs.c.id) < position)
    return stmt.order_by(sync_runs.c.started_at.desc(), sync_runs.c.id.desc()).limit(sa.bindparam("limit"))


def before(
    conn: Connection, item_id: str, position: tuple[datetime, uuid.UUID] | None, *, limit: int
) -> Sequence[SyncRun]:
    """Return the Item's next *limit* runs, newest first, from those before *position* (started at, id)."""
    begins = {} if position is None else {"from_started_at": position[0], "from_id": position[1]}
    rows = conn.execute(_before(continued=position is not None), {"item": item_id, **begins, "limit": limit})
    return [SyncRun(**row._mapping) for row in rows]
