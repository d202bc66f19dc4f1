"""
A run: one sync of one Item. It is claimed with a plan and a lease, writes only while it has the
lease, and ends.

done: what could be read is stored. Parts that could not be read are named, and each is tried again later by itself.
failed: something is wrong with the whole Item that waiting may cure. The sweep starts a run again.
rescheduled: there was no budget for all of it. That is no failure, and nobody is told. It goes on with what is left.
"""

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from pluggy_sync import queue, tallies
from pluggy_sync.engine import succession
from pluggy_sync.engine.errors import ContradictionError, LeaseLostError
from pluggy_sync.engine.sync import lease
from pluggy_sync.engine.sync.due import plan_of
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.errors import (
    PluggyError,
    PluggyLimitedError,
    PluggyRefusedError,
    PluggyUnauthorizedError,
    PluggyUnavailableError,
)
from pluggy_sync.pluggy.unreadable import ITEM, TRANSACTION, Unreadable
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff, sync_plan
from pluggy_sync.rules.sync_plan import ACCOUNTS, TRANSACTIONS, Incomplete, Part, Reason, SyncPlan, SyncState
from pluggy_sync.store import (
    incomplete_parts,
    item_lease,
    item_links,
    item_progress,
    series,
    sync_runs,
    sync_state,
    unreadable_rows,
)
from pluggy_sync.store import reconciliation as reconciliation_queries
from pluggy_sync.store.inbox import GRACE
from pluggy_sync.store.sync_runs import RECONCILIATION, SyncRun
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# The product is told of a failing sync after so many failures in a row; a hiccup heals before. A part that fails as
# often while others are read counts as one that cannot be read.
TELL_AFTER_FAILURES = 3
# If Pluggy does not answer for so many parts in a row, it will not answer for the others either.
UNANSWERED_PARTS = 2


@dataclass(frozen=True)
class Trouble:
    """Why a part could not be read completely. `error` is what went wrong; None: Pluggy only shows too little."""

    reason: Reason
    detail: str
    error: Exception | None = None


@dataclass(kw_only=True)
class Run:
    """A sync run as claimed: the Item's state when it began, and the plan. The list of accounts may extend the plan."""

    id: uuid.UUID
    began_at: datetime
    item: payloads.Item
    state: SyncState
    plan: SyncPlan
    # When the oldest webhook came that the run is for; None: none of Pluggy's asked for it.
    received_at: datetime | None = None
    # A list of this run had rows, which shows that Pluggy gives the Item's data.
    shows_data: bool = False
    # The list of accounts was read, and has accounts that are new.
    has_new_accounts: bool = False
    # The list of accounts was read, and is empty.
    lists_no_account: bool = False
    unreadable: Unreadable = field(default_factory=Unreadable)
    # What is written in the transaction that ends the run: watermarks, and what follows from several lists.
    _at_end: list[Callable[[Transaction], None]] = field(default_factory=list)
    # Set when the run may write nothing more: it lost its lease, or one of its threads found that it must end.
    stopped: threading.Event = field(default_factory=threading.Event)
    # What was read, and why it was not complete.
    _outcomes: dict[Part, Trouble | None] = field(default_factory=dict)
    _unanswered: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, part: Part, trouble: Trouble | None) -> None:
        """
        Note how *part* was read; None: completely. The first trouble of a part stands.

        Raises:
            PluggyUnavailableError: Pluggy has not answered for several parts in a row.
        """
        with self._lock:
            if self._outcomes.get(part) is None:
                self._outcomes[part] = trouble
            unanswered = trouble is not None and trouble.reason is Reason.UNAVAILABLE
            self._unanswered = self._unanswered + 1 if unanswered else 0
            if trouble is not None and trouble.error is not None and self._unanswered >= UNANSWERED_PARTS:
                raise trouble.error

    def at_end(self, write: Callable[[Transaction], None]) -> None:
        """Have *write* called in the transaction that ends the run: one for all parts, rather than one for each."""
        with self._lock:
            self._at_end.append(write)

    def write_at_end(self, tx: Transaction) -> None:
        """Write what was left for the end. The caller holds the Item's write lock."""
        with self._lock:
            left, self._at_end = self._at_end, []
        for write in left:
            write(tx)

    def outcomes(self) -> Mapping[Part, Trouble | None]:
        """Return how each part was read."""
        with self._lock:
            return dict(self._outcomes)

    def was_read(self, part: Part) -> bool:
        """Return whether *part* was read completely."""
        outcomes = self.outcomes()
        return part in outcomes and outcomes[part] is None

    def was_read_as_shown(self, part: Part) -> bool:
        """Return whether *part* was read, though Pluggy may have shown too little of it."""
        outcomes = self.outcomes()
        trouble = outcomes.get(part)
        return part in outcomes and (trouble is None or trouble.reason.was_read)

    def troubles(self) -> Mapping[Part, Trouble]:
        """Return the parts that were not read completely."""
        return {part: trouble for part, trouble in self.outcomes().items() if trouble is not None}


@contextmanager
def reading(run: Run, part: Part) -> Iterator[None]:
    """
    Read one *part* in the block. Trouble with this part alone is noted, and the run goes on.

    Raises:
        LeaseLostError, PluggyUnauthorizedError: they concern the whole run.
        PluggyLimitedError: in a deep run, which is made as a whole.
        PluggyUnavailableError: as `Run.note`.
    """
    try:
        yield
    except (LeaseLostError, PluggyUnauthorizedError):
        raise
    except PluggyLimitedError as exc:
        if run.plan.deep:
            raise
        # Other endpoints have a budget of their own. What is read is kept, so that the next run has less to read.
        run.note(part, Trouble(Reason.NO_BUDGET, str(exc), exc))
        return
    except ContradictionError as exc:
        trouble = Trouble(Reason.CONTRADICTORY, str(exc), exc)
    except PluggyRefusedError as exc:
        trouble = Trouble(Reason.REFUSED, str(exc), exc)
    except PluggyUnavailableError as exc:
        trouble = Trouble(Reason.UNAVAILABLE, str(exc), exc)
    except Exception as exc:  # noqa: BLE001 - a fault of ours; it is raised again once the run has ended
        # Only its name is kept, because its text may quote data.
        trouble = Trouble(Reason.FAULT, type(exc).__name__, exc)
    else:
        run.note(part, None)
        return
    log.warning("sync.part_not_read", part=part.product, of=part.of, reason=trouble.reason, error=trouble.detail)
    run.note(part, trouble)


def claim(res: Resources, item_id: str, *, deep: bool, unless_since: datetime | None = None) -> Run | None:
    """
    Return a run with the Item's lease; None: there is nothing to read, another run has it, or the Item is gone.

    *unless_since*: also None if the Item was reconciled since then.
    """
    now = res.now()
    with res.database.begin() as conn:
        state = sync_state.read(conn, item_id) if item_lease.lock(conn, item_id) else None
        if state is None or state.item is None or state.deleted_at is not None or state.is_leased(now):
            return None
        if unless_since is not None and not reconciliation_queries.is_due(conn, item_id, before=unless_since):
            return None
        plan = plan_of(res, state, now=now, deep=deep)
        if plan is None:
            if not deep:
                _note_nothing_to_read(conn, state, now=now)
            return None
        run = Run(
            id=uuid.uuid4(),
            began_at=now,
            item=state.item,
            state=state,
            plan=plan,
            unreadable=_unreadable_before(conn, item_id),
            received_at=None if deep else state.received_at,
        )
        item_lease.acquire(conn, item_id, run.id, until=lease.end_of(res, now))
        # If this process dies, the sweep finds the Item due after the lease has ended.
        item_progress.make_due(conn, item_id, due_at=now)
        _record_begin(conn, run, now=now)
    log.info("sync.begun", item_id=item_id, run_id=str(run.id), parts=plan.reasons())
    return run


def _unreadable_before(conn: sa.Connection, item_id: str) -> Unreadable:
    known = unreadable_rows.known(conn, item_id)
    found = Unreadable(known)
    # The run works from an Item that could be read.
    found.healed |= {each for each in known if each[0] == ITEM}
    return found


def _note_nothing_to_read(conn: sa.Connection, state: SyncState, *, now: datetime) -> None:
    """Record that the previous run covered everything. A part that is due but in no plan is gone."""
    gone = [part for part, incomplete in state.incomplete.items() if incomplete.is_due(now)]
    incomplete_parts.remove(conn, state.item_id, gone)
    left = [each for part, each in state.incomplete.items() if part not in gone]
    _mark_synced(conn, state.item_id, left, through=state.last_event_seq)


def _mark_synced(conn: sa.Connection, item_id: str, incomplete: Collection[Incomplete], *, through: int) -> bool:
    """
    Record that everything up to *through* is covered, except the *incomplete* parts.

    Return whether a later request is pending. While a part is shown late, the Item is `syncing`.
    """
    tries = [each.retry_at for each in incomplete if each.retry_at is not None]
    pending = item_progress.mark_synced(conn, item_id, through=through, retry_at=min(tries, default=None))
    awaited = [each.retry_at for each in incomplete if each.is_awaited() and each.retry_at is not None]
    if awaited and not pending:
        item_progress.request_sync(conn, item_id, due_at=min(awaited))
    return pending


def _record_begin(conn: sa.Connection, run: Run, *, now: datetime) -> None:
    state, plan = run.state, run.plan
    sync_runs.begin(
        conn,
        run.id,
        run.item.id,
        trigger=RECONCILIATION if plan.deep else state.trigger,
        triggered_by=None if plan.deep else state.triggered_by,
        began_at_seq=plan.seq,
        parts=plan.reasons(),
        window_from=plan.from_day(),
        window_to=plan.to if plan.reads_window() else None,
        cursor=state.change_seq,
        now=now,
    )


@contextmanager
def writing(res: Resources, run: Run) -> Iterator[Transaction]:
    """
    Open a transaction in which the run still has the Item's lease; it is renewed.

    Raises:
        LeaseLostError: it does not, or the run is to end.
    """
    if run.stopped.is_set():
        raise LeaseLostError
    with lease.writing(res, run.item.id, run.id) as tx:
        yield tx


def keep_unreadable(res: Resources, run: Run) -> None:
    """Keep the rows that the run could not read, and remove those that it could read now. A failed run does it too."""
    if not run.unreadable.found_anything:
        return
    now = res.now()
    with res.begin() as tx:
        if item_lease.renew(tx.conn, run.item.id, run.id, until=lease.end_of(res, now)):
            unreadable_rows.save(tx.conn, run.item.id, run.unreadable, now=now)


def end(res: Resources, run: Run, *, requests: int) -> bool:
    """
    End a run that has tried all its parts: done, or failed if waiting may cure what is wrong.

    Return whether it is done.

    Raises:
        LeaseLostError: the Item is no longer this run's.
        Exception: the first fault of ours, once the run has ended.
    """
    error = _cured_by_waiting(run)
    if error is None:
        _finish(res, run, requests=requests)
    else:
        fail(res, run, error, requests=requests)
    faults = [each.error for each in run.troubles().values() if each.reason is Reason.FAULT and each.error is not None]
    if faults:
        raise faults[0]
    return error is None


def _cured_by_waiting(run: Run) -> Exception | None:
    """Return the error with which the run fails; None: each part that could not be read is tried again by itself."""
    outcomes, troubles = run.outcomes(), run.troubles()
    unread = (Reason.REFUSED, Reason.UNAVAILABLE, Reason.FAULT)
    answered = any(trouble is None or trouble.reason not in unread for trouble in outcomes.values())
    list_of_accounts = troubles.get(Part(ACCOUNTS))
    if not answered and list_of_accounts is not None:
        return list_of_accounts.error
    if answered and run.state.sync_attempts + 1 >= TELL_AFTER_FAILURES:
        return None
    new = [trouble for part, trouble in troubles.items() if part not in run.state.incomplete]
    return next((each.error for each in new if each.reason.is_curable), None)


def _finish(res: Resources, run: Run, *, requests: int) -> None:
    """Write watermarks, parts, counts and notification in one transaction; queue another run if there is news."""
    now = res.now()
    item_id, state, plan = run.item.id, run.state, run.plan
    with writing(res, run) as tx:
        conn = tx.conn
        run.write_at_end(tx)
        outcomes = run.outcomes()
        # A part that was due and was not read is gone: its account or investment is no longer listed.
        gone = {part for part, each in state.incomplete.items() if each.is_due(run.began_at) and part not in outcomes}
        incomplete = _save_parts(conn, run, {**outcomes, **dict.fromkeys(gone)}, now=now)
        unread = [each for each in incomplete if each.is_unread()]
        named = [_named(each) for each in unread]
        # A run that goes on as soon as there is budget. The product is told at its end.
        goes_on = any(each.reason is Reason.NO_BUDGET for each in incomplete)
        outcome = "rescheduled" if goes_on else "done"
        done = sync_runs.finish(conn, run.id, outcome, requests=requests, now=now, incomplete=named)
        if done is None:
            raise LeaseLostError
        if plan.deep:
            reconciliation_queries.mark_reconciled(conn, item_id, now=now)
            unreadable_rows.remove_unseen(conn, item_id, TRANSACTION, before=run.began_at)
        is_synced = state.first_synced_at is not None or not any(each.is_awaited() for each in incomplete)
        told = is_synced and not goes_on and _is_news(run, done, unread)
        cursor = sync_state.finish(
            conn,
            item_id,
            synced_through=None if any(map(_keeps_watermark_back, unread)) else plan.to,
            synced_update_at=run.item.last_updated_at if run.was_read_as_shown(Part(ACCOUNTS)) else None,
            first_synced_at=now if is_synced else None,
            told=told,
        )
        if is_synced and (state.first_synced_at is None or run.has_new_accounts):
            succession.request_search(tx, item_id, now=now)
        if done.added or done.modified:
            for account_id in item_links.successor_accounts(conn, item_id):
                series.pair_changed(conn, item_id, account_id, after_seq=state.change_seq)
        if told:
            messages.synced(tx, done, state.client_user_id, cursor=cursor, incomplete=named, now=now)
        # Last: webhook intake waits for this row.
        again = _queue_what_came_meanwhile(tx, res, run, incomplete, now=now)
    _tally(res, done)
    log.info(
        "sync.goes_on" if goes_on else "sync.done",
        trigger=done.trigger,
        requests=requests,
        added=done.added,
        modified=done.modified,
        removed=done.removed,
        repaired=done.repaired,
        incomplete=named,
        told=told,
        again=again,
    )


def _tally(res: Resources, ended: SyncRun) -> None:
    if ended.finished_at is not None:
        seconds = (ended.finished_at - ended.started_at).total_seconds()
        res.tallies.time(tallies.SYNC_TOOK, seconds, ended.outcome)
    for change in ("added", "modified", "removed", "repaired"):
        res.tallies.count(tallies.ROWS, change, by=getattr(ended, change))


def _is_news(run: Run, done: SyncRun, unread: Collection[Incomplete]) -> bool:
    """Return whether to tell the product of the run: something changed, or a new collection is stored."""
    before = {part for part, each in run.state.incomplete.items() if each.is_unread()}
    return bool(
        run.state.first_synced_at is None
        or run.plan.new_collection
        or (done.added or done.modified or done.removed)
        or before != {each.part for each in unread}
    )


def _keeps_watermark_back(incomplete: Incomplete) -> bool:
    """Return whether transactions of the collection may be missing, other than rows that come late."""
    of_transactions = incomplete.part.product in (ACCOUNTS, TRANSACTIONS)
    return of_transactions and incomplete.reason is not Reason.ROWS_LATE


def _named(incomplete: Incomplete) -> dict[str, str | None]:
    """Return a part as runs and notifications name it."""
    part = incomplete.part
    has_account = part.product in (TRANSACTIONS, "creditCards")
    return {
        "product": part.product,
        "accountId": part.of if has_account else None,
        "reason": incomplete.reason.value,
        "detail": incomplete.detail,
    }


def _save_parts(
    conn: sa.Connection, run: Run, outcomes: Mapping[Part, Trouble | None], *, now: datetime
) -> list[Incomplete]:
    """Save the incomplete parts, remove those that are complete, and return all that are incomplete now."""
    state = run.state
    left = dict(state.incomplete)
    troubled: dict[Part, Incomplete] = {}
    for part, trouble in outcomes.items():
        left.pop(part, None)
        if trouble is not None:
            again = sync_plan.incomplete_again(
                part,
                trouble.reason,
                trouble.detail,
                state.incomplete.get(part),
                after_seq=state.synced_seq,
                seq=run.plan.seq,
                now=now,
                budget_wait=_budget_wait(trouble.error),
            )
            if again is not None:
                troubled[part] = again
    incomplete_parts.save(conn, run.item.id, list(troubled.values()), now=now)
    incomplete_parts.remove(conn, run.item.id, [each for each in state.incomplete if each not in left | troubled])
    return [*left.values(), *troubled.values()]


def _budget_wait(error: Exception | None) -> timedelta:
    """Return how long a part waits that was refused with *error*: not at all if only this worker may not read it."""
    at_once = isinstance(error, PluggyLimitedError) and error.retry_after_s == 0
    return timedelta(0) if at_once else backoff.NO_BUDGET_WAIT


def _queue_what_came_meanwhile(
    tx: Transaction, res: Resources, run: Run, incomplete: Collection[Incomplete], *, now: datetime
) -> bool:
    """Record what the run covers. Queue another run if something was requested meanwhile; return whether it was."""
    item_id = run.item.id
    if not _mark_synced(tx.conn, item_id, incomplete, through=run.plan.seq):
        return False
    state = sync_state.read(tx.conn, item_id)
    if state is None or plan_of(res, state, now=now) is None:
        _mark_synced(tx.conn, item_id, incomplete, through=run.plan.seq if state is None else state.last_event_seq)
        return False
    item_progress.make_due(tx.conn, item_id, due_at=now + GRACE)
    tx.after_commit(queue.SYNC_ITEM, item_id)
    return True


def fail(res: Resources, run: Run, error: Exception, *, requests: int) -> None:
    """Record how the run ended, give the Item back, and leave the next try to the sweep."""
    # Only the name of a fault of ours is kept, because its text may quote data.
    what = str(error) if isinstance(error, PluggyError) else type(error).__name__
    limited = isinstance(error, PluggyLimitedError)
    now = res.now()
    item_id, state = run.item.id, run.state
    with res.begin() as tx:
        conn = tx.conn
        if not item_lease.renew(conn, item_id, run.id, until=now):
            return
        # The parts that were read keep their watermarks.
        run.write_at_end(tx)
        attempts = state.sync_attempts if limited or run.plan.deep else state.sync_attempts + 1
        wait = _wait_after(error, attempts)
        outcome = "rescheduled" if limited else "failed"
        ended = sync_runs.finish(conn, run.id, outcome, requests=requests, now=now, error=what)
        if ended is not None and not limited and not run.plan.deep and _worth_telling(error, attempts):
            messages.sync_failed(tx, ended, state.client_user_id, will_retry_at=now + wait, now=now)
        _save_parts(conn, run, _to_keep(run), now=now)
        item_lease.release(conn, item_id, run.id)
        item_progress.reschedule_sync(conn, item_id, until=now + wait, attempts=attempts)
    if ended is not None:
        _tally(res, ended)
    log.warning(
        "sync.failed" if outcome == "failed" else "sync.rescheduled",
        error=what,
        attempts=attempts,
        retry_in_s=round(wait.total_seconds()),
    )


def _to_keep(run: Run) -> Mapping[Part, Trouble | None]:
    """Return the parts of a failed run to save; the parts that failed it are read again with the Item."""
    return {
        part: trouble for part, trouble in run.outcomes().items() if trouble is None or not trouble.reason.is_curable
    }


def _wait_after(error: Exception, attempts: int) -> timedelta:
    if isinstance(error, PluggyLimitedError):
        return timedelta(seconds=error.retry_after_s)
    return backoff.wait(max(attempts - 1, 0))


def _worth_telling(error: Exception, attempts: int) -> bool:
    return attempts == TELL_AFTER_FAILURES or (isinstance(error, PluggyRefusedError) and attempts == 1)
