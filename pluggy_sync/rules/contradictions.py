"""
Whether Pluggy's answer contradicts the events that led to it.

Right after an event Pluggy may answer 404, or show the Item as it was before. Then the Item is fetched again, a few
times and at growing intervals, before the answer is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pluggy_sync import events
from pluggy_sync.rules.statuses import RUNNING, UPDATED, WAITING
from pluggy_sync.rules.window import after


class Contradiction(StrEnum):
    """How an answer contradicts the events. The value is what operators and products read."""

    NOT_FOUND = "ITEM_NOT_FOUND"  # an event names the Item, Pluggy answers 404
    STILL_THERE = "STILL_THERE"  # the Item is told to be deleted, Pluggy shows it
    BEHIND = "BEHIND_ITS_EVENT"  # what an event tells of does not show
    PERHAPS_BEHIND = "PERHAPS_BEHIND"  # several executions are told of, the Item may show only the first


# How often the Item is fetched again before the answer is believed, with the waits of `backoff.STEPS_S`: for about
# three hours if something would be deleted, for six minutes if the view is late.
REFETCHES: Mapping[Contradiction, int] = {
    Contradiction.NOT_FOUND: 8,
    Contradiction.STILL_THERE: 8,
    Contradiction.BEHIND: 4,
    Contradiction.PERHAPS_BEHIND: 1,
}

# An event follows the end of its execution within seconds. One that came later may be of a later execution.
_EVENT_DELAY = timedelta(seconds=30)

_UPDATES = frozenset({events.ITEM_CREATED, events.ITEM_UPDATED})
_WAITS = frozenset({events.ITEM_WAITING_USER_INPUT, events.ITEM_WAITING_USER_ACTION})


class View(Protocol):
    """What an Item shows of its executions: as fetched, or as stored."""

    @property
    def status(self) -> str | None: ...
    @property
    def updated_at(self) -> datetime | None: ...
    @property
    def last_updated_at(self) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True)
class Told:
    """The events of one name that wait to be settled: how many there are, and when the newest was received."""

    count: int
    newest_at: datetime


@dataclass(frozen=True, kw_only=True)
class Settled:
    """`updatedAt` and `lastUpdatedAt` of the Item when the events before agreed with it; None: nothing before."""

    updated_at: datetime | None
    last_updated_at: datetime | None


def is_believed(found: Contradiction, *, refetches: int) -> bool:
    """Return whether the answer is believed, though it contradicts the events: *refetches* times it was the same."""
    return refetches >= REFETCHES[found]


def contradiction_of(told: Mapping[str, Told], view: View | None, settled: Settled) -> Contradiction | None:
    """
    Return how *view* contradicts the events in *told*, by name; None: it agrees with all of them.

    *view* is the newest one that we have, None when Pluggy answered 404. Every execution that ends well moves
    `lastUpdatedAt`: an `item/updated` is settled by a later one than the `item/updated` before it.
    """
    if view is None:
        return Contradiction.NOT_FOUND
    if events.ITEM_DELETED in told:
        return Contradiction.STILL_THERE
    updates = [told[name] for name in _UPDATES if name in told]
    if updates and not after(view.last_updated_at, settled.last_updated_at):
        return Contradiction.BEHIND
    if _WAITS & told.keys() and not _shows_wait(view, settled):
        return Contradiction.BEHIND
    if events.ITEM_ERROR in told and not _shows_error(view, settled):
        return Contradiction.BEHIND
    return Contradiction.PERHAPS_BEHIND if _may_be_first_of_several(updates, view) else None


def _shows_wait(view: View, settled: Settled) -> bool:
    return view.status in WAITING or _moved_on(view, settled)


def _shows_error(view: View, settled: Settled) -> bool:
    return view.status not in (UPDATED, *RUNNING) or _moved_on(view, settled)


def _moved_on(view: View, settled: Settled) -> bool:
    """Return whether the Item shows that another execution ended after the one that the event tells of."""
    return view.status not in RUNNING and after(view.updated_at, settled.updated_at)


def _may_be_first_of_several(updates: list[Told], view: View) -> bool:
    if sum(each.count for each in updates) < 2 or view.last_updated_at is None:
        return False
    return max(each.newest_at for each in updates) > view.last_updated_at + _EVENT_DELAY
