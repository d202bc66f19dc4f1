"""One line of a statement, as the institution gives it."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from pluggy_sandbox.wire.encoding import Json


@dataclass(eq=False)
class Row:
    """
    One movement. Amounts carry the signs of Pluggy facts 5.5: on a card a purchase is positive.

    `key` is the institution's own id: it stays while the institution calls this the same row.
    `shown_at` is when the institution first showed it, which may be long after `at`.
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
    operation: str | None = None
    operation_info: str | None = None
    payment: Json | None = None
    card: Json | None = None
    merchant: Json | None = None
    posts_on: date | None = None
    posts_as: str | None = None  # the description of the new row that replaces this one when it posts
    changed_at: datetime | None = None
    revision: int = 0
    extra: Json = field(default_factory=dict)

    @property
    def value(self) -> Decimal:
        """The amount in the account's own currency."""
        return self.amount if self.amount_in_account_currency is None else self.amount_in_account_currency

    @property
    def touched_at(self) -> datetime:
        """When the institution last showed something new about it."""
        return self.changed_at or self.shown_at
