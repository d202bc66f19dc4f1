"""
Syncing the products that have no change events: they are re-read when Pluggy collected them anew.

Each product has a mark of its own, written in the transaction that writes its rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pluggy_sync.api.payloads import Raw
from pluggy_sync.engine.run import Run, writing
from pluggy_sync.resources import Resources
from pluggy_sync.rules.window import after
from pluggy_sync.store import accounts, products
from pluggy_sync.store.products import Listed

Pages = Iterable[list[Raw]]


@dataclass(frozen=True, kw_only=True)
class _Product:
    """
    A product: its name in `statusDetail` and in the Item's `products` (Pluggy facts 3.1, 3.4), where its rows go,
    and `ask`, which yields a parent's id and the pages of the list asked of it.
    """

    name: str
    requested_as: str
    listed: Listed
    ask: Callable[[Resources, Run], Iterator[tuple[str, Pages]]]


def _of_item(call: str) -> Callable[[Resources, Run], Iterator[tuple[str, Pages]]]:
    def ask(res: Resources, run: Run) -> Iterator[tuple[str, Pages]]:
        yield run.item.id, getattr(res.pluggy, call)(run.item.id)

    return ask


def _of_cards(res: Resources, run: Run) -> Iterator[tuple[str, Pages]]:
    with res.database.begin() as conn:
        cards = [row.id for row in accounts.listed(conn, run.item.id) if row.type == "CREDIT"]
    for card in cards:
        yield card, res.pluggy.bills(card)


def _of_investments(res: Resources, run: Run) -> Iterator[tuple[str, Pages]]:
    with res.database.begin() as conn:
        ids = products.ids(conn, products.INVESTMENTS, run.item.id)
    for investment in ids:
        yield investment, res.pluggy.investment_transactions(investment)


# In this order: the movements are asked of investments that are stored.
_PRODUCTS = (
    _Product(name="creditCards", requested_as="CREDIT_CARDS", listed=products.BILLS, ask=_of_cards),
    _Product(name="investments", requested_as="INVESTMENTS", listed=products.INVESTMENTS, ask=_of_item("investments")),
    _Product(
        name="investmentsTransactions",
        requested_as="INVESTMENTS_TRANSACTIONS",
        listed=products.INVESTMENT_TRANSACTIONS,
        ask=_of_investments,
    ),
    _Product(name="identity", requested_as="IDENTITY", listed=products.IDENTITIES, ask=_of_item("identity")),
    _Product(name="loans", requested_as="LOANS", listed=products.LOANS, ask=_of_item("loans")),
)


def sync_products(res: Resources, run: Run) -> None:
    """
    Read every product that Pluggy collected since it was last stored, and the consents of an Open Finance Item.

    Raises:
        LeaseLostError, PluggyError: as `sync_account`.
    """
    for product in _PRODUCTS:
        collected = _collected(run, product)
        if collected is not None:
            _store(res, run, product, collected)
    if run.item.raw.get("connector", {}).get("isOpenFinance") and run.item.last_updated_at is not None:
        consents = _Product(name="consents", requested_as="", listed=products.CONSENTS, ask=_of_item("consents"))
        if after(run.item.last_updated_at, run.marks.get("consents")) or run.deep:
            _store(res, run, consents, run.item.last_updated_at)


def _collected(run: Run, product: _Product) -> datetime | None:
    """Return the collection to store, or None if there is nothing new: not asked for, not collected, or stored."""
    asked_for = run.item.raw.get("products") or [product.requested_as]
    collected = run.item.collected_at(product.name)
    if product.requested_as not in asked_for or collected is None:
        return None
    return collected if run.deep or after(collected, run.marks.get(product.name)) else None


def _store(res: Resources, run: Run, product: _Product, collected: datetime) -> None:
    for parent_id, pages in product.ask(res, run):
        found = [raw for page in pages for raw in page]
        with writing(res, run) as conn:
            products.merge(conn, product.listed, run.item.id, parent_id, found, now=res.now())
    with writing(res, run) as conn:
        products.mark(conn, run.item.id, product.name, collected, now=res.now())
