"""
When what beat sends was last done. Callers own the transaction.

Tests: `engine/test_watchdog.py`, `engine/test_sweep.py`.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pluggy_sync.store.tables import schedule

_NEW = insert(schedule)
_DONE = _NEW.on_conflict_do_update(index_elements=[schedule.c.task], set_={"done_at": _NEW.excluded.done_at})


def done(conn: Connection, task: str, *, now: datetime) -> None:
    """Record that the task, as `queue.SWEEP`, was done."""
    conn.execute(_DONE, {"task": task, "done_at": now})


def all_(conn: Connection) -> dict[str, datetime]:
    """Return when each task was last done that ever was."""
    return {row.task: row.done_at for row in conn.execute(sa.select(schedule).order_by(schedule.c.task))}


def last_done(conn: Connection, task: str) -> datetime | None:
    """Return when the task was last done; None: never."""
    moment: datetime | None = conn.scalar(sa.select(schedule.c.done_at).where(schedule.c.task == task))
    return moment
