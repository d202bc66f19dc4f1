"""
Syncing the products that have no change events: they are re-read when Pluggy collected them anew.

Each product has a watermark of its own, written in the transaction that writes its rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pluggy_sync.engine.sync.run import Run, writing
from pluggy_sync.pluggy.client import PluggyClient
from pluggy_sync.pluggy.payloads import Item, Raw
from pluggy_sync.resources import Resources
from pluggy_sync.rules.window import after
from pluggy_sync.store import accounts, data_products
from pluggy_sync.store.data_products import Listed

Pages = Iterable[list[Raw]]

# Categories hardly ever change.
CATEGORIES_KEPT = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class _Product:
    """
    A product: its name in `statusDetail` and in the Item's `products` (Pluggy facts 3.1, 3.4), where its rows go,
    and `ask`, which yields a parent's id and the pages of the list asked of it.
    """

    name: str
    # None: not requested; every Open Finance Item has it.
    requested_as: str | None
    listed: Listed
    ask: Callable[[Resources, Run], Iterator[tuple[str, Pages]]]


def _of_item(read: Callable[[PluggyClient, str], Pages]) -> Callable[[Resources, Run], Iterator[tuple[str, Pages]]]:
    def ask(res: Resources, run: Run) -> Iterator[tuple[str, Pages]]:
        yield run.item.id, read(res.pluggy, run.item.id)

    return ask


def _of_cards(res: Resources, run: Run) -> Iterator[tuple[str, Pages]]:
    with res.database.begin() as conn:
        cards = [row.id for row in accounts.listed(conn, run.item.id) if row.type == "CREDIT"]
    for card in cards:
        yield card, res.pluggy.bills(card)


def _of_investments(res: Resources, run: Run) -> Iterator[tuple[str, Pages]]:
    with res.database.begin() as conn:
        ids = data_products.ids(conn, data_products.INVESTMENTS, run.item.id)
    for investment in ids:
        yield investment, res.pluggy.investment_transactions(investment)


# In this order: the movements are asked of investments that are stored.
_PRODUCTS = (
    _Product(name="creditCards", requested_as="CREDIT_CARDS", listed=data_products.BILLS, ask=_of_cards),
    _Product(
        name="investments",
        requested_as="INVESTMENTS",
        listed=data_products.INVESTMENTS,
        ask=_of_item(PluggyClient.investments),
    ),
    _Product(
        name="investmentsTransactions",
        requested_as="INVESTMENTS_TRANSACTIONS",
        listed=data_products.INVESTMENT_TRANSACTIONS,
        ask=_of_investments,
    ),
    _Product(
        name="identity", requested_as="IDENTITY", listed=data_products.IDENTITIES, ask=_of_item(PluggyClient.identity)
    ),
    _Product(name="loans", requested_as="LOANS", listed=data_products.LOANS, ask=_of_item(PluggyClient.loans)),
    _Product(name="consents", requested_as=None, listed=data_products.CONSENTS, ask=_of_item(PluggyClient.consents)),
)


def sync_products(res: Resources, run: Run) -> None:
    """
    Read every product that Pluggy collected since it was last stored.

    Raises:
        LeaseLostError, PluggyError: as `sync_account`.
    """
    for product in _PRODUCTS:
        collected = _collected(run, product)
        if collected is not None:
            _store(res, run, product, collected)


def _collected(run: Run, product: _Product) -> datetime | None:
    """Return the collection to store, or None if there is nothing new: not asked for, not collected, or stored."""
    collected = run.item.collected_at(product.name)
    if collected is None or not _asked_for(run.item, product):
        return None
    return collected if run.deep or after(collected, run.watermarks.get(product.name)) else None


def _asked_for(item: Item, product: _Product) -> bool:
    if product.requested_as is None:
        return item.connector.is_open_finance
    return not item.requested or product.requested_as in item.requested


def _store(res: Resources, run: Run, product: _Product, collected: datetime) -> None:
    for parent_id, pages in product.ask(res, run):
        found = [raw for page in pages for raw in page]
        with writing(res, run) as tx:
            conn = tx.conn
            data_products.merge(conn, product.listed, run.item.id, parent_id, found, now=res.now())
    with writing(res, run) as tx:
        conn = tx.conn
        data_products.move_watermark(conn, run.item.id, product.name, collected, now=res.now())


def sync_categories(res: Resources) -> None:
    """
    Read Pluggy's categories of transactions, which belong to no Item, if that was not done for a week.

    Raises:
        PluggyError: as the client; the next round tries again.
    """
    now = res.now()
    with res.database.begin() as conn:
        if not data_products.categories_older_than(conn, now - CATEGORIES_KEPT):
            return
    found = [raw for page in res.pluggy.categories() for raw in page]
    with res.database.begin() as conn:
        data_products.save_categories(conn, found, now=now)
