"""What an execution brings home: the products of its Item, read from the bank into the holdings."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from pluggy_sandbox.bank.customers import Customer
from pluggy_sandbox.catalogue.connectors import BY_ID, Login
from pluggy_sandbox.catalogue.logins import Fate
from pluggy_sandbox.holdings.category_rules import CategoryRule
from pluggy_sandbox.holdings.holdings import AccountChanges, Holdings, window_start
from pluggy_sandbox.lifecycle import resources
from pluggy_sandbox.state.items import PENDING, Item
from pluggy_sandbox.state.quotas import Quotas
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso_or_none

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
Reader = Callable[[Holdings, Customer, datetime], None]
_READERS: dict[str, Reader] = {
    "ACCOUNTS": Holdings.collect_bank_accounts,
    "CREDIT_CARDS": Holdings.collect_cards,
    "INVESTMENTS": Holdings.collect_investments,
    "INVESTMENTS_TRANSACTIONS": Holdings.collect_investment_transactions,
    "IDENTITY": Holdings.collect_identity,
    "LOANS": Holdings.collect_loans,
}


@dataclass(frozen=True)
class Warned:
    """Something to say about a product; `failed` when it was not collected."""

    code: str
    message: str
    provider_message: str
    failed: bool


_NO_PERMISSION = Warned("001", "No permission for this product", "Produto sem permissão de acesso", failed=True)
_INCOMPLETE = Warned("001", "Some information may be incomplete", "Algumas informações podem faltar", failed=False)
_QUOTA = Warned("423", "Open Finance monthly quota exhausted", "Limite mensal de consultas atingido", failed=True)
_APPROVERS = Warned("002", "Waiting for further approvers", "Aguardando aprovação dos demais titulares", failed=True)


def customer_of(world: World, item: Item, fate: Fate | None = None) -> Customer:
    """Return whose data *item* reads; the login is opened at the bank on first sight."""
    fate = fate or Fate()
    customer = world.customer(
        _key_at_institution(world, item) or customer_key(item),
        regulated=item.connector.is_open_finance,
        business=item.connector.type == "BUSINESS_BANK",
        cpf=item.credentials.parameters.get("cpf"),
        checking_accounts=fate.checking_accounts,
        times=fate.times,
    )
    customer.live_until(world.clock.now)
    return customer


def _key_at_institution(world: World, item: Item) -> str | None:
    """Return the key under which another connector of the same institution opened this person; None: none did."""
    cpf = _digits(item.credentials.parameters.get("cpf", ""))
    if not cpf or not item.connector.institution:
        return None
    others = {str(each.id) for each in BY_ID.values() if each.institution == item.connector.institution}
    same = (each.key for each in world.customers.values() if each.key.split("/")[0] in others)
    return next((key for key in same if _digits(world.customers[key].person.cpf) == cpf), None)


def _digits(text: str) -> str:
    return "".join(each for each in text if each.isdigit())


def customer_key(item: Item) -> str:
    """Return the bank's name for whoever logs in: two Items of one person share it (Pluggy facts 5.5)."""
    if item.connector.login is Login.OPEN_FINANCE:
        who = _digits(item.credentials.parameters.get("cpf", ""))
    else:
        who = item.credentials.parameters.get("user", "anyone")
    return "/".join(filter(None, (str(item.connector.id), who, item.credentials.choice)))


def collect(world: World, item: Item, fate: Fate) -> list[AccountChanges]:
    """Read every product that works, and return what that did to the transactions of each account."""
    customer = customer_of(world, item, fate)
    warned = _warned(world, item, fate)
    working = [p for p in item.options.products if p not in warned or not warned[p].failed]
    at = item.stamp(world.clock.now)
    resources.read(world, item, customer, at)
    item.holdings.enriched, item.holdings.rules = world.settings.enrichment, _rules(world, item)
    item.holdings.regulated = item.connector.is_open_finance
    item.holdings.revision += 1
    for product in working:
        if product in _READERS:
            _READERS[product](item.holdings, customer, at)
    changes = _transactions(world, item, customer, at) if "TRANSACTIONS" in working else []
    item.history.collected_at.update(dict.fromkeys(working, at))
    item.status_detail = _status_detail(item, warned)
    item.credentials.connected_as = item.credentials.connected_as or item.credentials.parameters.get("user")
    return changes


def next_execution(world: World, item: Item, customer: Customer) -> list[AccountChanges]:
    """Return what an execution would do to each account now."""
    now = world.clock.now
    item.holdings.rules = _rules(world, item)
    return item.holdings.planned(customer, _since(world, item, now), now)


def waits_for_approvers(world: World, item: Item) -> None:
    """Say of every product and resource that further holders have to approve (Pluggy facts 3.4, 8, 13.2)."""
    at = item.stamp(world.clock.now)
    resources.read(world, item, customer_of(world, item), at, waits_for_others=True)
    item.status_detail = _status_detail(item, dict.fromkeys(item.options.products, _APPROVERS))


def _transactions(world: World, item: Item, customer: Customer, at: datetime) -> list[AccountChanges]:
    return item.holdings.collect_transactions(customer, _since(world, item, at), at)


def _rules(world: World, item: Item) -> list[CategoryRule]:
    return [rule for rule in world.category_rules.values() if rule.client_id == item.client_id]


def _since(world: World, item: Item, now: datetime) -> date:
    # Counted from the last time that transactions came, which a partial execution may not have brought.
    last = item.history.collected_at.get("TRANSACTIONS")
    return window_start(last, now, world.settings.first_run_days, world.settings.overlap_days)


def _warned(world: World, item: Item, fate: Fate) -> dict[str, Warned]:
    warned: dict[str, Warned] = {}
    if fate.warns:
        warned["ACCOUNTS"] = _INCOMPLETE
    for product, status in resources.withheld(item).items():
        warned[product] = _APPROVERS if status == PENDING else _NO_PERMISSION
    if fate.failing_product:
        warned[fate.failing_product] = _NO_PERMISSION
    if item.connector.is_open_finance and world.settings.open_finance_quotas:
        quota = world.quotas.setdefault(customer_key(item), Quotas())
        warned |= dict.fromkeys(quota.spend(item.options.products, item.history.quota_asked, world.clock.now), _QUOTA)
    return {product: warning for product, warning in warned.items() if product in item.options.products}


def _status_detail(item: Item, warned: dict[str, Warned]) -> Json | None:
    """Return the result of each product, or None where all went well and nothing is to be said (Pluggy facts 3.4)."""
    if not warned:
        return None
    return {key: _product(item, name, warned.get(name)) for name, key in DETAIL_KEYS.items()}


def _product(item: Item, name: str, warned: Warned | None) -> Json | None:
    if name not in item.options.products:
        return None
    warnings = [
        {"code": w.code, "message": w.message, "providerMessage": w.provider_message}
        for w in (warned,)
        if w is not None
    ]
    return {
        "isUpdated": warned is None or not warned.failed,
        "lastUpdatedAt": iso_or_none(item.history.collected_at.get(name)),
        "warnings": warnings,
    }
