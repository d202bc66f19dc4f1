"""Asking whether there is anything to sync of an Item, and requesting a run if there is."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from pluggy_sync import queue
from pluggy_sync.resources import Resources
from pluggy_sync.rules import sync_plan
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.rules.sync_plan import SyncPlan, SyncState
from pluggy_sync.store import item_progress
from pluggy_sync.store.inbox import GRACE
from pluggy_sync.transaction import Transaction

# A run that is due within this time needs no second message: it covers everything that is stored when it begins.
SOON = timedelta(seconds=60)


def plan_of(res: Resources, state: SyncState, *, now: datetime, deep: bool = False) -> SyncPlan | None:
    """Return what there is to sync, or None. *deep* needs an Item whose last execution was good."""
    if deep and (state.item is None or state.item.status != UPDATED):
        return None
    return sync_plan.plan(state, now=now, overlap_days=res.settings.sync_overlap_days, deep=deep)


def request_if_news(
    tx: Transaction,
    res: Resources,
    state: SyncState,
    *,
    fetched_seq: int,
    settled: Mapping[str, object] = MappingProxyType({}),
    now: datetime,
) -> None:
    """
    Record that the Item was fetched when `last_event_seq` stood at *fetched_seq*, and request a run if there is news.

    *settled*: as `item_progress.mark_fetched`. The caller holds the Item's write lock. A run that has the Item's
    lease queues the next one itself as it ends.
    """
    leased = state.is_leased(now)
    requested = plan_of(res, state, now=now) is not None and (leased or not _is_queued(state, now))
    item_progress.mark_fetched(
        tx.conn, state.item_id, through=fetched_seq, sync_due_at=now + GRACE if requested else None, settled=settled
    )
    if requested and not leased:
        tx.after_commit(queue.SYNC_ITEM, state.item_id)


def _is_queued(state: SyncState, now: datetime) -> bool:
    # If a run began and its process died, its message is used up.
    began = state.run_id is not None
    return state.sync_pending and not began and state.due_at is not None and state.due_at <= now + SOON
