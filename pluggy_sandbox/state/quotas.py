"""
Open Finance quotas: calls per month for one person at one institution (Pluggy facts 5.9).

All Items of the person share them. An execution spends one call of each family that is due, and a product whose family
is used up is not collected: warning 423, until the next month.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Family:
    """One group of endpoints: what it is good for, calls per month, and how often an execution asks it."""

    name: str
    product: str
    per_month: int
    every: timedelta = timedelta(0)


_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
FAMILIES = (
    Family("account list and details", "ACCOUNTS", 4, _WEEK),
    Family("account balance", "ACCOUNTS", 420),
    Family("recent transactions", "TRANSACTIONS", 240),
    Family("older transactions", "TRANSACTIONS", 4, _WEEK),
    Family("card list and details", "CREDIT_CARDS", 4, _WEEK),
    Family("bills", "CREDIT_CARDS", 30, _DAY),
    Family("card limits", "CREDIT_CARDS", 240),
    Family("investment list", "INVESTMENTS", 30, _DAY),
    Family("investment balance", "INVESTMENTS", 120),
    Family("investment transactions", "INVESTMENTS_TRANSACTIONS", 120),
    Family("identity", "IDENTITY", 4, _WEEK),
    Family("loan list and details", "LOANS", 4, _WEEK),
    Family("loan instalments and payments", "LOANS", 30, _DAY),
)


@dataclass
class Quotas:
    """What one person's month has used up."""

    month: str = ""
    used: dict[str, int] = field(default_factory=dict)

    def spend(self, products: list[str], asked: dict[str, datetime], now: datetime) -> list[str]:
        """
        Spend what an execution of *products* needs, and return the products that cannot be had.

        *asked* tells when this Item's executions last asked each family, and is brought up to date.
        """
        self._begin(now)
        refused = [f for f in FAMILIES if f.product in products and _is_due(f, asked, now) and not self._take(f)]
        for family in FAMILIES:
            if family.product in products and family not in refused and _is_due(family, asked, now):
                asked[family.name] = now
        return [p for p in products if any(f.product == p for f in refused)]

    def exhaust(self, products: list[str], now: datetime) -> None:
        """Use up every family of *products* for this month."""
        self._begin(now)
        self.used.update({f.name: f.per_month for f in FAMILIES if f.product in products})

    def _begin(self, now: datetime) -> None:
        month = f"{now:%Y-%m}"
        if month != self.month:
            self.month, self.used = month, {}

    def _take(self, family: Family) -> bool:
        used = self.used.get(family.name, 0)
        if used >= family.per_month:
            return False
        self.used[family.name] = used + 1
        return True


def _is_due(family: Family, asked: dict[str, datetime], now: datetime) -> bool:
    last = asked.get(family.name)
    return last is None or now >= last + family.every
