"""The incremental window: which transactions a sync reads, and which stored ones a read should have shown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pluggy_sync.pluggy.payloads import SAO_PAULO, Transaction


@dataclass(frozen=True, kw_only=True)
class Window:
    """The transactions of one account that are dated `from_day` or later; None: everything that Pluggy has."""

    from_day: date | None


DAYS_COLLECTED = 365
EVERYTHING = Window(from_day=None)


def window_since(synced_through: datetime | None, overlap_days: int) -> Window:
    """
    Return the window from the last collection that is fully stored, minus *overlap_days* days.

    The overlap applies to what is read, never to what is recorded (Pluggy facts 4.1).
    """
    if synced_through is None:
        return EVERYTHING
    return Window(from_day=synced_through.astimezone(SAO_PAULO).date() - timedelta(days=overlap_days))


def year_before(moment: datetime | None) -> date | None:
    """
    Return the first day of the year that Pluggy collects, ending at *moment* (Pluggy facts 4.1).

    Pluggy need not list a stored row from before that day: its absence says nothing.
    """
    return None if moment is None else moment.astimezone(SAO_PAULO).date() - timedelta(days=DAYS_COLLECTED)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two moments, where None is before everything."""
    if one is None or other is None:
        return one or other
    return max(one, other)


def after(moment: datetime | None, stored: datetime | None) -> bool:
    """Return whether *moment* is news, given what is *stored*; None is before everything."""
    return moment is not None and (stored is None or moment > stored)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows as Pluggy listed them. `began_at`: when the first of their pages was asked for."""

    rows: Sequence[Transaction]
    began_at: datetime


@dataclass(frozen=True, kw_only=True)
class Span:
    """
    A batch, and the dates for which it shows all rows: after `after`, up to and including `through`.

    None leaves that end open. `shown` are the ids that were listed with these dates: a stored row with such a date and
    another id was not listed.
    """

    batch: Batch
    after: datetime | None
    through: datetime | None
    shown: frozenset[str]


def spans(batches: Iterable[Batch]) -> Iterator[Span]:
    """
    Yield each batch of a list with the dates it answers for; together they answer for all dates.

    Pluggy lists newest first. A batch answers for the dates from its oldest row up to the batch before. Its oldest date
    may go on in the next batch, and only that one answers for that date. If no batch has rows, an empty one answers for
    all dates. In any other order the spans still cover all dates, but a listed row may seem unlisted.
    """
    through: datetime | None = None
    on_border: frozenset[str] = frozenset()
    for batch, is_last in _with_last(iter(batches)):
        ids = frozenset(row.id for row in batch.rows)
        oldest = min((row.date for row in batch.rows), default=None)
        yield Span(batch=batch, after=None if is_last else oldest, through=through, shown=on_border | ids)
        carried = on_border if oldest == through else frozenset()
        on_border = carried | {row.id for row in batch.rows if row.date == oldest}
        through = oldest


def _with_last(batches: Iterator[Batch]) -> Iterator[tuple[Batch, bool]]:
    batch = next(batches, None)
    if batch is None:
        return
    for following in batches:
        if not following.rows:
            continue
        if batch.rows:
            yield batch, False
        batch = following
    yield batch, True
