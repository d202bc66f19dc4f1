"""The incremental window: which transactions a sync reads, and whether an event brings news at all."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pluggy_sync.api.payloads import SAO_PAULO, Item


@dataclass(frozen=True, kw_only=True)
class Window:
    """
    What one sync reads of each account's transactions.

    `from_day` None reads everything Pluggy has. `ingested_since` finds rows that Pluggy took in since the last
    collection with an older date than the window (late card-bill payments; Pluggy facts 2.4, 5.3). `to` is the
    collection that is stored once the sync is done: the next watermark.
    """

    from_day: date | None
    ingested_since: datetime | None
    to: datetime | None


def window_of(item: Item, synced_through: datetime | None, overlap_days: int) -> Window:
    """
    Return the window for *item*: from the last collection that is fully stored, minus *overlap_days* days.

    The overlap applies to what is read, never to what is recorded (Pluggy facts 4.1).
    """
    to = later(item.collected_at("transactions"), synced_through)
    if synced_through is None:
        return Window(from_day=None, ingested_since=None, to=to)
    from_day = synced_through.astimezone(SAO_PAULO).date() - timedelta(days=overlap_days)
    return Window(from_day=from_day, ingested_since=synced_through, to=to)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two moments, where None is before everything."""
    if one is None or other is None:
        return one or other
    return max(one, other)


def updated_since(item: Item, synced_update_at: datetime | None, synced_through: datetime | None) -> bool:
    """Return whether Pluggy collected anything of *item* after what we have stored."""
    return _after(item.last_updated_at, synced_update_at) or transactions_since(item, synced_through)


def transactions_since(item: Item, synced_through: datetime | None) -> bool:
    """Return whether Pluggy collected transactions of *item* after the collection that we have stored."""
    return _after(item.collected_at("transactions"), synced_through)


def _after(moment: datetime | None, stored: datetime | None) -> bool:
    return moment is not None and (stored is None or moment > stored)
