"""
Which posted transaction took the place of a pending one that is gone.

When a purchase changes between PENDING and POSTED, Pluggy removes the one row and creates another, and nothing links
the two (Pluggy facts 5.6). What is found here is a hint, with the rule that matched: a product may carry over its
labels.
"""

import datetime as dt
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

PENDING = "PENDING"
# A purchase is posted within some days. Further away, an equal amount is a coincidence.
NEARBY = dt.timedelta(days=5)


class Rule(StrEnum):
    """What the two rows have in common. The value is what products read."""

    PROVIDER_ID = "provider_id"  # the bank's own id
    AMOUNT_AND_DATE = "amount_and_date"  # account, amount, currency and direction, on days close to each other


class Movement(Protocol):
    """A transaction, as far as it matters here. `status` None counts as POSTED."""

    @property
    def id(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def day(self) -> dt.date: ...
    @property
    def description(self) -> str | None: ...
    @property
    def amount(self) -> Decimal | None: ...
    @property
    def currency_code(self) -> str | None: ...
    @property
    def type(self) -> str | None: ...
    @property
    def status(self) -> str | None: ...
    @property
    def provider_id(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """The transaction *id* took the place of *replaces*, as far as *rule* can tell."""

    id: str
    replaces: str
    rule: Rule


def find(gone: Sequence[Movement], appeared: Sequence[Movement]) -> list[Replacement]:
    """
    Return which of the rows that *appeared* replace which of those that are *gone*, of one Item and one sync run.

    Only a pending row is replaced, and only by one that is not pending. Each row takes part once. The bank's id decides
    before the amount. Among several that fit, the same description comes first, then the nearest day.
    """
    old = {row.id: row for row in gone if row.status == PENDING}
    new = {row.id: row for row in appeared if row.status != PENDING and row.id not in old}
    found = []
    for rule in Rule:
        for before, after in _pairs(old.values(), new.values(), rule):
            if before.id in old and after.id in new:
                found.append(Replacement(id=after.id, replaces=before.id, rule=rule))
                del old[before.id], new[after.id]
    return found


def _pairs(gone: Iterable[Movement], appeared: Iterable[Movement], rule: Rule) -> list[tuple[Movement, Movement]]:
    """Return the pairs that *rule* allows, those first that fit best."""
    key = _by_provider_id if rule is Rule.PROVIDER_ID else _by_amount
    by_key: dict[Hashable, list[Movement]] = {}
    for row in appeared:
        by_key.setdefault(key(row), []).append(row)
    pairs = [
        (before, after)
        for before in gone
        if key(before) is not None
        for after in by_key.get(key(before), ())
        if rule is Rule.PROVIDER_ID or abs(after.day - before.day) <= NEARBY
    ]
    return sorted(pairs, key=_how_well)


def _by_provider_id(row: Movement) -> Hashable:
    return row.provider_id or None


def _by_amount(row: Movement) -> Hashable:
    return None if row.amount is None else (row.account_id, row.amount, row.currency_code, row.type)


def _how_well(pair: tuple[Movement, Movement]) -> tuple[bool, dt.timedelta, str, str]:
    """Return the smaller, the better the two fit. The ids make the order one and the same each time."""
    before, after = pair
    return before.description != after.description, abs(after.day - before.day), before.id, after.id
