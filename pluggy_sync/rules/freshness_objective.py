"""
Freshness as an objective: which share of the Items is as fresh as promised, and how much of the allowed rest is used.

An Item is as promised while it is fresh, or an update of it goes on. One that waits for its person is left out: nobody
here can make it fresh. A bank that is away counts: the person sees old data, whoever is at fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pluggy_sync.rules.freshness import State

AS_PROMISED = frozenset({State.FRESH, State.SYNCING})
LEFT_OUT = frozenset({State.WAITING_FOR_PERSON, State.DELETED})

# What the budget is for.
OVER = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Share:
    """Of *counted* Items, those that were *fresh*. Over a time: the sums of all counts."""

    fresh: int
    counted: int

    @property
    def ratio(self) -> float | None:
        """Which part was fresh, from 0 to 1; None: there was none to count."""
        return self.fresh / self.counted if self.counted else None


def share(states: Mapping[State, int]) -> Share:
    """Return the share among Items of which so many are in each state."""
    return Share(
        fresh=sum(number for state, number in states.items() if state in AS_PROMISED),
        counted=sum(number for state, number in states.items() if state not in LEFT_OUT),
    )


def without(of_items: Share, incomplete: int) -> Share:
    """Return the share for a data product that *incomplete* of the fresh Items do not have completely."""
    return Share(fresh=max(0, of_items.fresh - incomplete), counted=of_items.counted)


def budget_left(found: Share, objective_percent: float) -> float | None:
    """
    Return which part of the error budget is left: 1, all of it; 0, none; below, the objective is missed.

    None: there was nothing to count. An objective of 100 % leaves no budget: it is whole or missed.
    """
    ratio = found.ratio
    if ratio is None:
        return None
    allowed = 1 - objective_percent / 100
    missed = 1 - ratio
    if allowed <= 0:
        return 1.0 if missed == 0 else -1.0
    return 1 - missed / allowed
