"""Syncing the transactions of one account: the window, what it no longer lists, what came late, what events named."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog

from pluggy_sync.engine.sync.run import Run, writing
from pluggy_sync.pluggy.client import IDS_PER_REQUEST
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.pluggy.payloads import Transaction
from pluggy_sync.pluggy.unreadable import TRANSACTION
from pluggy_sync.resources import Resources
from pluggy_sync.rules.window import EVERYTHING, after, window_since, year_before
from pluggy_sync.store import accounts, balances, sync_runs, transactions

log = structlog.get_logger(__name__)

# Rows gathered before they are written: two pages. More is no quicker (docs/performance.md) and takes memory.
ROWS_PER_WRITE = 1000


def sync_account(res: Resources, run: Run, account: sa.Row[Any]) -> None:
    """
    Bring one account's transactions up to the collection that the run stores.

    Raises:
        LeaseLostError: the Item is no longer the run's.
        PluggyError: as the client; the account's watermark stays, and what was written is written again harmlessly.
    """
    if run.deep or after(run.to, account.synced_through):
        _AccountSync(res, run, account).read()
    _read_hinted(res, run, account)


class _AccountSync:
    """One account within one run."""

    def __init__(self, res: Resources, run: Run, account: sa.Row[Any]) -> None:
        self._res = res
        self._run = run
        self._account = account
        self._window = EVERYTHING if run.deep else window_since(account.synced_through, res.settings.sync_overlap_days)
        self._compared_from = self._window.from_day or year_before(run.to)
        # A row that Pluggy showed, and whether the window had any.
        self._shown: str | None = None
        self._listed_any = False
        # Rows were missed that Pluggy could not be believed about.
        self._doubted = False

    def read(self) -> None:
        """Read the window and what was ingested since the last collection; move the watermark with the last write."""
        self._settle_unlisted(self._merge_window())
        if self._window.ingested_since is not None:
            pages = self._res.pluggy.transactions_ingested_since(self._account.id, self._window.ingested_since)
            for rows in _gathered(pages):
                self._write(rows)
        if self._doubted and not self._listed_any:
            # What Pluggy hides now, a later run has to find: it reads from the old watermark.
            return
        with writing(self._res, self._run) as tx:
            conn = tx.conn
            accounts.move_watermark(conn, self._account.id, synced_through=self._run.to, from_day=self._window.from_day)
            self._record_balance(conn)

    def _record_balance(self, conn: sa.Connection) -> None:
        account = self._account
        if account.type == "BANK" and account.balance is not None and self._run.to is not None:
            drift = balances.record(conn, self._run.item.id, account.id, account.balance, collected_at=self._run.to)
            if drift:
                # The amount itself is private.
                log.warning("balance.drift", account_id=account.id, next="shown with the account; nothing is changed")

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
        pages = self._res.pluggy.transactions_since_day(self._account.id, self._window.from_day)
        for rows, is_last in _with_last(_gathered(pages)):
            oldest = min((row.date for row in rows), default=None)
            with writing(self._res, self._run) as tx:
                conn = tx.conn
                self._merge(conn, rows)
                unlisted += transactions.unlisted(
                    conn,
                    self._account.id,
                    on_border | {row.id for row in rows},
                    after=None if is_last else oldest,
                    through=through,
                    from_day=self._compared_from,
                )
            carried = on_border if oldest == through else set()
            on_border = carried | {row.id for row in rows if row.date == oldest}
            through = oldest
            if rows:
                self._listed_any, self._shown = True, rows[-1].id
        return unlisted

    def _settle_unlisted(self, unlisted: Sequence[str]) -> None:
        """
        Ask for the rows by id, and remove those that Pluggy does not give either.

        Empty is not deletion: a witness is asked for with them, a row that Pluggy has just shown. An answer that
        lacks it proves nothing.
        """
        unlisted = self._without_unreadable(unlisted)
        witness = self._witness() if unlisted else None
        for ids in _chunks(unlisted, IDS_PER_REQUEST - 1):
            asked = ids if witness is None else [*ids, witness]
            answer = self._res.pluggy.transactions_by_ids(self._account.id, asked)
            found = {row.id for row in answer}
            if not self._listed_any and not found.isdisjoint(ids):
                # New rows may be missing too, so the watermark must not move.
                raise PluggyUnavailableError("GET /v2/transactions lists nothing, though there are rows")
            self._write(answer)
            gone = self._without_unreadable([each for each in ids if each not in found])
            if gone:
                self._remove(gone, proven=witness in found)

    def _without_unreadable(self, ids: Sequence[str]) -> Sequence[str]:
        """Return *ids* without those that Pluggy lists in a form that cannot be read: they are there."""
        listed = self._run.unreadable.ids(TRANSACTION)
        return [each for each in ids if each not in listed] if listed else ids

    def _witness(self) -> str | None:
        """Return the id of a row that Pluggy shows; None when it shows nothing, as after a consent has ended."""
        if self._shown is None:
            newest = self._res.pluggy.first_transactions(self._account.id)
            self._shown = newest[0].id if newest else None
        return self._shown

    def _remove(self, gone: Sequence[str], *, proven: bool) -> None:
        with writing(self._res, self._run) as tx:
            conn = tx.conn
            if not proven:
                self._doubted = True
                sync_runs.add_counts(conn, self._run.id, doubted=len(gone))
                log.warning("sync.empty_answer", account_id=self._account.id, kept=len(gone))
                return
            removed = transactions.remove(
                conn, self._run.item.id, self._account.id, gone, reason="absent", now=self._res.now()
            )
            sync_runs.add_counts(conn, self._run.id, removed=removed)

    def _write(self, rows: Sequence[Transaction]) -> None:
        if rows:
            with writing(self._res, self._run) as tx:
                conn = tx.conn
                self._merge(conn, rows)

    def _merge(self, conn: sa.Connection, rows: Sequence[Transaction]) -> None:
        _merge(conn, self._res, self._run, self._account.id, rows)


def _read_hinted(res: Resources, run: Run, account: sa.Row[Any]) -> None:
    """Read the rows that events named and the window cannot have shown. Ids that Pluggy does not give are left be."""
    hinted = run.hints.get(account.id, set())
    if not hinted or run.deep:
        return
    with res.database.begin() as conn:
        now_stored = accounts.get(conn, account.id)
        from_day = None if now_stored is None else now_stored.synced_from_day
        outside = transactions.outside_window(conn, account.id, hinted, from_day)
    for ids in _chunks(outside, IDS_PER_REQUEST):
        rows = res.pluggy.transactions_by_ids(account.id, ids)
        with writing(res, run) as tx:
            conn = tx.conn
            _merge(conn, res, run, account.id, rows)


def _merge(conn: sa.Connection, res: Resources, run: Run, account_id: str, rows: Sequence[Transaction]) -> None:
    ours = [row for row in rows if row.account_id == account_id]
    merged = transactions.merge(conn, run.item.id, ours, now=res.now())
    sync_runs.add_counts(conn, run.id, added=merged.added, modified=merged.modified)


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
