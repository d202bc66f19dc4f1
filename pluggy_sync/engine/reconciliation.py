"""
Reconciliation: finding what lost webhooks left behind. It reads known Items, rarely and paced; it never updates one.

Two ways: fetch an Item that stayed silent past its next auto-sync, once; and compare each Item's whole stored year with
Pluggy's, a few Items at a time. Both show as sync runs and events of their own: what they find counts as missed
(`store.counters`). An Item that Pluggy cannot show is tried again more and
more rarely, and never stops the others.
"""

from datetime import datetime, timedelta

import structlog

from pluggy_sync import queue
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import requests
from pluggy_sync.engine.sync import data_products
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff
from pluggy_sync.store import inbox
from pluggy_sync.store import reconciliation as reconciliation_queries

log = structlog.get_logger(__name__)

# Auto-sync is announced to the minute but runs take a while, and their webhooks are tried again for hours.
SILENCE_GRACE = timedelta(hours=3)
SILENT_PER_ROUND = 100
# A reconciliation that was queued is expected to have ended by then; if not, its Item is taken again.
REQUEUE_AFTER = timedelta(hours=6)


def find_missed(res: Resources) -> None:
    """Have silent Items fetched, and queue the reconciliations that are due. Called by beat."""
    now = res.now()
    with res.begin() as tx:
        silent = reconciliation_queries.silent(tx.conn, due_before=now - SILENCE_GRACE, limit=SILENT_PER_ROUND)
        # In the order of their ids: transactions that lock several Items must not wait for each other in a circle.
        for item_id in sorted(silent):
            requests.fetch_once(tx, item_id, why=inbox.SILENT, now=now)
        due = reconciliation_queries.take_due(
            tx.conn, before=_before(res), now=now, until=now + REQUEUE_AFTER, limit=res.settings.reconcile_per_round
        )
        for item_id in due:
            tx.after_commit(queue.RECONCILE, item_id)
    _read_categories(res)
    if silent or due:
        log.info("reconciliation.due", silent=len(silent), deep=len(due))


def _before(res: Resources) -> datetime:
    """Return the moment since which an Item that is reconciled in time was reconciled."""
    return res.now() - timedelta(days=res.settings.reconcile_every_days)


def _read_categories(res: Resources) -> None:
    try:
        data_products.sync_categories(res)
    except PluggyError as exc:
        log.warning("categories.reschedule", error=str(exc))


def reconcile_if_due(res: Resources, item_id: str) -> None:
    """Reconcile the Item unless that was done meanwhile: the task may be delivered twice."""
    if _is_due(res, item_id):
        reconcile(res, item_id)


def _is_due(res: Resources, item_id: str) -> bool:
    with res.database.begin() as conn:
        return reconciliation_queries.is_due(conn, item_id, before=_before(res))


def reconcile(res: Resources, item_id: str) -> None:
    """
    Bring one Item up to date and then compare everything that is stored with Pluggy. Safe to repeat.

    Trouble with Pluggy ends it; the Item stays due and comes again, more and more rarely.
    """
    with structlog.contextvars.bound_contextvars(item_id=item_id), rate_budget.lane(rate_budget.Lane.RECONCILIATION):
        try:
            item_fetching.fetch(res, item_id)
        except PluggyError as exc:
            _put_off(res, item_id, str(exc))
            return
        # What is new comes first. Then all that the deep run changes are repairs.
        item_sync.sync_item(res, item_id)
        if not item_sync.sync_deeply(res, item_id):
            _put_off(res, item_id, "held by another run, not good, or gone")
        elif _is_due(res, item_id):
            _put_off(res, item_id, "the deep run failed")


def _put_off(res: Resources, item_id: str, why: str) -> None:
    with res.database.begin() as conn:
        failed = reconciliation_queries.failures(conn, item_id)
        until = res.now() + backoff.wait(failed, backoff.RECONCILIATION_STEPS_S)
        reconciliation_queries.put_off(conn, item_id, until=until)
    log.warning("reconciliation.reschedule", error=why, failures=failed + 1, next_try_at=str(until))
