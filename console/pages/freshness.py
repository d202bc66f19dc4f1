"""Freshness as an objective: which share of a bank's Items was as fresh as promised, and what may still be missed."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, render_template

from console.pages.page_resources import resources
from pluggy_sync.rules import freshness_objective
from pluggy_sync.rules.freshness import State
from pluggy_sync.rules.freshness_objective import Share
from pluggy_sync.store import connectors, freshness_counts

blueprint = Blueprint("freshness", __name__)

# Items are counted every five minutes.
COUNT_IS_LATE = timedelta(minutes=20)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a bank stands over the time of the objective, for the data products that stand alike there."""

    bank: int
    products: Sequence[str]
    share: Share
    # 1: all of the budget; 0: none; below: the objective is missed.
    budget_left: float

    @property
    def percent(self) -> float:
        """The share in percent, rounded down: what is missed does not look as if it were not."""
        return (self.share.fresh * 10_000 // self.share.counted) / 100

    @property
    def state(self) -> str:
        """What is left of the budget, in a word."""
        if self.budget_left < 0:
            return "missed"
        return "nearly used" if self.budget_left < 0.25 else "kept"

    @property
    def percent_left(self) -> int:
        """What is left of the budget, in percent, rounded down; 0 if the objective is missed."""
        return max(0, math.floor(self.budget_left * 100))


@blueprint.get("/freshness")
def show() -> str:
    """Show the banks and data products, those with the least budget left first."""
    res = resources()
    now, objective = res.now(), res.settings.freshness_objective_percent
    with res.database.begin() as conn:
        sums = freshness_counts.since(conn, (now - freshness_objective.OVER).date())
        counted = freshness_counts.counted(conn)
        counted_at = freshness_counts.last_counted(conn)
        names = {each.id: each.name for each in connectors.all_(conn)}
    states: dict[int, dict[State, int]] = defaultdict(dict)
    for bank, state, number in counted:
        # A newer version may know more states.
        if state in list(State):
            states[bank][State(state)] = number
    return render_template(
        "freshness.html",
        objective=objective,
        days=freshness_objective.OVER.days,
        standings=standings(sums, objective),
        at_present_of={bank: freshness_objective.share(each) for bank, each in states.items()},
        names=names,
        unknown=freshness_counts.UNKNOWN_BANK,
        counted_at=counted_at,
        is_late=counted_at is not None and now - counted_at > COUNT_IS_LATE,
    )


def standings(sums: Mapping[tuple[int, str], Share], objective_percent: float) -> list[Standing]:
    """Return how each bank stands, the worst first; data products that stand alike at a bank are one."""
    alike: dict[tuple[int, Share], list[str]] = defaultdict(list)
    for (bank, product), share in sums.items():
        alike[bank, share].append(product)
    found = []
    for (bank, share), products in alike.items():
        left = freshness_objective.budget_left(share, objective_percent)
        if left is not None:
            found.append(Standing(bank=bank, products=sorted(products), share=share, budget_left=left))
    return sorted(found, key=lambda each: (each.budget_left, each.bank, each.products))
