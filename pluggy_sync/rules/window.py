"""The incremental window: which transactions a sync reads, and whether there is anything to read at all."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pluggy_sync.pluggy.payloads import SAO_PAULO, Item


@dataclass(frozen=True, kw_only=True)
class Window:
    """
    What a sync reads of one account's transactions.

    `from_day` None reads everything Pluggy has. `ingested_since` finds rows that Pluggy took in since the last
    collection with an older date than the window (late card-bill payments; Pluggy facts 2.4, 5.3).
    """

    from_day: date | None
    ingested_since: datetime | None


DAYS_COLLECTED = 365
EVERYTHING = Window(from_day=None, ingested_since=None)


def window_since(synced_through: datetime | None, overlap_days: int) -> Window:
    """
    Return the window from the last collection that is fully stored, minus *overlap_days* days.

    The overlap applies to what is read, never to what is recorded (Pluggy facts 4.1).
    """
    if synced_through is None:
        return EVERYTHING
    from_day = synced_through.astimezone(SAO_PAULO).date() - timedelta(days=overlap_days)
    return Window(from_day=from_day, ingested_since=synced_through)


def year_before(moment: datetime | None) -> date | None:
    """
    Return the first day of the year that Pluggy collects, ending at *moment* (Pluggy facts 4.1).

    A stored row from before that is history which Pluggy need not list any more: its absence says nothing.
    """
    return None if moment is None else moment.astimezone(SAO_PAULO).date() - timedelta(days=DAYS_COLLECTED)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two moments, where None is before everything."""
    if one is None or other is None:
        return one or other
    return max(one, other)


def updated_since(item: Item, synced_update_at: datetime | None, synced_through: datetime | None) -> bool:
    """Return whether Pluggy collected anything of *item* after what we have stored."""
    return after(item.last_updated_at, synced_update_at) or transactions_since(item, synced_through)


def transactions_since(item: Item, synced_through: datetime | None) -> bool:
    """Return whether Pluggy collected transactions of *item* after the collection that we have stored."""
    return after(item.collected_at("transactions"), synced_through)


def after(moment: datetime | None, stored: datetime | None) -> bool:
    """Return whether *moment* is news, given what is *stored*; None is before everything."""
    return moment is not None and (stored is None or moment > stored)
