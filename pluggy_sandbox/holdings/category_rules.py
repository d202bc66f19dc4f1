"""Rules of an application: which category a transaction with a certain description gets (Pluggy facts 5.8, 13.13)."""

from collections.abc import Callable
from dataclasses import dataclass

from pluggy_sandbox.bank.rows import Row
from pluggy_sandbox.catalogue.categories import CATEGORIES
from pluggy_sandbox.wire.encoding import Json

ACCOUNT_TYPES = ("CHECKING_ACCOUNT", "CREDIT_CARD")
TRANSACTION_TYPES = ("DEBIT", "CREDIT")
MATCHES: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda description, words: description == words,
    "contains": lambda description, words: words in description,
    "startsWith": lambda description, words: description.startswith(words),
    "endsWith": lambda description, words: description.endswith(words),
}


@dataclass(frozen=True)
class CategoryRule:
    """One rule. A type that is None fits every transaction, or every account."""

    id: str
    client_id: str
    description: str
    category_id: str
    transaction_type: str | None = None
    account_type: str | None = None
    match_type: str = "exact"

    def fits(self, row: Row, account_type: str) -> bool:
        """Return whether *row*, of an account of the subtype *account_type*, gets the category of this rule."""
        return (
            MATCHES[self.match_type](row.description.casefold(), self.description.casefold())
            and self.transaction_type in (None, row.type)
            and self.account_type in (None, account_type)
        )

    def view(self) -> Json:
        """Return it as the API serves it."""
        return {
            "id": self.id,
            "description": self.description,
            "categoryId": self.category_id,
            "category": CATEGORIES[self.category_id].description,
            "clientId": self.client_id,
            "transactionType": self.transaction_type,
            "accountType": self.account_type,
            "matchType": self.match_type,
        }
