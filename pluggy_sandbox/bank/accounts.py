"""An account at the bank: its rows, and what a day does to them."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from pluggy_sandbox.bank import card
from pluggy_sandbox.bank.rows import Row, moved
from pluggy_sandbox.wire.encoding import cents
from pluggy_sandbox.wire.instants import day_in_brazil, midnight_in_brazil

DayOf = Callable[[random.Random, date], Iterator[Row]]
Dice = Callable[..., random.Random]


@dataclass
class Bill:
    """A closed cycle of a card."""

    key: str
    closed_on: date
    due_on: date
    total: Decimal
    paid_on: date | None = None


@dataclass
class Account:
    """
    One account. `ahead` is how many days the bank's own calendar is ahead of ours: what a day brings, and when a bill
    closes, is told by that calendar. `volume` is how many rows more than the believable ones it has in its first year
    (the `user-ok-perf` customers); those rows are made when read and never kept.
    """

    key: str
    type: str
    subtype: str
    number: str
    name: str
    day_of: DayOf
    dice: Dice
    opened: date
    lived_until: date
    ahead: int = 0
    opening_balance: Decimal = Decimal(0)
    credit_limit: Decimal = Decimal(0)
    volume: int = 0
    rows: list[Row] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)  # changed on demand since Pluggy last looked
    revision: int = 0  # grows with every change
    _waiting: list[Row] = field(init=False, repr=False)  # rows that post on a day to come

    def __post_init__(self) -> None:
        self._waiting = [row for row in self.rows if row.posts_on is not None]

    def live_until(self, today: date) -> Iterator[date]:
        """Let days pass up to *today*, and yield each one after it has passed."""
        day = self.lived_until + timedelta(days=1)
        while day <= today:
            self._live(day)
            self.lived_until = day
            self.revision += 1
            yield day
            day += timedelta(days=1)

    def collected(self) -> None:
        """Take note that Pluggy has looked."""
        if self.touched:
            self.touched.clear()
            self.revision += 1

    def at_the_bank(self, day: date) -> date:
        """Return what the bank's calendar calls *day*."""
        return day + timedelta(days=self.ahead)

    def closing_after(self, day: date) -> date:
        """Return the closing day of the card's bill that a purchase of *day* falls into."""
        return card.closing_after(self.at_the_bank(day)) - timedelta(days=self.ahead)

    def visible(self, now: datetime) -> Iterator[Row]:
        """Yield the rows that the institution shows at *now*."""
        return (row for row in self.rows if row.shown_at <= now)

    def close_bill(self, day: date) -> Bill:
        """Put the open rows of a card up to *day* on a new bill, and return it."""
        due = day + timedelta(days=card.DUE_AFTER_DAYS)
        bill = Bill(f"{self.key}-bill-{self.at_the_bank(day):%Y%m}", day, due, Decimal(0))
        at = midnight_in_brazil(day)
        for row in self.rows:
            if row.card is not None and "billId" not in row.card and day_in_brazil(row.at) <= day:
                row.card = row.card | {"billId": bill.key, "billPostDate": day.isoformat()}
                row.changed_at = max(at, row.shown_at)
                bill.total += row.value
        self.bills.append(bill)
        return bill

    def pay_bill(self, bill: Bill, from_account: "Account") -> None:
        """
        Pay *bill* on its due day: money leaves one account and arrives on the card.

        The card shows the payment three days late, dated back (Pluggy facts 5.5 and 9.10).
        """
        at = midnight_in_brazil(bill.due_on)
        bill.paid_on = bill.due_on
        from_account.rows.append(
            Row(
                f"{bill.key}-out", at, "PAGAMENTO FATURA CARTAO", -bill.total, "DEBIT", at,
                category="05100000", operation="OUTROS", operation_info="PAGAMENTO DE FATURA",
            )
        )  # fmt: skip
        self.rows.append(
            Row(
                f"{bill.key}-in", at, "PAGAMENTO RECEBIDO", -bill.total, "CREDIT", at + timedelta(days=3),
                category="05100000", operation="PAGAMENTO_FATURA",
            )
        )  # fmt: skip

    def balance(self, now: datetime) -> Decimal:
        """Return what is in the account, or on a card what is owed on the open bill."""
        rows = [row for row in self.visible(now) if row.at <= now]
        if self.type == "CREDIT":
            due = (row.value for row in rows if "billId" not in (row.card or {"billId": ""}))
        else:
            due = (row.value for row in rows if row.status == "POSTED")
        return (self.opening_balance + sum(due)).normalize() + Decimal(0)

    def closing_balance(self, now: datetime) -> Decimal:
        """Return what is in the account once all that is under way has posted."""
        return self.opening_balance + sum(row.value for row in self.visible(now) if row.at <= now)

    def used_limit(self, now: datetime) -> Decimal:
        """Return how much of a card's limit is taken, future instalments included (Pluggy facts 9.6)."""
        return sum((row.value for row in self.visible(now)), Decimal(0))

    def _live(self, day: date) -> None:
        for row in [row for row in self._waiting if row.posts_on is not None and row.posts_on <= day]:
            self.post(row, midnight_in_brazil(day))
        self._waiting = [row for row in self._waiting if row.posts_on is not None]
        there, back = self.at_the_bank(day), timedelta(days=-self.ahead)
        new = [moved(row, back) for row in self.day_of(self.dice("day", self.key, there), there)]
        self.rows.extend(new)
        self._waiting.extend(row for row in new if row.posts_on is not None)

    def post(self, row: Row, at: datetime) -> Row:
        """Turn a pending row into a posted one, the same or a new one, and return that."""
        if row.posts_as is None:
            row.status, row.posts_on, row.changed_at = "POSTED", None, at
            return row
        posted = replace(
            row, key=f"{row.key}-p", at=row.posts_at or row.at, description=row.posts_as, status="POSTED",
            posts_on=None, posts_as=None, posts_at=None, shown_at=at, changed_at=None,
        )  # fmt: skip
        row.posts_on = None
        self.rows[self.rows.index(row)] = posted
        return posted


def invented_limit(dice: random.Random) -> Decimal:
    """Return a card limit."""
    return cents(dice.randrange(300_000, 3_000_000, 50_000))
