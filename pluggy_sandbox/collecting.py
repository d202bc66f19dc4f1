"""What a run brings home: the products of its Item, read from the bank into the mirror."""

from collections.abc import Iterator
from datetime import datetime

from pluggy_sandbox.bank.customers import Customer
from pluggy_sandbox.connectors import Login
from pluggy_sandbox.encoding import Json
from pluggy_sandbox.instants import iso_or_none
from pluggy_sandbox.items import Item
from pluggy_sandbox.logins import Fate
from pluggy_sandbox.mirror.mirror import AccountChanges, window_start
from pluggy_sandbox.world import World

DETAIL_KEYS = {
    "ACCOUNTS": "accounts",
    "CREDIT_CARDS": "creditCards",
    "TRANSACTIONS": "transactions",
    "INVESTMENTS": "investments",
    "INVESTMENTS_TRANSACTIONS": "investmentsTransactions",
    "IDENTITY": "identity",
    "PAYMENT_DATA": "paymentData",
    "LOANS": "loans",
    "ACCOUNT_STATEMENTS": "accountStatements",
}
_ACCOUNT_TYPES = {"ACCOUNTS": "BANK", "CREDIT_CARDS": "CREDIT"}


def customer_of(world: World, item: Item, fate: Fate | None = None) -> Customer:
    """Return whose data *item* reads; the login is opened at the bank on first sight."""
    if item.customer_key is None:
        item.customer_key = _customer_key(item)
    fate = fate or Fate()
    customer = world.customer(
        item.customer_key,
        regulated=item.connector.is_open_finance,
        cpf=item.parameters.get("cpf"),
        checking_accounts=fate.checking_accounts,
        times=fate.times,
    )
    customer.live_until(world.clock.now)
    return customer


def collect(world: World, item: Item, fate: Fate) -> Iterator[AccountChanges]:
    """Read every product that works, and return what that did to the transactions of each account."""
    customer = customer_of(world, item, fate)
    at = item.stamp(world.clock.now)
    working = [p for p in item.products if p != fate.failing_product]
    item.mirror.enriched = world.settings.enrichment
    types = {_ACCOUNT_TYPES[p] for p in working if p in _ACCOUNT_TYPES}
    since = window_start(item.last_updated_at, at, world.settings.first_run_days, world.settings.overlap_days)
    item.mirror.collect_accounts(customer, types, at)
    changes = item.mirror.collect_transactions(customer, since, at) if "TRANSACTIONS" in working else []
    item.product_times.update(dict.fromkeys(working, at))
    item.status_detail = _status_detail(item, fate, working)
    return iter(changes)


def next_run(world: World, item: Item, customer: Customer) -> list[AccountChanges]:
    """Return what a run would do to each account now."""
    settings = world.settings
    since = window_start(item.last_updated_at, world.clock.now, settings.first_run_days, settings.overlap_days)
    return item.mirror.planned(customer, since, world.clock.now)


def _customer_key(item: Item) -> str:
    if item.connector.login is Login.OPEN_FINANCE:
        who = "".join(c for c in item.parameters.get("cpf", "") if c.isdigit())
    else:
        who = item.parameters.get("user", "anyone")
    return f"{item.connector.id}/{who}"


def _status_detail(item: Item, fate: Fate, working: list[str]) -> Json | None:
    """Return the result of each product, or None where all went well and nothing is to be said (Pluggy facts 3.4)."""
    if len(working) == len(item.products) and not fate.warns:
        return None
    return {key: _product(item, fate, name) for name, key in DETAIL_KEYS.items()}


def _product(item: Item, fate: Fate, name: str) -> Json | None:
    if name not in item.products:
        return None
    failed = name == fate.failing_product
    last: datetime | None = item.product_times.get(name)
    warnings: list[Json] = []
    if failed or (fate.warns and name == "ACCOUNTS"):
        message = "No permission for this product" if failed else "Some information may be incomplete"
        warnings = [{"code": "001", "message": message, "providerMessage": "Produto sem permissão de acesso"}]
    return {"isUpdated": not failed, "lastUpdatedAt": iso_or_none(last), "warnings": warnings}
