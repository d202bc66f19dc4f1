"""
What each sync did. Callers own the transaction.

Tests: `engine/sync/test_run.py`, `engine/sync/test_item.py`.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import sync_runs


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
    before: uuid.UUID | None,
    now: datetime,
) -> None:
    """
    Record that a run begins, which reads *parts*, each for a reason.

    *before*: a run of this Item that has not ended; it has lost its worker.
    """
    if before is not None:
        conn.execute(
            sa.update(sync_runs)
            .where(sync_runs.c.id == before, sync_runs.c.outcome == "running")
            .values(outcome="abandoned", finished_at=now)
        )
    conn.execute(
        sa.insert(sync_runs).values(
            id=run_id,
            item_id=item_id,
            trigger=trigger,
            triggered_by=triggered_by,
            began_at_seq=began_at_seq,
            parts=dict(parts),
            window_from=window_from,
            window_to=window_to,
            cursor=cursor,
            started_at=now,
        )
    )


def add_counts(conn: Connection, run_id: uuid.UUID, **counts: int) -> None:
    """Add to the run's counters, by column name."""
    conn.execute(
        sa.update(sync_runs)
        .where(sync_runs.c.id == run_id)
        .values({name: sync_runs.c[name] + count for name, count in counts.items()})
    )


def repaired(conn: Connection) -> int:
    """Return how many rows were repaired: changes whose webhooks were missed, and rows removed by mistake."""
    reconciliation = sa.literal_column("'reconciliation'", sa.Text)
    changed = sa.select(
        sa.func.coalesce(sa.func.sum(sync_runs.c.added + sync_runs.c.modified + sync_runs.c.removed), 0)
    ).where(sync_runs.c.trigger == reconciliation)
    lifted = sa.select(sa.func.coalesce(sa.func.sum(sync_runs.c.repaired), 0)).where(
        sync_runs.c.repaired > sa.literal_column("0"), sync_runs.c.trigger != reconciliation
    )
    total: int = conn.execute(sa.select(changed.scalar_subquery() + lifted.scalar_subquery())).scalar_one()
    return total


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


def finish(
    conn: Connection,
    run_id: uuid.UUID,
    outcome: str,
    *,
    requests: int,
    now: datetime,
    error: str | None = None,
    incomplete: Sequence[Mapping[str, Any]] = (),
) -> sa.Row[Any] | None:
    """
    Record how the run ended and return it; None if it was abandoned meanwhile.

    *incomplete*: the parts of the Item that are not complete, as notifications name them.
    """
    return conn.execute(
        sa.update(sync_runs)
        .where(sync_runs.c.id == run_id, sync_runs.c.outcome == "running")
        .values(
            outcome=outcome,
            requests=requests,
            finished_at=now,
            error=error,
            incomplete=[dict(each) for each in incomplete] or sa.null(),
        )
        .returning(sync_runs)
    ).one_or_none()


def before(
    conn: Connection, item_id: str, position: tuple[datetime, uuid.UUID] | None, *, limit: int
) -> Sequence[sa.Row[Any]]:
    """Return the Item's next *limit* runs, newest first, from those before *position* (started at, id)."""
    stmt = sa.select(sync_runs).where(sync_runs.c.item_id == item_id)
    if position is not None:
        stmt = stmt.where(sa.tuple_(sync_runs.c.started_at, sync_runs.c.id) < position)
    return conn.execute(stmt.order_by(sync_runs.c.started_at.desc(), sync_runs.c.id.desc()).limit(limit)).all()
