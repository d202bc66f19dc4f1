"""Fetches one Item and syncs what is new, in this process, and says how that ended. Safe to repeat."""

import time
from dataclasses import dataclass
from enum import StrEnum

from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.engine.sync.due import plan_of
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.resources import Resources
from pluggy_sync.rules.decision import Decision, Step
from pluggy_sync.store import inbox, items, sync_runs, sync_state
from pluggy_sync.store.sync_runs import SyncRun

# How long to wait for a worker that began first. It renews its lease while it lives.
PATIENCE_S = 600
# For the budget of requests, which workers use first: an operator's command waits, where they would reschedule.
BUDGET_PATIENCE_S = 1800
_POLL_S = 0.2


class End(StrEnum):
    """How it ended for one Item."""

    SYNCED = "synced"
    UP_TO_DATE = "up to date"
    WAITING = "waiting for a person, the bank or an execution"
    LEASED = "leased to another sync run"
    GONE = "deleted"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Result:
    """How it ended; `detail` says why. `run` is the sync run, None if there was none."""

    end: End
    detail: str = ""
    run: SyncRun | None = None


def refuse_unknown(res: Resources, item_id: str) -> Result | None:
    """
    Return how it ended for an Item that neither side knows, or for which Pluggy does not answer; None: go on.

    Its id is mistyped, or the credentials are another application's. Nothing is stored of it.
    """
    try:
        with rate_budget.waiting(BUDGET_PATIENCE_S):
            exists = item_fetching.exists(res, item_id)
    except PluggyError as exc:
        return Result(end=End.FAILED, detail=str(exc))
    if exists:
        return None
    return Result(end=End.UNKNOWN, detail="it is not known here, and Pluggy answers 404; nothing was stored")


def catch_up(res: Resources, item_id: str, *, wait_s: float = 0.0) -> Result:
    """Fetch the Item and sync what is new; wait up to *wait_s* seconds for another sync run that has its lease."""
    with rate_budget.waiting(BUDGET_PATIENCE_S):
        return refuse_unknown(res, item_id) or _catch_up(res, item_id, wait_s=wait_s)


def _catch_up(res: Resources, item_id: str, *, wait_s: float) -> Result:
    try:
        decision = _fetch(res, item_id)
    except PluggyError as exc:
        return Result(end=End.FAILED, detail=str(exc))
    if decision.step is not Step.SYNC:
        return _not_synced(decision)
    before = newest_run(res, item_id)
    deadline = time.monotonic() + wait_s
    while True:
        item_sync.sync_item(res, item_id)
        result = _result(res, item_id, before)
        if result.end is not End.LEASED or time.monotonic() >= deadline:
            return result
        time.sleep(_POLL_S)


def _fetch(res: Resources, item_id: str) -> Decision:
    """Fetch the Item for an event of our own. If this process dies, a worker handles that event."""
    with res.database.begin() as conn:
        event_id = inbox.request_fetch(conn, item_id, why=inbox.OPERATOR, now=res.now())
    decision = item_fetching.fetch(res, item_id)
    if decision.step is not Step.FETCH_AGAIN:
        with res.database.begin() as conn:
            inbox.finish(conn, event_id, decision.step.value, now=res.now())
    return decision


def _not_synced(decision: Decision) -> Result:
    if decision.step in (Step.PURGE, Step.IGNORE):
        return Result(end=End.GONE, detail="deleted; its data is purged")
    if decision.step is Step.FETCH_AGAIN:
        return Result(end=End.FAILED, detail="Pluggy does not know it (404); it is asked again for some hours")
    return Result(end=End.WAITING, detail=decision.reason or decision.step.value)


def _result(res: Resources, item_id: str, before: SyncRun | None) -> Result:
    """
    Return how it stands after an attempt.

    If there is still something to sync and nothing failed, another sync run has the lease or had it a moment ago. The
    lease alone does not show it, because it may have ended since the attempt.
    """
    newest = newest_run(res, item_id)
    run = None if newest is None or (before is not None and newest.id == before.id) else newest
    with res.database.begin() as conn:
        state = sync_state.read(conn, item_id)
    if state is None or state.deleted_at is not None:
        return Result(end=End.GONE, detail="deleted; its data is purged")
    if run is not None and run.outcome in ("failed", "rescheduled"):
        return Result(end=End.FAILED, detail=run.error or run.outcome, run=run)
    if plan_of(res, state, now=res.now()) is not None:
        return Result(end=End.LEASED, detail="another sync run has the Item; it will sync what is new", run=run)
    unread = [each for each in state.incomplete.values() if each.is_unread()]
    detail = "; ".join(sorted(f"{each.part.product}: {each.detail}" for each in unread))
    return Result(end=End.UP_TO_DATE if run is None else End.SYNCED, detail=detail, run=newest)


def is_leased(res: Resources, item_id: str) -> bool:
    """Return whether a sync run has the lease of the Item just now."""
    with res.database.begin() as conn:
        row = items.get(conn, item_id)
    return row is not None and row.lease_until is not None and row.lease_until > res.now()


def newest_run(res: Resources, item_id: str) -> SyncRun | None:
    """Return the Item's newest sync run, or None."""
    with res.database.begin() as conn:
        return next(iter(sync_runs.before(conn, item_id, None, limit=1)), None)
