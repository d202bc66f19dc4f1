"""What a customer has invested, and how it moves as days pass (Pluggy facts 5.7)."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from pluggy_sandbox.bank.card import add_months
from pluggy_sandbox.wire.encoding import money


@dataclass(frozen=True)
class Movement:
    """One purchase, sale, interest or tax."""

    key: str
    day: date
    type: str
    movement: str  # CREDIT or DEBIT
    quantity: Decimal
    price: Decimal
    amount: Decimal
    description: str


@dataclass(frozen=True)
class Investment:
    """One investment. `daily_rate` is what it gains a day, in hundredths of a basis point."""

    key: str
    type: str
    subtype: str
    name: str
    code: str | None
    isin: str | None
    issuer: str | None
    bought_on: date
    matures_on: date | None
    quantity: Decimal
    price: Decimal
    rate: Decimal | None
    rate_type: str | None
    daily_rate: int

    def value_on(self, day: date) -> Decimal:
        """Return what one unit is worth on *day*, with four decimals."""
        days = max((day - self.bought_on).days, 0)
        grown = self.price * (1 + Decimal(self.daily_rate * days) / 1_000_000)
        return money(int(grown * 10_000))

    def movements(self, today: date) -> Iterator[Movement]:
        """Yield what happened up to *today*: the purchase, then half-yearly interest and its tax."""
        bought = money(int(self.quantity * self.price * 10_000))
        yield Movement(
            f"{self.key}-buy", self.bought_on, "BUY", "DEBIT", self.quantity, self.price, bought, f"COMPRA {self.name}"
        )
        day = add_months(self.bought_on, 6)
        while day <= today and self.rate is not None:
            interest = money(int(bought * 10_000) * 48 // 1000)
            tax = money(int(interest * 10_000) * 175 // 1000)
            one = Decimal(1)
            yield Movement(f"{self.key}-j{day}", day, "INTEREST", "CREDIT", one, interest, interest, "JUROS")
            yield Movement(f"{self.key}-ir{day}", day, "TAX", "DEBIT", one, tax, tax, "IMPOSTO DE RENDA")
            day = add_months(day, 6)


def portfolio(key: str, dice: random.Random, opened: date) -> list[Investment]:
    """Return the holdings of one customer."""
    return [
        _cdb(f"{key}/cdb", dice, opened),
        _treasury(f"{key}/treasury", dice, opened),
        _fund(f"{key}/fund", dice, opened),
        _stock(f"{key}/stock", dice, opened),
    ]


def _bought(dice: random.Random, opened: date) -> date:
    return opened + timedelta(days=dice.randrange(5, 160))


def _cdb(key: str, dice: random.Random, opened: date) -> Investment:
    day, percent = _bought(dice, opened), dice.choice((98, 100, 104, 110))
    return Investment(
        key, "FIXED_INCOME", "CDB", f"CDB PLUGGY BANK {percent}% CDI", None, None, "Pluggy Bank SA", day,
        add_months(day, 36), Decimal(dice.randrange(1, 40)), Decimal(1000), Decimal(percent), "CDI", 420,
    )  # fmt: skip


def _treasury(key: str, dice: random.Random, opened: date) -> Investment:
    day = _bought(dice, opened)
    return Investment(
        key, "FIXED_INCOME", "TREASURY", "TESOURO IPCA+ 2035", "TESOURO IPCA+ 2035", "BRSTNCNTB3G8", "Tesouro Nacional",
        day, date(2035, 5, 15), money(dice.randrange(100, 40_000)), money(32_154_321), money(61_200), "IPCA", 310,
    )  # fmt: skip


def _fund(key: str, dice: random.Random, opened: date) -> Investment:
    return Investment(
        key, "MUTUAL_FUND", "MULTIMARKET_FUND", "HORIZONTE MACRO FIC FIM", None, None, "Horizonte Gestora",
        _bought(dice, opened), None, money(dice.randrange(10_000_000, 90_000_000)), money(23_417), None, None, 380,
    )  # fmt: skip


def _stock(key: str, dice: random.Random, opened: date) -> Investment:
    return Investment(
        key, "EQUITY", "STOCK", "PETROBRAS PN", "PETR4", "BRPETRACNPR6", None, _bought(dice, opened), None,
        Decimal(dice.randrange(100, 900, 100)), money(374_100), None, None, 250,
    )  # fmt: skip
