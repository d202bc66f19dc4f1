"""
A run: one sync of one Item. It is claimed with a lease, writes only while it holds it, and ends done or failed.

The lease is a fence too: every write first finds that the Item is still this run's, under the Item's write lock.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import sqlalchemy as sa
import structlog

from pluggy_sync import events, queue
from pluggy_sync.engine.sync.news import names_news
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.errors import PluggyError, PluggyLimitedError, PluggyRefusedError
from pluggy_sync.pluggy.unreadable import ITEM, TRANSACTION, Unreadable
from pluggy_sync.resources import Resources
from pluggy_sync.rules import backoff
from pluggy_sync.rules.window import later, updated_since, window_since
from pluggy_sync.store import data_products, inbox, item_lease, item_progress, items, sync_runs, unreadable_rows
from pluggy_sync.store import reconciliation as reconciliation_queries
from pluggy_sync.store.items import StoredItem
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

# The product is told of a failing sync once it has failed this often in a row; hiccups heal unseen.
TELL_AFTER_FAILURES = 3
RECONCILIATION = "reconciliation"


class LeaseLostError(Exception):
    """The Item was taken over by another run, or deleted, while this run was reading."""


@dataclass(kw_only=True)
class Run:
    """
    One sync as claimed.

    `item` is the view it works from, fetched after every event up to `seq`. `to` is the collection of transactions
    that is stored once the run is done, the next watermark. `deep` reads everything, whatever is stored.
    """

    id: uuid.UUID
    item: payloads.Item
    seq: int
    to: datetime | None
    deep: bool
    began_at: datetime
    # Up to which collection each product was stored as the run began.
    watermarks: dict[str, datetime]
    # Transaction ids, by account, that events say were updated.
    hints: dict[str, set[str]] = field(default_factory=dict)
    unreadable: Unreadable = field(default_factory=Unreadable)
    # Set when one of the run's threads failed: the others stop at their next write.
    stopped: threading.Event = field(default_factory=threading.Event)


def claim(res: Resources, item_id: str, *, deep: bool) -> Run | None:
    """Return a run that holds the Item, or None: nothing is wanted, or another run holds it, or it is gone."""
    now = res.now()
    with res.database.begin() as conn:
        if items.get(conn, item_id) is None:
            return None
        row = items.lock(conn, item_id, now=now)
        work = item_progress.get(conn, item_id)
        held = row.lease_until is not None and row.lease_until > now
        wanted = work.sync_requested_seq > work.synced_seq or (deep and row.status == "UPDATED")
        if row.deleted_at is not None or row.raw is None or held or not wanted:
            return None
        item = payloads.item(row.raw)
        named = inbox.transaction_events(conn, item_id, after_seq=work.synced_seq, through_seq=work.sync_requested_seq)
        fresh = updated_since(item, row.synced_update_at, row.synced_through)
        if not (deep or fresh or any(names_news(conn, event) for event in named)):
            # The run before covered it: no request could bring news.
            item_progress.mark_synced(conn, item_id, through=work.sync_requested_seq)
            return None
        run = Run(
            id=uuid.uuid4(),
            item=item,
            seq=work.sync_requested_seq,
            to=later(item.collected_at("transactions"), row.synced_through),
            deep=deep,
            began_at=now,
            watermarks=data_products.watermarks(conn, item_id),
            hints=_hints(named),
            unreadable=_unreadable_before(conn, item_id),
        )
        item_lease.acquire(conn, item_id, run.id, until=_lease_end(res, now))
        _record_begin(conn, run, row, _from_day(res, row, deep=deep), now=now)
    return run


def _unreadable_before(conn: sa.Connection, item_id: str) -> Unreadable:
    known = unreadable_rows.known(conn, item_id)
    found = Unreadable(known)
    # The run works from an Item that could be read.
    found.healed |= {each for each in known if each[0] == ITEM}
    return found


def _hints(named: Sequence[events.Event]) -> dict[str, set[str]]:
    hints: dict[str, set[str]] = {}
    for event in named:
        if event.name == events.TRANSACTIONS_UPDATED and event.account_id is not None:
            hints.setdefault(event.account_id, set()).update(event.transaction_ids)
    return hints


def _from_day(res: Resources, row: StoredItem, *, deep: bool) -> date | None:
    return None if deep else window_since(row.synced_through, res.settings.sync_overlap_days).from_day


def _record_begin(conn: sa.Connection, run: Run, row: StoredItem, from_day: date | None, *, now: datetime) -> None:
    trigger, triggered_by = (RECONCILIATION, None) if run.deep else _trigger(conn, run.item.id, run.seq)
    sync_runs.begin(
        conn,
        run.id,
        run.item.id,
        trigger=trigger,
        triggered_by=triggered_by,
        began_at_seq=run.seq,
        window_from=from_day,
        window_to=run.to,
        cursor=row.change_seq,
        now=now,
    )


def _trigger(conn: sa.Connection, item_id: str, through_seq: int) -> tuple[str, str | None]:
    newest = inbox.newest_of_item(conn, item_id, through_seq=through_seq)
    if newest is None:
        return "sweep", None
    triggered_by = (newest.payload or {}).get("triggeredBy")
    return newest.name, triggered_by if isinstance(triggered_by, str) else None


def _lease_end(res: Resources, now: datetime) -> datetime:
    return now + timedelta(seconds=res.settings.sync_lease_s)


@contextmanager
def writing(res: Resources, run: Run) -> Iterator[Transaction]:
    """
    Open a transaction in which the run still holds the Item; its lease is prolonged.

    Raises:
        LeaseLostError: it does not, or another thread of the run has failed.
    """
    if run.stopped.is_set():
        raise LeaseLostError
    with res.begin() as tx:
        if not item_lease.renew(tx.conn, run.item.id, run.id, until=_lease_end(res, res.now())):
            raise LeaseLostError
        yield tx


def keep_unreadable(res: Resources, run: Run) -> None:
    """Keep the rows that the run could not read, and remove those that it could read now; also of a failed run."""
    if not run.unreadable.found_anything:
        return
    now = res.now()
    with res.begin() as tx:
        if item_lease.renew(tx.conn, run.item.id, run.id, until=_lease_end(res, now)):
            unreadable_rows.save(tx.conn, run.item.id, run.unreadable, now=now)


def finish(res: Resources, run: Run, *, requests: int) -> None:
    """
    Write watermark, counts and notification in one transaction; queue another run if more is wanted by now.

    Raises:
        LeaseLostError: the Item is no longer this run's.
    """
    now = res.now()
    item_id = run.item.id
    with writing(res, run) as tx:
        conn = tx.conn
        items.move_watermark(conn, item_id, run.to)
        items.mark_update_synced(conn, item_id, run.item.last_updated_at)
        if run.deep:
            reconciliation_queries.mark_reconciled(conn, item_id, now=now)
            unreadable_rows.remove_unseen(conn, item_id, TRANSACTION, before=run.began_at)
        done = sync_runs.finish(conn, run.id, "done", requests=requests, now=now)
        if done is None:
            raise LeaseLostError
        changed = done.added + done.modified + done.removed
        if changed or not run.deep:
            messages.synced(tx, done, items.user_of(conn, item_id), now=now)
        item_lease.release(conn, item_id, run.id)
        # Last, since webhook intake waits for this row.
        again = item_progress.mark_synced(conn, item_id, through=run.seq)
        if again:
            tx.after_commit(queue.SYNC_ITEM, item_id)
    log.info(
        "sync.done",
        trigger=done.trigger,
        requests=requests,
        added=done.added,
        modified=done.modified,
        removed=done.removed,
        again=again,
    )


def fail(res: Resources, run: Run, error: Exception, *, requests: int) -> None:
    """Record the failure, give the Item back, and leave the retry to the sweep."""
    # The text of a fault of ours may quote data, so only its name is kept.
    what = str(error) if isinstance(error, PluggyError) else type(error).__name__
    now = res.now()
    item_id = run.item.id
    with res.begin() as tx:
        conn = tx.conn
        if not item_lease.renew(conn, item_id, run.id, until=now):
            return
        attempts = item_progress.get(conn, item_id).sync_attempts + 1
        wait = _wait_after(error, attempts)
        failed = sync_runs.finish(conn, run.id, "failed", requests=requests, now=now, error=what)
        if failed is not None and not run.deep and _worth_telling(error, attempts):
            user = items.user_of(conn, item_id)
            messages.sync_failed(tx, failed, user, will_retry_at=now + wait, now=now)
        item_lease.release(conn, item_id, run.id)
        item_progress.reschedule_sync(conn, item_id, until=now + wait, failed=True)
    log.warning("sync.failed", error=what, attempts=attempts, retry_in_s=round(wait.total_seconds()))


def _wait_after(error: Exception, attempts: int) -> timedelta:
    if isinstance(error, PluggyLimitedError):
        return timedelta(seconds=error.retry_after_s)
    return backoff.wait(attempts - 1)


def _worth_telling(error: Exception, attempts: int) -> bool:
    return attempts == TELL_AFTER_FAILURES or (isinstance(error, PluggyRefusedError) and attempts == 1)
