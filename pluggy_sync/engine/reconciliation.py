"""
Reconciliation: finding what lost webhooks left behind. It reads known Items, rarely and paced; it never updates one.

Two ways: an Item that stayed silent past its next auto-sync is looked at once; and each Item's whole stored year is
compared with Pluggy's, a few Items at a time. Both show as runs and events of their own, so what they found counts
as missed (`store.sync_runs.repaired`, `store.inbox.found_by_fetching`).
"""

from datetime import timedelta

import structlog

from pluggy_sync import events, queue
from pluggy_sync.engine import items as item_fetching
from pluggy_sync.engine import requests
from pluggy_sync.engine.sync import data_products
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox
from pluggy_sync.store import reconciliation as reconciliation_queries

log = structlog.get_logger(__name__)

# Auto-sync is announced to the minute but runs take a while, and their webhooks are tried again for hours.
SILENCE_GRACE = timedelta(hours=3)
SILENT_PER_ROUND = 100


def find_missed(res: Resources) -> None:
    """Ask to look at Items that stayed silent, and queue the reconciliations that are due. Called by beat."""
    now = res.now()
    every = timedelta(days=res.settings.reconcile_every_days)
    with res.begin() as tx:
        silent = reconciliation_queries.silent(tx.conn, due_before=now - SILENCE_GRACE, limit=SILENT_PER_ROUND)
        for item_id in silent:
            requests.fetch(tx, item_id, why=inbox.SILENT, now=now)
        due = reconciliation_queries.due_for_reconciliation(
            tx.conn, before=now - every, limit=res.settings.reconcile_per_round
        )
        for item_id in due:
            tx.after_commit(queue.RECONCILE, item_id)
    _read_categories(res)
    if silent or due:
        log.info("reconciliation.due", silent=len(silent), deep=len(due))


def _read_categories(res: Resources) -> None:
    try:
        data_products.sync_categories(res)
    except PluggyError as exc:
        log.warning("categories.reschedule", error=str(exc))


def reconcile(res: Resources, item_id: str) -> None:
    """
    Bring one Item up to date and then compare everything that is stored with Pluggy. Safe to repeat.

    Trouble with Pluggy ends it; the Item stays due and comes again with a later round.
    """
    with structlog.contextvars.bound_contextvars(item_id=item_id), rate_budget.lane(rate_budget.Lane.RECONCILIATION):
        try:
            item_fetching.fetch(res, item_id, events.FETCH_REQUESTED, asked=0)
        except PluggyError as exc:
            log.warning("reconciliation.reschedule", error=str(exc))
            return
        # What is new anyway comes first, so that the deep run's changes are all repairs.
        item_sync.sync_item(res, item_id)
        if not item_sync.sync_deeply(res, item_id):
            log.info("reconciliation.passed_over", reason="held by another run, not good, or gone")
