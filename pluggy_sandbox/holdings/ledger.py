"""The stored transactions of one account: newest first, found by id, read in pages that resume anywhere."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice

from pluggy_sandbox.holdings.bulk_rows import BulkRows
from pluggy_sandbox.holdings.categories import with_category
from pluggy_sandbox.wire.instants import iso

Position = tuple[int, int]  # millisecond, then the order in which rows of one instant came
_A_MILLISECOND = timedelta(milliseconds=1)
_LAST: Position = (1 << 62, 0)
_FIRST: Position = (-(1 << 62), 0)


@dataclass(slots=True)
class Stored:
    """One transaction. `content` is its JSON without the two instants, which are written when it is served."""

    id: str
    key: str
    mark: str
    at: datetime
    position: Position
    order: int
    content: bytes
    pending: bool
    created_at: datetime
    updated_at: datetime
    amount: Decimal = Decimal(0)
    category_id: str | None = None  # set by the application, and stronger than the bank's

    def body(self) -> bytes:
        """Return the whole object as the API serves it."""
        return b'%s,"createdAt":"%s","updatedAt":"%s"}' % (
            self.content[:-1],
            iso(self.created_at).encode(),
            iso(self.updated_at).encode(),
        )


@dataclass(frozen=True)
class Window:
    """Which rows are asked for. Days are inclusive and counted in UTC; instants count what was ingested since."""

    date_from: date | None = None
    date_to: date | None = None
    created_from: datetime | None = None

    def bounds(self) -> tuple[Position, Position]:
        """Return the first position inside, and the first one past the end."""
        low = _FIRST if self.date_from is None else (_ms(_midnight(self.date_from)), -(1 << 40))
        if self.date_to is None or self.date_to == date.max:
            return low, _LAST
        return low, (_ms(_midnight(self.date_to + timedelta(days=1))), -(1 << 40))


@dataclass
class Ledger:
    """Rows of one account, the believable ones by value and the bulk ones by rule."""

    bulk: BulkRows
    by_id: dict[str, Stored] = field(default_factory=dict)
    by_mark: dict[str, Stored] = field(default_factory=dict)
    gone: dict[str, Position] = field(default_factory=dict)  # where rows stood that were taken, for old cursors
    count: int = 0  # how many rows were ever put
    _order: list[tuple[Position, str]] = field(default_factory=list)

    def next_position(self, at: datetime) -> Position:
        """Return the position of a new row of *at*."""
        self.count += 1
        return _ms(at), self.count

    def put(self, row: Stored) -> None:
        """Store a new row."""
        self.by_id[row.id] = self.by_mark[row.mark] = row
        insort(self._order, (row.position, row.id))

    def mark_anew(self, row: Stored, mark: str) -> None:
        """Know a stored row by another mark from now on."""
        del self.by_mark[row.mark]
        self.by_mark[mark] = row
        row.mark = mark

    def take(self, row: Stored) -> None:
        """Remove a stored row."""
        del self.by_id[row.id], self.by_mark[row.mark]
        del self._order[bisect_left(self._order, (row.position, row.id))]
        self.gone[row.id] = row.position

    def __len__(self) -> int:
        return len(self.by_id) + self.bulk.count()

    def find(self, row_id: str) -> bytes | None:
        """Return the transaction with this id, or None."""
        stored = self.by_id.get(row_id)
        return stored.body() if stored else self.bulk.find(row_id)

    def recategorise(self, row_id: str, category_id: str, at: datetime) -> bytes | None:
        """Set the category that the application chose; return the transaction, None for an unknown one."""
        stored = self.by_id.get(row_id)
        if stored is None:
            return self.bulk.recategorise(row_id, category_id, at)
        stored.category_id, stored.updated_at = category_id, max(at, stored.updated_at + _A_MILLISECOND)
        stored.content = with_category(stored.content, category_id)
        return stored.body()

    def place(self, row_id: str) -> Position | None:
        """Return where a row stands or stood, or None for an id that was never here."""
        stored = self.by_id.get(row_id)
        return stored.position if stored else self.gone.get(row_id) or self.bulk.place(row_id)

    def page(self, window: Window, before: Position | None, size: int) -> list[tuple[Position, str, bytes]]:
        """Return up to *size* rows of *window*, newest first, from just before the position *before*."""
        low, high = window.bounds()
        top = high if before is None else min(high, before)
        return list(islice(self._descending(low, top, window.created_from), size))

    def everything(self) -> Iterator[bytes]:
        """Yield every stored transaction, newest first."""
        return (body for _, _, body in self._descending(_FIRST, _LAST, None))

    def rows(self) -> Iterable[Stored]:
        """Return the rows stored by value."""
        return self.by_id.values()

    def _descending(
        self, low: Position, top: Position, created_from: datetime | None
    ) -> Iterator[tuple[Position, str, bytes]]:
        own = self._own(low, top, created_from)
        if not self.bulk.segments:
            return own
        return heapq.merge(own, self.bulk.descending(low, top, created_from), reverse=True)

    def _own(
        self, low: Position, top: Position, created_from: datetime | None
    ) -> Iterator[tuple[Position, str, bytes]]:
        index = bisect_left(self._order, (top, ""))
        while index > 0:
            index -= 1
            position, row_id = self._order[index]
            if position < low:
                return
            row = self.by_id[row_id]
            if created_from is None or row.created_at >= created_from:
                yield position, row_id, row.body()


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
