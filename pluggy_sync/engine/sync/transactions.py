"""
Reading the transactions of an Item's accounts: the windows, late rows, rows that events named, and rows that are gone.

All accounts' pages are stored before absences are settled: a row that one account no longer shows may have moved to
another.

Tests: `engine/sync/test_item.py`, `promises/test_promise_4_...`, `promises/test_promise_5_...`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from datetime import datetime

import structlog

from pluggy_sync.engine.errors import ContradictionError
from pluggy_sync.engine.sync.run import Run, Trouble, reading, writing
from pluggy_sync.pluggy.client import IDS_PER_REQUEST, READ_TRANSACTIONS
from pluggy_sync.pluggy.payloads import Transaction
from pluggy_sync.pluggy.unreadable import TRANSACTION
from pluggy_sync.resources import Resources
from pluggy_sync.rules import novelties, replacements
from pluggy_sync.rules.sync_plan import AccountPlan, Reason
from pluggy_sync.rules.window import Batch, Window, spans, year_before
from pluggy_sync.store import accounts, balances, sync_runs, transactions
from pluggy_sync.store import replacements as replacement_queries
from pluggy_sync.transaction import Transaction as OpenTransaction

log = structlog.get_logger(__name__)

# How many accounts of an Item are read at once. They mostly wait for Pluggy: the number of cores does not matter.
PARALLEL_ACCOUNTS = 3
# How many rows are gathered before a write: two pages. More takes memory and is no quicker (docs/performance.md).
ROWS_PER_WRITE = 1000
# Rows of an account that are not written a second time if the run lists them again unchanged. More takes memory.
ROWS_REMEMBERED = 200


def sync_accounts(res: Resources, run: Run) -> None:
    """
    Read what the plan says of each account; what is wrong with one account is noted, and the others go on.

    Raises:
        LeaseLostError, PluggyError: as `reading`; watermarks stay, and what was written is written again harmlessly.
    """
    reads = [_AccountRead(res, run, each) for each in run.plan.accounts]
    _in_parallel(run, [each.read for each in reads])
    _in_parallel(run, [each.settle for each in reads if each.is_read])


def _in_parallel(run: Run, tasks: Sequence[Callable[[], None]]) -> None:
    if len(tasks) <= 1:
        for task in tasks:
            task()
        return
    with ThreadPoolExecutor(max_workers=PARALLEL_ACCOUNTS) as threads:
        # Each thread gets the lane of the budget and the ids for its log lines.
        futures = [threads.submit(copy_context().run, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            run.stopped.set()
            for future in futures:
                future.cancel()
            raise


class _AccountRead:
    """One account within one run: first `read`, then, once all accounts are read, `settle`."""

    def __init__(self, res: Resources, run: Run, plan: AccountPlan) -> None:
        self._res = res
        self._run = run
        self._plan = plan
        self._id = plan.account.id
        self.is_read = False
        # Stored rows of the window that were not listed, and ids from events that no page has shown yet.
        self._unlisted: list[str] = []
        self._named = set(plan.updated | plan.deleted)
        # A row that Pluggy has just shown, and whether the window had rows.
        self._shown: str | None = None
        self._window_had_rows = False
        # How many of the rows that events told of were shown.
        self._created = [0] * len(plan.told)
        # Rows that this run has merged, as it merged them last: the first of the account.
        self._merged: dict[str, Transaction] = {}
        # Stored rows were not listed, and Pluggy's answer proved nothing about them.
        self._doubted = False

    def read(self) -> None:
        """Store the window, and what was created since the last collection."""
        with reading(self._run, self._plan.part):
            if self._plan.window is not None:
                self._merge_window(self._plan.window)
            if self._plan.created_since is not None:
                pages = self._res.pluggy.transactions_ingested_since(self._id, self._plan.created_since)
                for batch in self._batches(pages):
                    self._count_created(batch.rows)
                    self._write(batch)
            self.is_read = True

    def _merge_window(self, window: Window) -> None:
        """Merge the window; note the stored rows in it that were not listed."""
        compared_from = window.from_day or year_before(self._run.plan.to)
        pages = self._res.pluggy.transactions_since_day(self._id, window.from_day)
        for span in spans(self._batches(pages)):
            with writing(self._res, self._run) as tx:
                self._merge(tx, span.batch)
                self._unlisted += transactions.unlisted(
                    tx.conn,
                    self._id,
                    span.shown,
                    after=span.after,
                    through=span.through,
                    from_day=compared_from,
                )
            if self._plan.created_since is None:
                self._count_created(span.batch.rows)
        self._window_had_rows = self._shown is not None

    def _batches(self, pages: Iterable[list[Transaction]]) -> Iterator[Batch]:
        """Yield the rows of *pages* in batches large enough for a write; the last one may be smaller, or empty."""
        began_at, rows = self._res.now(), list[Transaction]()
        for page in pages:
            for row in page[:1]:
                self._res.radar.look_at(READ_TRANSACTIONS, row.raw, novelties.TRANSACTION)
            rows += page
            if len(rows) >= ROWS_PER_WRITE:
                yield Batch(rows=rows, began_at=began_at)
                began_at, rows = self._res.now(), []
        yield Batch(rows=rows, began_at=began_at)

    def _count_created(self, rows: Sequence[Transaction]) -> None:
        for index, (moment, _) in enumerate(self._plan.told):
            self._created[index] += sum(row.created_at is not None and row.created_at >= moment for row in rows)

    def settle(self) -> None:
        """Ask by id for what should have been shown, remove what is gone, and move the watermark."""
        with reading(self._run, self._plan.part):
            self._ask(self._ids_to_ask())
            trouble = self._trouble()
            if trouble is not None:
                log.info("sync.shown_too_little", account_id=self._id, reason=trouble.reason, next="read again later")
                self._run.note(self._plan.part, trouble)
            if self._shown is not None:
                self._run.shows_data = True
            if self._plan.window is not None and (trouble is None or trouble.reason is Reason.ROWS_LATE):
                self._move_watermark(self._plan.window)

    def _ids_to_ask(self) -> list[str]:
        """Return the ids to ask for: of rows that changed, and of stored ones that may be gone."""
        doubtful = {*self._unlisted, *(self._named & self._plan.deleted)}
        if not doubtful and not self._named:
            return []
        with self._res.database.begin() as conn:
            stored = transactions.stored_among(conn, self._id, doubtful)
        return sorted(stored | (self._named & self._plan.updated))

    def _ask(self, ids: Sequence[str]) -> None:
        """
        Ask for the rows by id, and remove the stored ones that Pluggy does not give either.

        Empty is not deletion: the request includes a witness, a row that is known to be there. An answer that shows
        nothing at all proves nothing.
        """
        ids = self._without_unreadable(ids)
        witness = self._witness(ids) if ids else None
        for start in range(0, len(ids), IDS_PER_REQUEST - 1):
            chunk = ids[start : start + IDS_PER_REQUEST - 1]
            found = self._given(chunk, witness)
            if not found and witness is None:
                witness = self._newest_shown()
                found = set() if witness is None else self._given(chunk, witness)
            gone = self._without_unreadable([each for each in chunk if each not in found])
            if gone:
                self._remove(gone, proven=bool(found))

    def _without_unreadable(self, ids: Sequence[str]) -> Sequence[str]:
        """Return *ids* without the rows that Pluggy lists but we cannot read: they are there."""
        listed = self._run.unreadable.ids(TRANSACTION)
        return [each for each in ids if each not in listed] if listed else ids

    def _witness(self, ids: Collection[str]) -> str | None:
        """Return the id of a row that Pluggy has shown, or of one that is stored and was not asked about."""
        if self._shown is not None:
            return self._shown
        with self._res.database.begin() as conn:
            return transactions.newest_but(conn, self._id, ids)

    def _newest_shown(self) -> str | None:
        """Return the id of a row that Pluggy shows; None: it shows nothing, as after the end of a consent."""
        newest = self._res.pluggy.first_transactions(self._id)
        return newest[0].id if newest else None

    def _given(self, ids: Sequence[str], witness: str | None) -> set[str]:
        """Return the ids of the rows that Pluggy gives, and store these."""
        began_at = self._res.now()
        answer = self._res.pluggy.transactions_by_ids(self._id, ids if witness is None else [*ids, witness])
        found = {row.id for row in self._ours(answer)}
        if self._plan.window is not None and not self._window_had_rows and not found.isdisjoint(self._unlisted):
            # New rows may be missing too. The watermark must not move.
            raise ContradictionError("GET /v2/transactions lists nothing, though there are rows")
        self._write(Batch(rows=answer, began_at=began_at))
        return found

    def _remove(self, gone: Sequence[str], *, proven: bool) -> None:
        with writing(self._res, self._run) as tx:
            if not proven:
                self._doubted = True
                sync_runs.add_counts(tx.conn, self._run.id, doubted=len(gone))
                log.warning("sync.empty_answer", account_id=self._id, kept=len(gone))
                return
            now = self._res.now()
            self._note_replacements(tx, gone, now)
            removed = 0
            for reason, ids in self._by_reason(gone):
                removed += transactions.remove(tx.conn, self._run.item.id, self._id, ids, reason=reason, now=now)
            sync_runs.add_counts(tx.conn, self._run.id, removed=removed)

    def _note_replacements(self, tx: OpenTransaction, gone: Sequence[str], now: datetime) -> None:
        """Note which posted rows of this run take the place of the pending ones among *gone*, before these go."""
        item_id = self._run.item.id
        pending = replacement_queries.pending_among(tx.conn, self._id, gone)
        if not pending:
            return
        since = sync_runs.feed_before(tx.conn, self._run.id, item_id)
        posted = replacement_queries.posted_since(tx.conn, item_id, since, like=pending)
        replacement_queries.note(tx.conn, item_id, replacements.find(pending, posted), now=now)

    def _by_reason(self, gone: Sequence[str]) -> Iterator[tuple[transactions.Reason, list[str]]]:
        yield "event", [each for each in gone if each in self._plan.deleted]
        yield "absent", [each for each in gone if each not in self._plan.deleted]

    def _trouble(self) -> Trouble | None:
        """Return what Pluggy did not show, or None."""
        if self._doubted and self._shown is None:
            return Trouble(Reason.EMPTY, "no row is shown, though rows are stored")
        if self._plan.window is not None and self._plan.account.synced_through is None and self._shown is None:
            return Trouble(Reason.NOTHING_SHOWN, "no row is shown yet")
        if any(shown < count for shown, (_, count) in zip(self._created, self._plan.told, strict=True)):
            return Trouble(Reason.ROWS_LATE, "fewer rows are shown than an event told of")
        return None

    def _move_watermark(self, window: Window) -> None:
        account, to = self._plan.account, self._run.plan.to

        def write(tx: OpenTransaction) -> None:
            accounts.move_watermark(tx.conn, self._id, synced_through=to, from_day=window.from_day)
            if account.type == "BANK" and account.balance is not None and to is not None:
                item_id = self._run.item.id
                drift = balances.record(tx.conn, item_id, self._id, account.balance, collected_at=to)
                if drift:
                    # The amount itself is private.
                    log.warning("balance.drift", account_id=self._id, next="shown with the account; nothing is changed")

        self._run.at_end(write)

    def _write(self, batch: Batch) -> None:
        ours = self._ours(batch.rows)
        if not ours:
            return
        # Mostly the window has shown them a moment ago.
        fresh = [row for row in ours if self._merged.get(row.id) != row]
        if not fresh:
            self._note_shown(ours)
            return
        with writing(self._res, self._run) as tx:
            self._merge(tx, batch)

    def _merge(self, tx: OpenTransaction, batch: Batch) -> None:
        ours = self._ours(batch.rows)
        if not ours:
            return
        self._note_shown(ours)
        merged = transactions.merge(tx.conn, self._run.item.id, ours, began_at=batch.began_at, now=self._res.now())
        if merged.added or merged.modified or merged.repaired:
            sync_runs.add_counts(
                tx.conn, self._run.id, added=merged.added, modified=merged.modified, repaired=merged.repaired
            )
        for row in ours:
            if row.id in self._merged or len(self._merged) < ROWS_REMEMBERED:
                self._merged[row.id] = row

    def _note_shown(self, ours: Sequence[Transaction]) -> None:
        self._shown = ours[-1].id
        self._named.difference_update(row.id for row in ours)

    def _ours(self, rows: Iterable[Transaction]) -> list[Transaction]:
        return [row for row in rows if row.account_id == self._id]
