"""One login at the bank, and everything behind it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from pluggy_sandbox.bank import card, checking, investments, loans, people
from pluggy_sandbox.bank.accounts import Account, DayOf, Dice, invented_limit
from pluggy_sandbox.bank.investments import Investment
from pluggy_sandbox.bank.loans import Contract
from pluggy_sandbox.bank.people import Person
from pluggy_sandbox.wire.encoding import cents
from pluggy_sandbox.wire.instants import day_in_brazil

BASE_ROWS = 200  # what `user-ok-perf-<n>x` multiplies: 5000 times makes an account of a million rows
HISTORY_DAYS = 365


@dataclass
class Customer:
    """A customer, whom two Items of the same login share (Pluggy facts 5.5, providerId)."""

    key: str
    person: Person
    dice: Dice
    opened: date
    regulated: bool
    ahead: int = 0  # of the bank's calendar, see Account
    accounts: list[Account] = field(default_factory=list)
    investments: list[Investment] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)

    def live_until(self, now: datetime) -> None:
        """Let days pass up to *now* in every account."""
        today = day_in_brazil(now)
        cards = [a for a in self.accounts if a.type == "CREDIT"]
        others = [a for a in self.accounts if a.type != "CREDIT"]
        for account in others:
            _exhaust(account.live_until(today))
        for account in cards:
            for day in account.live_until(today):
                self._bills(account, others[0], day)

    def day_of(self, kind: str, last_digits: str = "") -> DayOf:
        """Return what a day brings to an account of *kind*, BANK or CREDIT."""
        if kind == "CREDIT":
            return lambda dice, day: card.day_of(dice, last_digits, day, regulated=self.regulated)
        first = self.opened + timedelta(days=self.ahead) if self.regulated else None
        return lambda dice, day: checking.day_of(dice, self.person, day, first=first)

    def account(self, key: str) -> Account:
        """Return the account called *key*."""
        return next(a for a in self.accounts if a.key == key)

    def _bills(self, account: Account, pays: Account, day: date) -> None:
        if account.at_the_bank(day).day == card.CLOSING_DAY:
            account.close_bill(day)
        for bill in account.bills:
            if bill.due_on == day and bill.total > 0:
                account.pay_bill(bill, pays)


def open_customer(
    key: str,
    now: datetime,
    dice: Dice,
    *,
    regulated: bool,
    business: bool = False,
    cpf: str | None = None,
    checking_accounts: int = 1,
    times: int = 1,
    opening_day: str = "",
    history_days: int = HISTORY_DAYS,
) -> Customer:
    """
    Return a customer with a year behind them; *times* multiplies the rows of each account.

    Of that year the bank still shows the last *history_days*.
    *opening_day* is what the bank's calendar calls today, empty for today itself.
    """
    today = day_in_brazil(now)
    opened = today - timedelta(days=HISTORY_DAYS)
    ahead = (date.fromisoformat(opening_day) - today).days if opening_day else 0
    own = dice("person", key)
    person = people.invent_company(own) if business else people.invent(own, cpf)
    customer = Customer(key, person, dice, opened, regulated, ahead)
    volume = (times - 1) * BASE_ROWS
    unseen = max(opened, today - timedelta(days=history_days)) - timedelta(days=1)
    for n in range(1, checking_accounts + 1):
        customer.accounts.append(_checking(customer, own, n, volume, unseen))
    customer.accounts.append(_card(customer, own, volume, unseen))
    customer.investments = investments.portfolio(key, own, opened)
    customer.contracts = loans.contracts(key, own, opened)
    customer.live_until(now)
    return customer


def _checking(customer: Customer, own: random.Random, n: int, volume: int, unseen: date) -> Account:
    return Account(
        key=f"{customer.key}/checking-{n}",
        type="BANK",
        subtype="CHECKING_ACCOUNT",
        number=f"0001/{own.randint(10000, 99999)}-{own.randint(0, 9)}",
        name="Conta Corrente",
        day_of=customer.day_of("BANK"),
        dice=customer.dice,
        opened=customer.opened,
        lived_until=unseen,
        ahead=customer.ahead,
        opening_balance=cents(own.randrange(1_000_000, 9_000_000)),
        volume=volume,
    )


def _card(customer: Customer, own: random.Random, volume: int, unseen: date) -> Account:
    last_digits = f"{own.randint(0, 9999):04d}"
    return Account(
        key=f"{customer.key}/card-1",
        type="CREDIT",
        subtype="CREDIT_CARD",
        number=last_digits,
        name="Mastercard Black",
        day_of=customer.day_of("CREDIT", last_digits),
        dice=customer.dice,
        opened=customer.opened,
        lived_until=unseen,
        ahead=customer.ahead,
        opening_balance=Decimal(0),
        credit_limit=invented_limit(own),
        volume=volume,
    )


def _exhaust(days: Iterator[date]) -> None:
    for _ in days:
        pass
