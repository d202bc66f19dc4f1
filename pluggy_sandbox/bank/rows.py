"""One line of a statement, as the institution gives it."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso, midnight_in_brazil, parse_instant

_DATED = frozenset({"purchaseDate", "transactionDateTime"})  # instants that a card gives beside the row's own


@dataclass(eq=False)
class Row:
    """
    One movement. Amounts carry the signs of Pluggy facts 5.5: on a card a purchase is positive.

    `key` is the institution's own id: it stays while the institution calls this the same row.
    `shown_at` is when the institution first showed it, which may be long after `at`.

    A pending row posts on `posts_on`: as itself, or, where `posts_as` is given, as another row with that description,
    dated `posts_at` if that is given too.
    """

    key: str
    at: datetime
    description: str
    amount: Decimal
    type: str
    shown_at: datetime
    status: str = "POSTED"
    currency: str = "BRL"
    amount_in_account_currency: Decimal | None = None
    category: str | None = None
    description_raw: str | None = None
    provider_code: str | None = None
    operation: str | None = None
    operation_info: str | None = None
    payment: Json | None = None
    card: Json | None = None
    merchant: Json | None = None
    posts_on: date | None = None
    posts_as: str | None = None
    posts_at: datetime | None = None
    changed_at: datetime | None = None
    revision: int = 0
    odd: bool = False  # whether its texts arrive broken: half a surrogate pair, a null character (Pluggy facts 13.18)
    extra: Json = field(default_factory=dict)

    @property
    def value(self) -> Decimal:
        """The amount in the account's own currency."""
        return self.amount if self.amount_in_account_currency is None else self.amount_in_account_currency

    @property
    def touched_at(self) -> datetime:
        """When the institution last showed something new about it."""
        return self.changed_at or self.shown_at


def moved(row: Row, by: timedelta) -> Row:
    """Return a new *row* with its days moved *by* whole days; the month of its bill stays."""
    row.at += by
    row.shown_at += by
    row.posts_on = row.posts_on and row.posts_on + by
    row.posts_at = row.posts_at and row.posts_at + by
    if row.card is not None:
        row.card |= {name: iso(parse_instant(row.card[name]) + by) for name in _DATED & row.card.keys()}
    return row


def instant_on(dice: random.Random, day: date) -> datetime:
    """
    Return the `date` of a row of *day*, in one of the ways of institutions (Pluggy facts 9.7).

    Mostly midnight in São Paulo; else midnight in UTC, which is the evening before in São Paulo; or the real time of
    day, which after nine in the evening is the next day in UTC.
    """
    way = dice.random()
    if way < 0.62:
        return midnight_in_brazil(day)
    if way < 0.74:
        return datetime.combine(day, time(), UTC)
    return midnight_in_brazil(day) + timedelta(seconds=dice.randrange(6 * 3600, 24 * 3600))


def shown_from(at: datetime, day: date) -> datetime:
    """Return when the institution shows a row of *day* that is dated *at*: in the morning, or once it happened."""
    return max(at, midnight_in_brazil(day))


def as_printed(dice: random.Random, description: str) -> str | None:
    """Return *description* as the institution prints it, before Pluggy cleans it; None where it gives nothing more."""
    if dice.random() < 0.3:
        return None
    return f"{description.upper():<24.24}  {dice.randrange(10**6):06d}"
