"""
Reconciliation: finding what lost webhooks left behind. It reads known Items, rarely and paced; it never updates one.

Two ways: fetch an Item that stayed silent past its next auto-sync, once; and compare each Item's whole stored year with
Pluggy's. Each round takes as many of both as the budget that is left can serve, less those that still wait for a
worker. Both show as sync runs and events of their own: what they find counts as missed (`store.counters`). An Item that
Pluggy cannot show is tried again more and more rarely, and never stops the others.
"""

from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError

from pluggy_sync import queue
from pluggy_sync.engine import item_list, requests
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine.sync import data_products
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.engine.sync.item import End
from pluggy_sync.pluggy import deadline, rate_budget
from pluggy_sync.pluggy.client import FETCH_ITEM, READ_TRANSACTIONS
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff, pace
from pluggy_sync.rules.pace import Room
from pluggy_sync.store import inbox, item_lease, sync_runs
from pluggy_sync.store import reconciliation as reconciliation_queries

log = structlog.get_logger(__name__)

# Auto-sync is announced to the minute but runs take a while, and their webhooks are tried again for hours.
SILENCE_GRACE = timedelta(hours=3)
# Items that are locked in one transaction.
CHUNK = 100
# A reconciliation that was queued is expected to have ended by then; if not, its Item is taken again.
REQUEUE_AFTER = timedelta(hours=6)
AWAIT_BUDGET = timedelta(minutes=2)
AWAIT_LEASE = timedelta(minutes=10)
# Reconciliation begins so long before an Item has gone without it for all its days, as a share of these.
LEAD = 1 / 7
# Nobody waits for categories. What beat sends must not be held up by them.
CATEGORIES_WITHIN_S = 10.0


def find_missed(res: Resources) -> None:
    """Have silent Items fetched, and queue reconciliations, as many as there is room for. Called by beat."""
    room = _room(res)
    silent = _request_silent(res, room.silent)
    due = _queue_due(res, min(room.deep, room.both - silent))
    _read_categories(res)
    item_list.compare(res)
    if silent or due:
        log.info("reconciliation.due", silent=silent, deep=due)


def _room(res: Resources) -> Room:
    with res.database.begin() as conn:
        silent_waiting = reconciliation_queries.silent_waiting(conn, now=res.now())
        cost = sync_runs.requests_of_reconciliation(conn)
    try:
        left = res.pluggy.budget.left((FETCH_ITEM, READ_TRANSACTIONS), rate_budget.Lane.RECONCILIATION)
        deep_waiting = queue.length(res.redis, queue.RECONCILIATIONS)
    except RedisError as exc:
        # Nothing could be queued either.
        log.warning("reconciliation.not_paced", error=type(exc).__name__, next="the next round tries again")
        return Room(silent=0, deep=0, both=0)
    return pace.room(
        fetches_left=left[FETCH_ITEM],
        reads_left=left[READ_TRANSACTIONS],
        reads_each=cost,
        silent_waiting=silent_waiting,
        deep_waiting=deep_waiting,
        most_deep=res.settings.reconcile_per_round,
    )


def _request_silent(res: Resources, limit: int) -> int:
    """Have up to *limit* silent Items fetched; return how many."""
    if limit <= 0:
        return 0
    now = res.now()
    with res.database.begin() as conn:
        silent = reconciliation_queries.silent(conn, due_before=now - SILENCE_GRACE, limit=limit)
    # In the order of their ids: transactions that lock several Items must not wait for each other in a circle.
    in_order = sorted(silent)
    for start in range(0, len(in_order), CHUNK):
        with res.begin() as tx:
            requests.fetch_many(tx, in_order[start : start + CHUNK], why=inbox.SILENT, now=now)
    return len(silent)


def _queue_due(res: Resources, limit: int) -> int:
    """Queue up to *limit* reconciliations; return how many."""
    if limit <= 0:
        return 0
    now = res.now()
    with res.begin() as tx:
        due = reconciliation_queries.take_due(
            tx.conn, before=_before(res), now=now, until=now + REQUEUE_AFTER, limit=limit
        )
        for item_id in due:
            tx.after_commit(queue.RECONCILE, item_id)
    return len(due)


def _before(res: Resources) -> datetime:
    """Return the moment since which an Item was reconciled that is not yet due."""
    return res.now() - timedelta(days=res.settings.reconcile_every_days) * (1 - LEAD)


def _read_categories(res: Resources) -> None:
    try:
        with deadline.within(CATEGORIES_WITHIN_S):
            data_products.sync_categories(res)
    except PluggyError as exc:
        log.warning("categories.rescheduled", error=str(exc))


def reconcile_if_due(res: Resources, item_id: str) -> None:
    """Reconcile the Item unless that was done meanwhile: the task may be delivered twice."""
    before = _before(res)
    with res.database.begin() as conn:
        due = reconciliation_queries.is_due(conn, item_id, before=before)
    if due:
        reconcile(res, item_id, unless_since=before)


def reconcile(res: Resources, item_id: str, *, unless_since: datetime | None = None) -> None:
    """
    Bring one Item up to date and then compare everything that is stored with Pluggy. Safe to repeat.

    Trouble with Pluggy ends it; the Item stays due and comes again, more and more rarely. Without budget it comes again
    soon, and that counts as no failure. *unless_since*: nothing is compared if that was done since then.
    """
    with structlog.contextvars.bound_contextvars(item_id=item_id), rate_budget.lane(rate_budget.Lane.RECONCILIATION):
        try:
            item_fetching.fetch(res, item_id)
        except PluggyLimitedError as exc:
            _reschedule(res, item_id, timedelta(seconds=exc.retry_after_s))
            return
        except PluggyError as exc:
            _record_failure(res, item_id, str(exc))
            return
        # What is new comes first. Then all that the deep run changes are repairs.
        item_sync.sync_item(res, item_id)
        end = item_sync.sync_deeply(res, item_id, unless_since=unless_since)
    if end is End.NO_BUDGET:
        _reschedule(res, item_id, AWAIT_BUDGET)
    elif end is End.LEASE_LOST or (end is None and _is_held(res, item_id)):
        _reschedule(res, item_id, AWAIT_LEASE)
    elif end is not End.DONE:
        _record_failure(res, item_id, "the Item cannot be compared now" if end is None else "the deep run failed")


def _is_held(res: Resources, item_id: str) -> bool:
    with res.database.begin() as conn:
        return item_lease.is_held(conn, item_id, now=res.now())


def _reschedule(res: Resources, item_id: str, wait: timedelta) -> None:
    """Let the Item be taken again after *wait*; it was not tried."""
    with res.database.begin() as conn:
        reconciliation_queries.reschedule(conn, item_id, before=_before(res), until=res.now() + wait)


def _record_failure(res: Resources, item_id: str, why: str) -> None:
    """Let the Item be taken again later, after each failure in a row later still."""
    before = _before(res)
    with res.database.begin() as conn:
        failed = reconciliation_queries.failures(conn, item_id)
        until = res.now() + backoff.wait(failed, backoff.RECONCILIATION_STEPS_S)
        if not reconciliation_queries.record_failure(conn, item_id, before=before, until=until):
            # It was done meanwhile.
            return
    log.warning("reconciliation.rescheduled", error=why, failures=failed + 1, next_try_at=str(until))
