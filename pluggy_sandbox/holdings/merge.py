"""
The merge of an execution: collected rows are matched with stored ones (Pluggy facts 5.6).

By the institution's id where it gives one (Open Finance), and a pending row that vanished also with a posted one of
the same amount and date; otherwise by a fingerprint of description, amount, date and position among identical rows of
that day. Nothing links the two ids of a row that fails to match.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from pluggy_sandbox.bank.rows import Row
from pluggy_sandbox.holdings.ledger import Stored
from pluggy_sandbox.wire.instants import day_in_brazil

_A_MOMENT = timedelta(minutes=1)


@dataclass(frozen=True)
class Scope:
    """
    What an execution collects: days from `since` on, anything the institution showed or changed after `seen`,
    and pending rows whatever their day, since the open bill is read as a whole. `seen` is None in a first execution.
    """

    since: date
    seen: datetime | None
    now: datetime

    def holds(self, row: Row) -> bool:
        """Return whether the execution collects *row*."""
        # Instants of one moment differ by milliseconds from item to item; what is collected twice does no harm.
        new = self.seen is not None and row.touched_at > self.seen - _A_MOMENT
        return new or row.status == "PENDING" or day_in_brazil(row.at) >= self.since

    def covers(self, stored: Stored) -> bool:
        """Return whether the execution would notice that *stored* is gone."""
        return stored.pending or day_in_brazil(stored.at) >= self.since


@dataclass
class Merge:
    """What one execution does to one account."""

    created: list[tuple[str, Row]] = field(default_factory=list)
    matched: list[tuple[Stored, Row]] = field(default_factory=list)
    settled: list[tuple[Stored, str, Row]] = field(default_factory=list)  # matched by amount and date, under a new mark
    deleted: list[Stored] = field(default_factory=list)

    @property
    def refreshed(self) -> list[tuple[Stored, Row]]:
        """Stored rows with what the institution shows of them now."""
        return self.matched + [(stored, row) for stored, _, row in self.settled]


def plan(visible: list[Row], stored: dict[str, Stored], scope: Scope, *, has_provider_ids: bool) -> Merge:
    """Return what an execution that collects within *scope* would do, given all rows the institution shows."""
    marks = _provider_marks(visible) if has_provider_ids else _fingerprints(visible)
    merge = Merge()
    for mark, row in marks.items():
        known = stored.get(mark)
        if known is not None and scope.holds(row):
            merge.matched.append((known, row))
        elif known is None and scope.holds(row):
            merge.created.append((mark, row))
    merge.deleted = [s for mark, s in stored.items() if mark not in marks and scope.covers(s)]
    if has_provider_ids:
        _settle(merge)
    merge.created.sort(key=lambda pair: (pair[1].at, pair[1].key))
    return merge


def _settle(merge: Merge) -> None:
    """Let pending rows that vanished be the posted ones that came with their amount and date (Pluggy facts 13.12)."""
    vanished: dict[tuple[Decimal, datetime], list[Stored]] = {}
    for stored in merge.deleted:
        if stored.pending:
            vanished.setdefault((stored.amount, stored.at), []).append(stored)
    for mark, row in list(merge.created):
        waiting = vanished.get((row.amount, row.at)) if row.status == "POSTED" else None
        if waiting:
            stored = waiting.pop(0)
            merge.created.remove((mark, row))
            merge.deleted.remove(stored)
            merge.settled.append((stored, mark, row))


def _provider_marks(rows: list[Row]) -> dict[str, Row]:
    return {row.key: row for row in rows}


def _fingerprints(rows: list[Row]) -> dict[str, Row]:
    twins: Counter[str] = Counter()
    marks: dict[str, Row] = {}
    for row in rows:
        base = f"{row.at.isoformat()} {row.amount.normalize():f} {row.description}"
        marks[f"{base} {twins[base]}"] = row
        twins[base] += 1
    return marks
