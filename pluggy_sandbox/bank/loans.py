"""What a customer owes (Pluggy facts 5.7)."""

import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pluggy_sandbox.bank.card import add_months
from pluggy_sandbox.wire.encoding import cents


@dataclass(frozen=True)
class Contract:
    """A loan paid in equal monthly instalments."""

    key: str
    number: str
    product: str
    kind: str
    signed_on: date
    amount_cents: int
    instalments: int

    @property
    def instalment(self) -> Decimal:
        """What is due each month."""
        return cents(self.amount_cents * 118 // 100 // self.instalments)

    def paid_on(self, today: date) -> list[date]:
        """Return the days on which instalments were paid."""
        due = (add_months(self.signed_on, n) for n in range(1, self.instalments + 1))
        return [day for day in due if day <= today]

    def ends_on(self) -> date:
        """Return when the last instalment is due."""
        return add_months(self.signed_on, self.instalments)


def contracts(key: str, dice: random.Random, opened: date) -> list[Contract]:
    """Return the loans of one customer."""
    signed = add_months(opened, -dice.randrange(1, 9))
    personal = Contract(
        f"{key}/loan-1", f"{dice.randrange(10**9):09d}", "Crédito Pessoal", "LOAN", signed,
        dice.randrange(400_000, 3_000_000, 10_000), 24,
    )  # fmt: skip
    car = Contract(
        f"{key}/loan-2", f"{dice.randrange(10**9):09d}", "Financiamento de Veículo", "FINANCING", signed,
        dice.randrange(3_000_000, 9_000_000, 50_000), 48,
    )  # fmt: skip
    return [personal, car]
