"""Resources: what the bank declares of an Open Finance consent, each with a status (Pluggy facts 13.2, 13.3)."""

from datetime import datetime

from pluggy_sandbox.bank.customers import Customer
from pluggy_sandbox.state.items import AVAILABLE, PENDING, Item
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json

STATUSES = (AVAILABLE, "UNAVAILABLE", "TEMPORARILY_UNAVAILABLE", PENDING)
# The types that the sandbox's bank has, and the product that a resource of the type is collected for.
PRODUCTS = {
    "ACCOUNT": "ACCOUNTS",
    "CREDIT_CARD_ACCOUNT": "CREDIT_CARDS",
    "LOAN": "LOANS",
    "FINANCING": "LOANS",
    "BANK_FIXED_INCOME": "INVESTMENTS",
    "TREASURE_TITLE": "INVESTMENTS",
    "FUND": "INVESTMENTS",
    "VARIABLE_INCOME": "INVESTMENTS",
}
_OF_ACCOUNT = {"BANK": "ACCOUNT", "CREDIT": "CREDIT_CARD_ACCOUNT"}
_OF_INVESTMENT = {
    "CDB": "BANK_FIXED_INCOME",
    "TREASURY": "TREASURE_TITLE",
    "MULTIMARKET_FUND": "FUND",
    "STOCK": "VARIABLE_INCOME",
}


def read(world: World, item: Item, customer: Customer, at: datetime, *, waits_for_others: bool = False) -> None:
    """Take in what the bank declares at *at*; *waits_for_others*: all of it, while further holders must approve."""
    if not item.connector.is_open_finance:
        return
    found = [(account.key, _OF_ACCOUNT[account.type]) for account in customer.accounts]
    found += [(contract.key, contract.kind) for contract in customer.contracts]
    found += [(owned.key, _OF_INVESTMENT[owned.subtype]) for owned in customer.investments]
    statuses = {} if waits_for_others else item.resources.at_bank
    usual = PENDING if waits_for_others else AVAILABLE
    item.resources.declared = [_resource(world, key, kind, statuses.get(kind, usual)) for key, kind in found]
    item.resources.collected_at = at


def withheld(item: Item) -> dict[str, str]:
    """Return the products of which the bank keeps something back at present, and the status that it gives."""
    found = item.resources.at_bank.items() if item.connector.is_open_finance else ()
    return {PRODUCTS[kind]: status for kind, status in found if status != AVAILABLE}


def are_pending(item: Item) -> bool:
    """Return whether the person must still approve something at the bank."""
    return PENDING in withheld(item).values()


def approve(item: Item) -> None:
    """Let the person approve what waits for it at the bank; the next execution finds it."""
    at_bank = item.resources.at_bank
    item.resources.at_bank = {kind: status for kind, status in at_bank.items() if status != PENDING}


def _resource(world: World, key: str, kind: str, status: str) -> Json:
    return {"resourceId": world.ids.of("resource", key), "type": kind, "status": status}
