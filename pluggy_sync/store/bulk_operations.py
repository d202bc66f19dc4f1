"""
What operators do to many things at once, and how far it is. Callers own the transaction.

Tests: `engine/test_bulk.py`.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store.tables import bulk_operations

RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class BulkOperation:
    """
    Something done to many things. `wanted` says which; `counted`, how many there were when it began, or at least.

    `position`: up to where they were gone through; None: not begun. `state`: running, done, or stopped by an operator.
    """

    id: str
    operator: str
    what: str
    wanted: dict[str, Any]
    counted: int
    done: int
    position: str | None
    state: str
    started_at: datetime
    finished_at: datetime | None


_COLUMNS = [bulk_operations.c[each.name] for each in fields(BulkOperation)]


def begin(conn: Connection, *, operator: str, what: str, wanted: Mapping[str, Any], counted: int, now: datetime) -> str:
    """Store an operation, which runs from now on; return its id."""
    id_ = "bulk_" + secrets.token_urlsafe(9)
    conn.execute(
        sa.insert(bulk_operations).values(
            id=id_, operator=operator, what=what, wanted=dict(wanted), counted=counted, started_at=now
        )
    )
    return id_


def get(conn: Connection, id_: str) -> BulkOperation | None:
    """Return the operation; None: there is none."""
    row = conn.execute(sa.select(*_COLUMNS).where(bulk_operations.c.id == id_)).one_or_none()
    return None if row is None else BulkOperation(**row._mapping)


def newest(conn: Connection, *, limit: int) -> Sequence[BulkOperation]:
    """Return the newest operations."""
    rows = conn.execute(sa.select(*_COLUMNS).order_by(bulk_operations.c.started_at.desc()).limit(limit))
    return [BulkOperation(**row._mapping) for row in rows]


def running(conn: Connection) -> Sequence[str]:
    """Return the ids of the operations that run, oldest first."""
    is_running = bulk_operations.c.state == sa.literal_column("'running'", sa.Text)
    return conn.scalars(sa.select(bulk_operations.c.id).where(is_running).order_by(bulk_operations.c.started_at)).all()


def lock(conn: Connection, id_: str) -> BulkOperation | None:
    """Return the operation if it runs, and nobody else works at it until the transaction ends; else None."""
    row = conn.execute(
        sa.select(*_COLUMNS)
        .where(bulk_operations.c.id == id_, bulk_operations.c.state == RUNNING)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else BulkOperation(**row._mapping)


def advance(conn: Connection, id_: str, *, done: int, position: str) -> None:
    """Record that *done* more were gone through, up to *position*."""
    conn.execute(
        sa.update(bulk_operations)
        .where(bulk_operations.c.id == id_)
        .values(done=bulk_operations.c.done + done, position=position)
    )


def finish(conn: Connection, id_: str, state: str, *, now: datetime) -> bool:
    """Let the operation be `done` or `stopped`; return False if it does not run."""
    finished = conn.execute(
        sa.update(bulk_operations)
        .where(bulk_operations.c.id == id_, bulk_operations.c.state == RUNNING)
        # Whose Items they were is not kept.
        .values(state=state, finished_at=now, wanted=bulk_operations.c.wanted.op("-")("user"))
    )
    return finished.rowcount == 1
