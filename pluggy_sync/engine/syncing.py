"""
Syncing an Item: read the incremental window, merge it page by page, then move the watermark with the last write.

One run per Item holds its lease; a run that lost it can write nothing more. No transaction is open while Pluggy
answers. A crash leaves the old watermark, and what was written is written again harmlessly.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync import queue
from pluggy_sync.api import payloads
from pluggy_sync.api.client import IDS_PER_REQUEST
from pluggy_sync.api.errors import PluggyError, PluggyLimitedError, PluggyRefusedError
from pluggy_sync.api.payloads import Transaction
from pluggy_sync.engine.handling import backoff
from pluggy_sync.notifications import messages
from pluggy_sync.resources import Resources
from pluggy_sync.rules.window import Window, transactions_since, window_of
from pluggy_sync.store import accounts, inbox, items, sync_runs, transactions

log = structlog.get_logger(__name__)

# Rows gathered before they are written: enough for COPY to pay, little enough to keep memory flat.
ROWS_PER_WRITE = 5000
# The product is told of a failing sync once it has failed this often in a row; hiccups heal unseen.
TELL_AFTER_FAILURES = 3


class LeaseLostError(Exception):
    """The Item was taken over by another run, or deleted, while this run was reading."""


@dataclass(kw_only=True)
class Run:
    """One sync of one Item, as claimed. `item` is the view it works from, fetched after every event up to `seq`."""

    id: uuid.UUID
    item: payloads.Item
    seq: int
    window: Window
    reads_transactions: bool
    # Transaction ids, by account, that events say were updated.
    hints: dict[str, set[str]] = field(default_factory=dict)


def sync_item(res: Resources, item_id: str) -> None:
    """Sync the Item if something is wanted and no other run holds it. Safe to repeat."""
    run = _claim(res, item_id)
    if run is None:
        return
    with structlog.contextvars.bound_contextvars(item_id=item_id, run_id=str(run.id)):
        before = res.pluggy.requests
        try:
            _read_and_write(res, run)
        except LeaseLostError:
            log.warning("sync.lease_lost", next="the run that took over, or the deletion, stands")
        except PluggyError as exc:
            _fail(res, run, exc, requests=res.pluggy.requests - before)
        else:
            _finish(res, run, requests=res.pluggy.requests - before)


def _claim(res: Resources, item_id: str) -> Run | None:
    now = res.now()
    with res.database.begin() as conn:
        row = items.get(conn, item_id)
        if row is None:
            return None
        row = items.lock(conn, item_id, now=now)
        work = items.work(conn, item_id)
        held = row.run_held_until is not None and row.run_held_until > now
        if row.deleted_at is not None or row.raw is None or held or work.sync_wanted <= work.synced:
            return None
        item = payloads.item(row.raw)
        window = window_of(item, row.synced_through, res.settings.sync_overlap_days)
        hints = inbox.transaction_hints(conn, item_id, after_seq=work.synced, through_seq=work.sync_wanted)
        run = Run(
            id=uuid.uuid4(),
            item=item,
            seq=work.sync_wanted,
            window=window,
            reads_transactions=_reads_transactions(item, row, hinted=bool(hints)),
            hints=hints,
        )
        items.hold(conn, item_id, run.id, until=_lease_end(res, now))
        trigger, triggered_by = _trigger(conn, item_id, work.sync_wanted)
        sync_runs.begin(
            conn,
            run.id,
            item_id,
            trigger=trigger,
            triggered_by=triggered_by,
            began_at_seq=run.seq,
            window_from=window.from_day,
            window_to=window.to,
            cursor=row.change_seq,
            now=now,
        )
    return run


def _reads_transactions(item: payloads.Item, row: sa.Row[Any], *, hinted: bool) -> bool:
    """Return whether the run reads transactions: not if Pluggy did not collect them (partial success)."""
    detail = item.products.get("transactions")
    if detail is not None and not detail.is_updated and not hinted:
        return transactions_since(item, row.synced_through)
    return True


def _trigger(conn: sa.Connection, item_id: str, through_seq: int) -> tuple[str, str | None]:
    newest = inbox.newest_of_item(conn, item_id, through_seq=through_seq)
    if newest is None:
        return "sweep", None
    triggered_by = (newest.payload or {}).get("triggeredBy")
    return newest.name, triggered_by if isinstance(triggered_by, str) else None


def _lease_end(res: Resources, now: datetime) -> datetime:
    return now + timedelta(seconds=res.settings.sync_lease_s)


def _read_and_write(res: Resources, run: Run) -> None:
    found = res.pluggy.accounts(run.item.id)
    ours = [account for account in found if account.item_id == run.item.id]
    with _writing(res, run) as conn:
        accounts.save(conn, ours, now=res.now())
        known = [row.id for row in accounts.of_item(conn, run.item.id)]
    if not run.reads_transactions:
        return
    for account_id in known:
        _Account(res, run, account_id).sync()


class _writing:  # noqa: N801 - reads as a verb: `with _writing(res, run) as conn`
    """A transaction in which the run still holds the Item; the lease is prolonged."""

    def __init__(self, res: Resources, run: Run) -> None:
        self._res = res
        self._run = run
        self._transaction = res.database.begin()

    def __enter__(self) -> sa.Connection:
        conn = self._transaction.__enter__()
        until = _lease_end(self._res, self._res.now())
        if not items.lock_for_run(conn, self._run.item.id, self._run.id, until=until):
            error = LeaseLostError()
            self._transaction.__exit__(LeaseLostError, error, None)
            raise error
        return conn

    def __exit__(self, *exc: Any) -> None:
        self._transaction.__exit__(*exc)


class _Account:
    """The transactions of one account, within one run."""

    def __init__(self, res: Resources, run: Run, account_id: str) -> None:
        self._res = res
        self._run = run
        self._id = account_id
        # Whether Pluggy showed any row: an account that shows none may have lost its consent.
        self._alive = False

    def sync(self) -> None:
        """Read the window, settle what it no longer lists, then what was ingested late and what events named."""
        doubtful = self._merge_window()
        self._settle_unlisted(doubtful)
        if self._run.window.ingested_since is not None:
            pages = self._res.pluggy.transactions_ingested_since(self._id, self._run.window.ingested_since)
            for rows in _gathered(pages):
                self._write(rows)
        self._read_hinted()

    def _merge_window(self) -> list[str]:
        """
        Merge the window; return the ids of stored rows in it that were not listed.

        Pages come newest first, so each batch answers for the dates from its oldest row up to the batch before.
        A row on the border between two batches is carried over. Were the order ever another one, the worst is
        that rows are asked for by id.
        """
        unlisted: list[str] = []
        through: datetime | None = None
        on_border: set[str] = set()
        pages = self._res.pluggy.transactions_since_day(self._id, self._run.window.from_day)
        batches = _with_last(_gathered(pages))
        for rows, is_last in batches:
            oldest = min((row.date for row in rows), default=None)
            listed = on_border | {row.id for row in rows}
            after = None if is_last else oldest
            with _writing(self._res, self._run) as conn:
                self._merge(conn, rows)
                unlisted += transactions.unlisted(
                    conn,
                    self._id,
                    listed,
                    after=after,
                    through=through,
                    from_day=self._run.window.from_day,
                )
            carried = on_border if oldest == through else set()
            on_border = carried | {row.id for row in rows if row.date == oldest}
            through = oldest
        return unlisted

    def _settle_unlisted(self, unlisted: Sequence[str]) -> None:
        """
        Ask for the rows by id. Those that Pluggy does not give either are removed, unless its answers are so empty
        that it may have lost them all: empty is not deletion.
        """
        for ids in _chunks(unlisted, IDS_PER_REQUEST):
            still_there = self._res.pluggy.transactions_by_ids(self._id, ids)
            self._write(still_there)
            found = {row.id for row in still_there}
            gone = [each for each in ids if each not in found]
            if gone:
                self._remove(gone)

    def _remove(self, gone: Sequence[str]) -> None:
        if not self._alive:
            self._alive = bool(self._res.pluggy.first_transactions(self._id))
        with _writing(self._res, self._run) as conn:
            if not self._alive:
                sync_runs.add_counts(conn, self._run.id, doubted=len(gone))
                log.warning("sync.empty_answer", account_id=self._id, kept=len(gone))
                return
            removed = transactions.remove(conn, self._run.item.id, self._id, gone, reason="absent", now=self._res.now())
            sync_runs.add_counts(conn, self._run.id, removed=removed)

    def _read_hinted(self) -> None:
        """Read the rows that events named and the window cannot have shown. Ids Pluggy does not give are left be."""
        hinted = self._run.hints.get(self._id, set())
        with self._res.database.begin() as conn:
            outside = transactions.outside_window(conn, self._id, hinted, self._run.window.from_day)
        for ids in _chunks(outside, IDS_PER_REQUEST):
            self._write(self._res.pluggy.transactions_by_ids(self._id, ids))

    def _write(self, rows: Sequence[Transaction]) -> None:
        if rows:
            with _writing(self._res, self._run) as conn:
                self._merge(conn, rows)

    def _merge(self, conn: sa.Connection, rows: Sequence[Transaction]) -> None:
        ours = [row for row in rows if row.account_id == self._id]
        self._alive = self._alive or bool(ours)
        merged = transactions.merge(conn, self._run.item.id, ours, now=self._res.now())
        sync_runs.add_counts(conn, self._run.id, added=merged.added, modified=merged.modified)


def _gathered(pages: Iterable[list[Transaction]]) -> Iterator[list[Transaction]]:
    """Yield the rows of *pages* in batches that are worth a write."""
    batch: list[Transaction] = []
    for page in pages:
        batch += page
        if len(batch) >= ROWS_PER_WRITE:
            yield batch
            batch = []
    if batch:
        yield batch


def _with_last(batches: Iterator[list[Transaction]]) -> Iterator[tuple[list[Transaction], bool]]:
    """Yield each batch and whether it is the last; one empty last batch if there is none."""
    batch = next(batches, [])
    for following in batches:
        yield batch, False
        batch = following
    yield batch, True


def _chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _finish(res: Resources, run: Run, *, requests: int) -> None:
    """Write watermark, counts and notification in one transaction; run again if more is wanted by now."""
    now = res.now()
    item_id = run.item.id
    try:
        with _writing(res, run) as conn:
            if run.reads_transactions:
                items.move_watermark(conn, item_id, synced_through=run.window.to, from_day=run.window.from_day)
            items.mark_update_synced(conn, item_id, run.item.last_updated_at)
            done = sync_runs.finish(conn, run.id, "done", requests=requests, now=now)
            if done is None:
                raise LeaseLostError
            notification_id = messages.synced(conn, done, items.user_of(conn, item_id), now=now)
            items.release(conn, item_id, run.id)
            # Last, since webhook intake waits for this row.
            again = items.mark_synced(conn, item_id, through=run.seq)
    except LeaseLostError:
        log.warning("sync.lease_lost", next="the run that took over, or the deletion, stands")
        return
    log.info(
        "sync.done",
        requests=requests,
        added=done.added,
        modified=done.modified,
        removed=done.removed,
        again=again,
    )
    res.send(queue.DELIVER, notification_id)
    if again:
        res.send(queue.SYNC_ITEM, item_id)


def _fail(res: Resources, run: Run, error: PluggyError, *, requests: int) -> None:
    """Record the failure, give the Item back, and leave the retry to the sweep."""
    now = res.now()
    item_id = run.item.id
    notification_id = None
    with res.database.begin() as conn:
        if not items.lock_for_run(conn, item_id, run.id, until=now):
            return
        attempts = items.work(conn, item_id).sync_attempts + 1
        wait = (
            timedelta(seconds=error.retry_after_s) if isinstance(error, PluggyLimitedError) else backoff(attempts - 1)
        )
        failed = sync_runs.finish(conn, run.id, "failed", requests=requests, now=now, error=str(error))
        if failed is not None and _worth_telling(error, attempts):
            notification_id = messages.sync_failed(
                conn, failed, items.user_of(conn, item_id), will_retry_at=now + wait, now=now
            )
        items.release(conn, item_id, run.id)
        items.put_off_sync(conn, item_id, until=now + wait, failed=True)
    log.warning("sync.failed", error=str(error), attempts=attempts, retry_in_s=round(wait.total_seconds()))
    if notification_id is not None:
        res.send(queue.DELIVER, notification_id)


def _worth_telling(error: PluggyError, attempts: int) -> bool:
    return attempts == TELL_AFTER_FAILURES or (isinstance(error, PluggyRefusedError) and attempts == 1)
