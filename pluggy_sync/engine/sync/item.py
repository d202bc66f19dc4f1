"""
Syncing an Item: accounts, the transactions of each, then the other products; the watermark moves with the last write.

No transaction is open while Pluggy answers. A crash leaves the old watermark, and what was written is written again
harmlessly.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync.engine.sync import run as runs
from pluggy_sync.engine.sync.data_products import sync_products
from pluggy_sync.engine.sync.run import LeaseLostError, Run, writing
from pluggy_sync.engine.sync.transactions import sync_account
from pluggy_sync.pluggy import rate_budget, unreadable
from pluggy_sync.pluggy.errors import PluggyError
from pluggy_sync.resources import Resources
from pluggy_sync.rules.window import after
from pluggy_sync.store import accounts

log = structlog.get_logger(__name__)

# Accounts of one Item that are read at once. Pluggy's answers are waited for, so this is not about cores.
PARALLEL_ACCOUNTS = 3


def sync_item(res: Resources, item_id: str) -> None:
    """Sync the Item if something is wanted and no other run holds it. Safe to repeat."""
    run = runs.claim(res, item_id, deep=False)
    if run is not None:
        _carry_out(res, run)


def sync_deeply(res: Resources, item_id: str) -> bool:
    """Compare the Item's whole stored year with Pluggy's and repair it; return whether that was begun."""
    run = runs.claim(res, item_id, deep=True)
    if run is None:
        return False
    with rate_budget.lane(rate_budget.Lane.RECONCILIATION):
        _carry_out(res, run)
    return True


def _carry_out(res: Resources, run: Run) -> None:
    with structlog.contextvars.bound_contextvars(item_id=run.item.id, run_id=str(run.id)):
        before = res.pluggy.requests
        try:
            _read_and_keep_what_is_odd(res, run)
            runs.finish(res, run, requests=res.pluggy.requests - before)
        except LeaseLostError:
            log.warning("sync.lease_lost", next="the run that took over, or the deletion, stands")
        except PluggyError as exc:
            runs.fail(res, run, exc, requests=res.pluggy.requests - before)
        except Exception as exc:
            runs.fail(res, run, exc, requests=res.pluggy.requests - before)
            raise


def _read_and_keep_what_is_odd(res: Resources, run: Run) -> None:
    try:
        with unreadable.collecting(run.unreadable):
            _read_and_write(res, run)
    finally:
        runs.keep_unreadable(res, run)


def _read_and_write(res: Resources, run: Run) -> None:
    found = [account for account in res.pluggy.accounts(run.item.id) if account.item_id == run.item.id]
    with writing(res, run) as tx:
        conn = tx.conn
        accounts.save(conn, run.item.id, found, now=res.now())
        if not run.unreadable.any_of(unreadable.ACCOUNT):
            accounts.mark_missing(conn, run.item.id, found, now=res.now())
        listed = accounts.listed(conn, run.item.id)
    _sync_accounts(res, run, [row for row in listed if _has_news(run, row)])
    sync_products(res, run)


def _has_news(run: Run, account: sa.Row[Any]) -> bool:
    return run.deep or after(run.to, account.synced_through) or account.id in run.hints


def _sync_accounts(res: Resources, run: Run, rows: Sequence[sa.Row[Any]]) -> None:
    if len(rows) <= 1:
        for row in rows:
            sync_account(res, run, row)
        return
    with ThreadPoolExecutor(max_workers=PARALLEL_ACCOUNTS) as threads:
        # Each thread takes along the lane of the budget and the ids that log lines carry.
        futures = [threads.submit(copy_context().run, sync_account, res, run, row) for row in rows]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            run.stopped.set()
            for future in futures:
                future.cancel()
            raise
