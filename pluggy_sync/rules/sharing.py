"""
What the bank shares of each data product, as the resources of an Open Finance consent say (Pluggy facts 13.2).

They tell "the bank did not share it" from "it was not collected". A direct connector has no resources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pluggy_sync.pluggy.payloads import Resource
from pluggy_sync.rules.window import after

AVAILABLE = "AVAILABLE"
UNAVAILABLE = "UNAVAILABLE"
TEMPORARILY_UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
PENDING_AUTHORISATION = "PENDING_AUTHORISATION"


class Sharing(StrEnum):
    """How the bank shares one data product."""

    SHARED = "shared"
    # The bank shares it, and Pluggy has not collected it.
    NOT_COLLECTED = "not_collected"
    NOT_SHARED = "not_shared"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    WAITING_FOR_APPROVAL = "waiting_for_approval"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """
    What the bank declared, and when Pluggy asked it. `resources` None: it could not be read.

    `pending`: `hasResourcesPendingAuthorization` of the Item then.
    """

    collected_at: datetime | None
    pending: bool
    resources: Sequence[Resource] | None


# By the names of `rules.sync_plan`. Types of which nothing is known belong to none.
_INVESTMENTS = frozenset(
    {
        "BANK_FIXED_INCOME",
        "CREDIT_FIXED_INCOME",
        "FUND",
        "INVESTMENT",
        "TREASURE_TITLE",
        "VARIABLE_INCOME",
    }
)
_TYPES: Mapping[str, frozenset[str]] = {
    "accounts": frozenset({"ACCOUNT"}),
    "creditCards": frozenset({"CREDIT_CARD_ACCOUNT"}),
    "transactions": frozenset({"ACCOUNT", "CREDIT_CARD_ACCOUNT"}),
    "investments": _INVESTMENTS,
    "investmentsTransactions": _INVESTMENTS,
    "loans": frozenset({"LOAN", "FINANCING", "UNARRANGED_ACCOUNT_OVERDRAFT", "INVOICE_FINANCING"}),
}
# Of several statuses the worst is told: it is what a person asks about.
_WORST_FIRST = (
    (PENDING_AUTHORISATION, Sharing.WAITING_FOR_APPROVAL),
    (TEMPORARILY_UNAVAILABLE, Sharing.TEMPORARILY_UNAVAILABLE),
    (UNAVAILABLE, Sharing.NOT_SHARED),
)


def is_news(shared: Shared | None, *, collected_at: datetime | None, pending: bool) -> bool:
    """Return whether the Item says that its resources changed since they were read; *shared* None: they never were."""
    if shared is None:
        return collected_at is not None or pending
    if pending != shared.pending:
        return True
    return after(collected_at, shared.collected_at)


def sharing_of(product: str, shared: Shared | None, *, collected: bool) -> Sharing | None:
    """
    Return how the bank shares the data product; None: nothing says so.

    *collected*: Pluggy has collected it at least once.
    """
    if shared is None or shared.resources is None or product not in _TYPES:
        return None
    found = {each.status for each in shared.resources if each.type in _TYPES[product]}
    for status, said in _WORST_FIRST:
        if status in found:
            return said
    if AVAILABLE in found:
        return Sharing.SHARED if collected else Sharing.NOT_COLLECTED
    # The bank declares nothing of the kind, or with a status that is not known here.
    return None if found else Sharing.NOT_SHARED
