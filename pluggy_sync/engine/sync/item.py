"""
Syncing an Item: accounts, the transactions of each, then the other data products, as the plan says.

No transaction is open while Pluggy answers. After a crash the watermarks are the old ones, and the next run writes the
same rows again, which does no harm.
"""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

import structlog

from pluggy_sync import cause, tracing
from pluggy_sync.engine.errors import LeaseLostError
from pluggy_sync.engine.sync import run as runs
from pluggy_sync.engine.sync.data_products import sync_products
from pluggy_sync.engine.sync.due import plan_of
from pluggy_sync.engine.sync.lease import heartbeat
from pluggy_sync.engine.sync.run import Run, reading, writing
from pluggy_sync.engine.sync.sharing import sync_sharing
from pluggy_sync.engine.sync.transactions import sync_accounts
from pluggy_sync.pluggy import rate_budget, unreadable
from pluggy_sync.pluggy.client import READ_TRANSACTIONS
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError, PluggyUnavailableError
from pluggy_sync.resources import Resources
from pluggy_sync.rules import novelties
from pluggy_sync.rules.sync_plan import ACCOUNTS, AccountState, Part, Reason, SyncState
from pluggy_sync.store import accounts, item_progress

log = structlog.get_logger(__name__)

# What nearly every run asks first. Without budget for these none is begun.
READ_ACCOUNTS = "GET /accounts"
ENDPOINTS = (READ_ACCOUNTS, READ_TRANSACTIONS)


class End(Enum):
    """How a run ended."""

    DONE = auto()
    FAILED = auto()
    NO_BUDGET = auto()
    LEASE_LOST = auto()


def sync_item(res: Resources, item_id: str) -> None:
    """Sync the Item if there is news and no other run has its lease; reschedule it if there is no budget."""
    wait_s = 0.0 if rate_budget.patience_s() else res.pluggy.budget.wait_s(ENDPOINTS)
    if wait_s:
        with res.database.begin() as conn:
            item_progress.reschedule_due(conn, item_id, until=res.now() + timedelta(seconds=wait_s))
        return
    run = runs.claim(res, item_id, deep=False)
    if run is not None:
        _carry_out(res, run)


def sync_deeply(res: Resources, item_id: str, *, unless_since: datetime | None = None) -> End | None:
    """
    Compare the Item's whole stored year with Pluggy's and repair it; return how that ended.

    None: it was not begun. *unless_since*: it is not begun either if that was done since then.
    """
    run = runs.claim(res, item_id, deep=True, unless_since=unless_since)
    if run is None:
        return None
    with rate_budget.lane(rate_budget.Lane.RECONCILIATION):
        return _carry_out(res, run)


def _carry_out(res: Resources, run: Run) -> End:
    item_id = run.item.id
    with (
        structlog.contextvars.bound_contextvars(item_id=item_id, run_id=str(run.id)),
        cause.received(run.received_at),
        heartbeat(res, item_id, run.id, run.stopped),
        tracing.span("sync item", kind="consumer", item_id=item_id, run_id=str(run.id)) as span,
    ):
        end = _read_to_the_end(res, run)
        span.note(outcome=end.name.lower())
    return end


def _read_to_the_end(res: Resources, run: Run) -> End:
    before = res.pluggy.requests
    try:
        _read_and_keep_what_is_odd(res, run)
    except LeaseLostError:
        log.warning("sync.lease_lost", next="the run that took over, or the deletion, stands")
        return End.LEASE_LOST
    except PluggyError as exc:
        runs.fail(res, run, exc, requests=res.pluggy.requests - before)
        return End.NO_BUDGET if isinstance(exc, PluggyLimitedError) else End.FAILED
    except Exception as exc:
        runs.fail(res, run, exc, requests=res.pluggy.requests - before)
        raise
    return _end(res, run, requests=res.pluggy.requests - before)


def _end(res: Resources, run: Run, *, requests: int) -> End:
    try:
        return End.DONE if runs.end(res, run, requests=requests) else End.FAILED
    except LeaseLostError:
        log.warning("sync.lease_lost", next="the run that took over, or the deletion, stands")
        return End.LEASE_LOST


def _read_and_keep_what_is_odd(res: Resources, run: Run) -> None:
    try:
        with unreadable.collecting(run.unreadable):
            _read_and_write(res, run)
    finally:
        runs.keep_unreadable(res, run)


def _read_and_write(res: Resources, run: Run) -> None:
    if run.plan.accounts_why is not None:
        _read_accounts(res, run)
    sync_accounts(res, run)
    sync_products(res, run)
    sync_sharing(res, run)


def _read_accounts(res: Resources, run: Run) -> None:
    """
    Read the list of accounts, then plan again: accounts may be new, or no longer listed.

    Raises:
        PluggyUnavailableError: Pluggy does not answer. Everything else depends on the list and waits too,
            unless the list alone has failed for long.
    """
    part = Part(ACCOUNTS)
    with reading(run, part):
        found = [account for account in res.pluggy.accounts(run.item.id) if account.item_id == run.item.id]
        run.shows_data, run.lists_no_account = bool(found), not found
        for account in found:
            res.radar.look_at(READ_ACCOUNTS, account.raw, novelties.ACCOUNT)
        with writing(res, run) as tx:
            accounts.save(tx.conn, run.item.id, found, now=res.now())
            if not run.unreadable.any_of(unreadable.ACCOUNT):
                accounts.mark_unlisted(tx.conn, run.item.id, found, now=res.now())
            stored = _with_moves(run.state.accounts, accounts.states(tx.conn, run.item.id))
        run.has_new_accounts = len(stored) > len(run.state.accounts)
        if not stored:
            run.note(part, runs.Trouble(Reason.NOTHING_SHOWN, "no account is listed"))
        _plan_again(res, run, dataclasses.replace(run.state, accounts=stored))
    error = None if run.troubles().get(part) is None else run.troubles()[part].error
    hopeless = bool(run.state.accounts) and run.state.sync_attempts + 1 >= runs.TELL_AFTER_FAILURES
    if isinstance(error, PluggyLimitedError) or (isinstance(error, PluggyUnavailableError) and not hopeless):
        raise error


def _with_moves(before: Sequence[AccountState], after: Sequence[AccountState]) -> tuple[AccountState, ...]:
    """Return the accounts *after* the list was read, each with whether its balance moved."""
    balances = {each.id: each.balance for each in before}
    return tuple(
        dataclasses.replace(each, balance_moved=each.id in balances and each.balance != balances[each.id])
        for each in after
    )


def _plan_again(res: Resources, run: Run, state: SyncState) -> None:
    plan = plan_of(res, state, now=run.began_at, deep=run.plan.deep)
    run.state = state
    run.plan = run.plan.with_accounts_of(plan)
