"""
How far each consumer of an Item's events is: fetched, sync requested, synced. Callers own the transaction.

Events and requests to sync are numbered in one sequence, `last_event_seq`. A run that began at a number covers all
events and requests up to it.

Tests: `store/test_sync_state.py`, `engine/sync/test_due.py`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy import Connection

from pluggy_sync.store import contradictions
from pluggy_sync.store.tables import INSTANT, item_progress, items


@dataclass(frozen=True, kw_only=True)
class ItemProgress:
    """
    The counts of an Item's `item_progress` row.

    `due_at`: when the sweep starts a run; None: nothing is to be done. `is_deleted`: the Item is a tombstone here.
    """

    last_event_seq: int = 0
    fetched_seq: int = 0
    sync_requested_seq: int = 0
    synced_seq: int = 0
    sync_attempts: int = 0
    due_at: datetime | None = None
    is_deleted: bool = False
    # As Pluggy last showed the Item; None: it was not fetched yet.
    status: str | None = None

    @property
    def sync_pending(self) -> bool:
        """Whether a sync was requested that no finished run covers: the Item is `syncing`."""
        return self.sync_requested_seq > self.synced_seq


_OF_ITEM = item_progress.c.item_id == sa.bindparam("item")
_UPDATE = sa.update(item_progress).where(_OF_ITEM)

_GET = (
    sa.select(item_progress, items.c.deleted_at, items.c.status)
    .outerjoin(items, items.c.id == item_progress.c.item_id)
    .where(_OF_ITEM)
)


def get(conn: Connection, item_id: str) -> ItemProgress:
    """Return the Item's counts; all are 0 when no event of it was stored."""
    row = conn.execute(_GET, {"item": item_id}).one_or_none()
    if row is None:
        return ItemProgress()
    return ItemProgress(
        last_event_seq=row.last_event_seq,
        fetched_seq=row.fetched_seq,
        sync_requested_seq=row.sync_requested_seq,
        synced_seq=row.synced_seq,
        sync_attempts=row.sync_attempts,
        due_at=row.due_at,
        is_deleted=row.deleted_at is not None,
        status=row.status,
    )


# In SQL as in `ItemProgress.sync_pending`.
SYNC_PENDING = item_progress.c.sync_requested_seq > item_progress.c.synced_seq


_THROUGH = sa.bindparam("through", type_=sa.BigInteger)
_FOLLOWING = item_progress.c.last_event_seq + 1
_FROM = sa.bindparam("from", type_=INSTANT)
_REQUESTED = {
    "last_event_seq": _FOLLOWING,
    "sync_requested_seq": _FOLLOWING,
    "due_at": sa.func.least(item_progress.c.due_at, _FROM),
    "scheduled_at": sa.func.least(item_progress.c.scheduled_at, _FROM),
}


@functools.cache
def _mark_fetched(*, requests: bool, settles: bool) -> sa.Update:
    stmt = _UPDATE.values(fetched_seq=sa.func.greatest(item_progress.c.fetched_seq, _THROUGH))
    stmt = stmt.values(_REQUESTED) if requests else stmt
    return stmt.values(contradictions.SETTLED) if settles else stmt


def mark_fetched(
    conn: Connection,
    item_id: str,
    *,
    through: int,
    sync_due_at: datetime | None,
    settled: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """
    Record that the Item was fetched when `last_event_seq` stood at *through*.

    *sync_due_at*: also request a sync, as `request_sync`; None: there is nothing to sync. *settled*: what
    `contradictions.settled` says, to be written too.
    """
    stmt = _mark_fetched(requests=sync_due_at is not None, settles=bool(settled))
    due = {} if sync_due_at is None else {"from": sync_due_at}
    conn.execute(stmt, {"item": item_id, "through": through, **due, **settled})


_REQUEST_SYNC = _UPDATE.values(_REQUESTED)


def request_sync(conn: Connection, item_id: str, *, due_at: datetime) -> None:
    """
    Record that there is something to sync. It takes the next number: no run that has begun covers it.

    The caller queues a run; the sweep does if none has begun by *due_at*.
    """
    conn.execute(_REQUEST_SYNC, {"item": item_id, "from": due_at})


def make_due(conn: Connection, item_id: str, *, due_at: datetime) -> None:
    """Let the sweep start the Item's sync at *due_at*."""
    conn.execute(_UPDATE, {"item": item_id, **_due(due_at)})


def _due(moment: datetime | None) -> dict[str, datetime | None]:
    """Return what says that a sync is due at *moment*. The sweep moves `due_at` when it queues the sync."""
    return {"due_at": moment, "scheduled_at": moment}


_RESCHEDULE_DUE = _UPDATE.where(item_progress.c.due_at.is_not(None))


def reschedule_due(conn: Connection, item_id: str, *, until: datetime) -> None:
    """Let the sweep start the Item's sync no earlier than *until*, if one is due."""
    conn.execute(_RESCHEDULE_DUE, {"item": item_id, **_due(until)})


_MARK_SYNCED = _UPDATE.values(
    synced_seq=sa.func.greatest(item_progress.c.synced_seq, _THROUGH),
    sync_attempts=0,
).returning(SYNC_PENDING)


def mark_synced(conn: Connection, item_id: str, *, through: int, retry_at: datetime | None) -> bool:
    """
    Record that everything up to *through* is covered; return whether a later request is pending.

    *retry_at*: when the sweep is to start a run for what is incomplete; None: for nothing.
    """
    return bool(conn.scalar(_MARK_SYNCED, {"item": item_id, "through": through, **_due(retry_at)}))


def reschedule_sync(conn: Connection, item_id: str, *, until: datetime, attempts: int) -> None:
    """Let the sweep start the Item's sync at *until*; *attempts* in a row have failed."""
    conn.execute(_UPDATE, {"item": item_id, "sync_attempts": attempts, **_due(until)})


_NOW = sa.bindparam("now", type_=INSTANT)
_DUE = (
    sa.select(item_progress.c.item_id)
    .join(items, items.c.id == item_progress.c.item_id)
    .where(
        item_progress.c.due_at <= _NOW,
        sa.or_(items.c.lease_until.is_(None), items.c.lease_until <= _NOW),
        items.c.deleted_at.is_(None),
    )
    .order_by(item_progress.c.due_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(of=item_progress, skip_locked=True)
    .cte("due")  # Read once, as in `inbox.take_due`.
)
_TAKE_DUE = (
    sa.update(item_progress)
    # As a list, each is looked up by its key. Joined, the planner may read the whole table.
    .where(item_progress.c.item_id == sa.func.any(sa.func.array(sa.select(_DUE.c.item_id).scalar_subquery())))
    .returning(item_progress.c.item_id)
)


def take_due_syncs(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[str]:
    """Return ids of Items whose sync is due and that no run has leased; each is due again at *until* if none began."""
    return list(conn.scalars(_TAKE_DUE, {"now": now, "limit": limit, "due_at": until}))
