"""
Reading the data products that have no change events. When Pluggy collected one anew, its whole lists are read again.

Each data product has its own watermark, written after its rows.

Tests: `engine/sync/test_item.py`, `promises/test_promise_6_empty_is_not_deletion.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from pluggy_sync.engine.errors import ContradictionError
from pluggy_sync.engine.sync.run import Run, Trouble, reading, writing
from pluggy_sync.pluggy.client import PluggyClient
from pluggy_sync.pluggy.payloads import Raw
from pluggy_sync.resources import Resources
from pluggy_sync.rules.sync_plan import ACCOUNTS, Part, ProductPlan, Reason
from pluggy_sync.store import accounts, data_products, tables
from pluggy_sync.store.data_products import Listed
from pluggy_sync.transaction import Transaction

log = structlog.get_logger(__name__)

Pages = Iterable[list[Raw]]

# Categories hardly ever change.
CATEGORIES_KEPT = timedelta(days=7)
# If a list is empty, a run asks for so many of its stored objects by id. The next run asks for the others.
ASKED_ONE_BY_ONE = 50


@dataclass(frozen=True, kw_only=True)
class _Product:
    """
    Where a data product's rows go, and how it is read.

    `parents` returns what the list is asked of; None: of the Item itself. `list_of` reads the list of one parent.
    `object_path` is where one object is asked for by its id; None: nowhere (Pluggy facts 5.7, 5.8).
    """

    listed: Listed
    list_of: Callable[[PluggyClient, str], Pages]
    parents: Callable[[Resources, Run], list[str]] | None = None
    object_path: str | None = None


def _cards(_res: Resources, run: Run) -> list[str]:
    return [account.id for account in run.state.accounts if account.type == "CREDIT" and account.listed]


def _investments(res: Resources, run: Run) -> list[str]:
    with res.database.begin() as conn:
        return data_products.ids(conn, data_products.INVESTMENTS, run.item.id)


# By the names of `rules.sync_plan.DATA_PRODUCTS`.
_PRODUCTS = {
    "creditCards": _Product(
        listed=data_products.BILLS, list_of=PluggyClient.bills, parents=_cards, object_path="/bills"
    ),
    "investments": _Product(
        listed=data_products.INVESTMENTS, list_of=PluggyClient.investments, object_path="/investments"
    ),
    "investmentsTransactions": _Product(
        listed=data_products.INVESTMENT_TRANSACTIONS,
        list_of=PluggyClient.investment_transactions,
        parents=_investments,
    ),
    "identity": _Product(listed=data_products.IDENTITIES, list_of=PluggyClient.identity, object_path="/identity"),
    "loans": _Product(listed=data_products.LOANS, list_of=PluggyClient.loans, object_path="/loans"),
    "consents": _Product(listed=data_products.CONSENTS, list_of=PluggyClient.consents, object_path="/consents"),
}


def sync_products(res: Resources, run: Run) -> None:
    """
    Read the data products of the plan; what is wrong with one list is noted, and the others go on.

    Raises:
        LeaseLostError, PluggyError: as `reading`.
    """
    reads = [_ProductRead(res, run, each) for each in run.plan.products]
    for each in reads:
        each.read()
    _settle_empty_list_of_accounts(res, run)
    # Last: an empty list counts only if the Item shows data elsewhere.
    for each in reads:
        each.settle()
    if reads:
        _mark_missing_with_parents(res, run)


class _ProductRead:
    """One data product within one run: first `read`, then, once all are read, `settle`."""

    def __init__(self, res: Resources, run: Run, plan: ProductPlan) -> None:
        self._res = res
        self._run = run
        self._plan = plan
        self._product = _PRODUCTS[plan.name]
        # The parents that were read, and those whose list was empty though rows of it are stored.
        self._asked: list[Part] = []
        self._emptied: dict[Part, list[str]] = {}

    def read(self) -> None:
        """Store the lists of all parents."""
        of_item = self._product.parents is None
        parents = [self._run.item.id] if self._product.parents is None else self._product.parents(self._res, self._run)
        for parent_id in parents:
            part = Part(self._plan.name, "" if of_item else parent_id)
            if self._plan.reads(part):
                self._asked.append(part)
                with reading(self._run, part):
                    self._read_list(part, parent_id)

    def _read_list(self, part: Part, parent_id: str) -> None:
        found = [raw for page in self._product.list_of(self._res.pluggy, parent_id) for raw in page]
        with writing(self._res, self._run) as tx:
            if found:
                self._run.shows_data = True
                data_products.merge(
                    tx.conn, self._product.listed, self._run.item.id, parent_id, found, now=self._res.now()
                )
                return
            stored = data_products.ids_of(tx.conn, self._product.listed, parent_id, limit=ASKED_ONE_BY_ONE)
        if stored and self._product.object_path is not None:
            self._emptied[part] = stored

    def settle(self) -> None:
        """Mark what is gone from lists that are empty now, and move the watermark if all was read, or all but parts."""
        for part, ids in self._emptied.items():
            with reading(self._run, part):
                self._settle_empty(part, ids)
        if not self._asked or any(self._run.was_read(part) for part in self._asked):
            self._run.at_end(self._move_watermark)

    def _move_watermark(self, tx: Transaction) -> None:
        data_products.move_watermark(
            tx.conn, self._run.item.id, self._plan.name, self._plan.collected_at, now=self._res.now()
        )

    def _settle_empty(self, part: Part, ids: list[str]) -> None:
        path = str(self._product.object_path)
        if not _is_gone(self._res, self._run, part, path, ids):
            return
        with writing(self._res, self._run) as tx:
            data_products.mark_missing(tx.conn, self._product.listed, ids, now=self._res.now())


def _is_gone(res: Resources, run: Run, part: Part, path: str, ids: list[str]) -> bool:
    """
    Return whether the objects *ids* of a list that is empty now are gone: none is given by its id either.

    Empty is not deletion: the Item must show data elsewhere, or nothing is proven.

    Raises:
        ContradictionError: Pluggy gives one of them. The list was wrong.
    """
    if not run.shows_data:
        log.warning("sync.empty_answer", part=part.product, of=part.of, kept=len(ids))
        run.note(part, Trouble(Reason.EMPTY, "the list is empty, though rows are stored"))
        return False
    for each in ids:
        if res.pluggy.exists(path, each):
            raise ContradictionError(f"GET {path} lists nothing, though there is something")
    return True


def _settle_empty_list_of_accounts(res: Resources, run: Run) -> None:
    """Mark the accounts of an Item whose list of accounts is empty now, if they are gone one by one."""
    part = Part(ACCOUNTS)
    held = [account.id for account in run.state.accounts if account.listed]
    if not run.lists_no_account or not held:
        return
    with reading(run, part):
        if _is_gone(res, run, part, "/accounts", held):
            with writing(res, run) as tx:
                accounts.mark_missing(tx.conn, held, now=res.now())


def _mark_missing_with_parents(res: Resources, run: Run) -> None:
    """Mark the movements of investments that are gone, and the bills of cards that are."""

    def write(tx: Transaction) -> None:
        for listed, parents in (
            (data_products.INVESTMENT_TRANSACTIONS, tables.investments),
            (data_products.BILLS, tables.accounts),
        ):
            data_products.mark_missing_with_parents(tx.conn, listed, parents, run.item.id, now=res.now())

    run.at_end(write)


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
