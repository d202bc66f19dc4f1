"""All that Pluggy holds for one Item: collected from the bank in each execution, unchanged in between."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count

from pluggy_sandbox.bank.accounts import Account
from pluggy_sandbox.bank.customers import Customer
from pluggy_sandbox.bank.rows import Row
from pluggy_sandbox.holdings import accounts as account_views
from pluggy_sandbox.holdings import data_products
from pluggy_sandbox.holdings.accounts import HeldAccount
from pluggy_sandbox.holdings.bulk_rows import BulkRows
from pluggy_sandbox.holdings.category_rules import CategoryRule
from pluggy_sandbox.holdings.ledger import Ledger, Stored
from pluggy_sandbox.holdings.merge import Merge, Scope, plan
from pluggy_sandbox.holdings.transactions import Frame, content
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import day_in_brazil

MakeId = Callable[..., str]


@dataclass
class AccountChanges:
    """What one execution did to the transactions of one account."""

    account_id: str
    created: list[str] = field(default_factory=list)
    bulk_created: int = 0
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    min_date: datetime | None = None

    @property
    def created_count(self) -> int:
        """How many rows are new, those in bulk included."""
        return len(self.created) + self.bulk_created


@dataclass
class Holdings:
    """The data of one Item. Callers hold the world's lock."""

    item_id: str
    make_id: MakeId
    enriched: bool = True
    regulated: bool = False  # collected by Open Finance
    rules: list[CategoryRule] = field(default_factory=list)  # of the application, when the last execution began
    accounts: dict[str, HeldAccount] = field(default_factory=dict)
    investments: list[Json] = field(default_factory=list)
    investment_transactions: dict[str, list[Json]] = field(default_factory=dict)
    identity: Json | None = None
    loans: list[Json] = field(default_factory=list)
    seen: datetime | None = None  # when transactions were last collected
    revision: int = 0  # grows with every change

    def collect_bank_accounts(self, customer: Customer, at: datetime) -> None:
        """Take in the accounts of type BANK."""
        self._collect_accounts(customer, "BANK", at)

    def collect_cards(self, customer: Customer, at: datetime) -> None:
        """Take in the cards, with their closed bills."""
        self._collect_accounts(customer, "CREDIT", at)
        for held in self.accounts.values():
            held.bills = data_products.bills(held.id, held.source, self.make_id, at)

    def _collect_accounts(self, customer: Customer, kind: str, at: datetime) -> None:
        for source in customer.accounts:
            if source.type == kind:
                held = self._hold(source, at)
                held.view = account_views.view(held, self.item_id, customer.person, regulated=self.regulated, at=at)

    def collect_investments(self, customer: Customer, at: datetime) -> None:
        """Take in the investments."""
        held = {view["id"]: view for view in self.investments}
        fresh = (
            data_products.investment(self.item_id, owned, customer.person, self.make_id, at)
            for owned in customer.investments
        )
        self.investments = [data_products.dated(view, held.get(view["id"]), at) for view in fresh]

    def collect_investment_transactions(self, customer: Customer, at: datetime) -> None:
        """Take in the movements of the investments."""
        for owned in customer.investments:
            investment_id = self.make_id("investment", self.item_id, owned.key)
            self.investment_transactions[investment_id] = data_products.movements(
                investment_id, owned, self.make_id, at
            )

    def collect_identity(self, customer: Customer, at: datetime) -> None:
        """Take in who the customer is."""
        fresh = data_products.identity(self.item_id, customer.person, self.make_id)
        self.identity = data_products.dated(fresh, self.identity, at)

    def collect_loans(self, customer: Customer, at: datetime) -> None:
        """Take in the loans."""
        self.loans = [data_products.loan(self.item_id, contract, self.make_id, at) for contract in customer.contracts]

    def collect_transactions(self, customer: Customer, since: date, at: datetime) -> list[AccountChanges]:
        """Merge the rows from *since* on into every held account; return what changed, account by account."""
        scope = Scope(since, self.seen, at)
        changes = [self._merge(held, customer, scope) for held in self.accounts.values()]
        self.seen = at
        return changes

    def planned(self, customer: Customer, since: date, at: datetime) -> list[AccountChanges]:
        """Return what an execution would change, without changing it."""
        scope = Scope(since, self.seen, at)
        return [self._would_change(held, customer, scope) for held in self.accounts.values()]

    def transaction_id(self, key: str) -> str:
        """Return the id of the transaction made from the bank's row *key*."""
        for held in self.accounts.values():
            for stored in held.ledger.rows():
                if stored.key == key:
                    return stored.id
        return self.make_id("transaction", self.item_id, key)

    def collected_keys(self) -> frozenset[str]:
        """Return the bank's keys of all rows held by value."""
        return frozenset(s.key for held in self.accounts.values() for s in held.ledger.rows())

    def transactions(self) -> Iterator[bytes]:
        """Yield every transaction of every account."""
        for held in self.accounts.values():
            yield from held.ledger.everything()

    def recategorise(self, transaction_id: str, category_id: str, at: datetime) -> bytes | None:
        """Set the category that the application chose; return the transaction, None for an unknown one."""
        for held in self.accounts.values():
            found = held.ledger.recategorise(transaction_id, category_id, at)
            if found is not None:
                self.revision += 1
                return found
        return None

    def _hold(self, source: Account, at: datetime) -> HeldAccount:
        account_id = self.make_id("account", self.item_id, source.key)
        if account_id not in self.accounts:
            bulk = BulkRows(account_id, source.volume, source.opened, source.type == "CREDIT")
            self.accounts[account_id] = HeldAccount(account_id, source, Ledger(bulk), created_at=at)
        return self.accounts[account_id]

    def _frame(self, held: HeldAccount, customer: Customer) -> Frame:
        return Frame(
            held.id,
            self.regulated,
            self.enriched,
            lambda key: self.make_id("bill", held.id, key),
            held.source.subtype,
            self.rules,
        )

    def _plan(self, held: HeldAccount, customer: Customer, scope: Scope) -> Merge:
        visible = list(held.source.visible(scope.now))
        return plan(visible, held.ledger.by_mark, scope, has_provider_ids=self.regulated)

    def _merge(self, held: HeldAccount, customer: Customer, scope: Scope) -> AccountChanges:
        merge, frame = self._plan(held, customer, scope), self._frame(held, customer)
        changes = AccountChanges(held.id)
        for stored in merge.deleted:
            held.ledger.take(stored)
            changes.deleted.append(stored.id)
        for stored, mark, _ in merge.settled:
            held.ledger.mark_anew(stored, mark)
        for stored, row in merge.refreshed:
            if _refresh(stored, row, frame, scope.now):
                changes.updated.append(stored.id)
        for mark, row in merge.created:
            stored = self._new(held, mark, row, frame, scope.now)
            held.ledger.put(stored)
            changes.created.append(stored.id)
        today = day_in_brazil(scope.now)
        changes.bulk_created = held.ledger.bulk.collect(max(scope.since, held.source.opened), today, scope.now)
        changes.min_date = min((row.at for _, row in merge.created), default=None)
        held.source.collected()
        return changes

    def _would_change(self, held: HeldAccount, customer: Customer, scope: Scope) -> AccountChanges:
        merge, frame = self._plan(held, customer, scope), self._frame(held, customer)
        return AccountChanges(
            held.id,
            created=[self._new_id(held, row) for _, row in merge.created],
            updated=[s.id for s, row in merge.refreshed if _content(s, row, frame) != s.content],
            deleted=[s.id for s in merge.deleted],
        )

    def _new_id(self, held: HeldAccount, row: Row) -> str:
        """
        Return the id of a row that is not held yet.

        Rows that nothing but their position tells apart change places when one before them is shown late. Then what
        is held under the id of this row is its twin.
        """
        row_id = self.make_id("transaction", self.item_id, row.key)
        for number in count(1):
            if row_id not in held.ledger.by_id:
                break
            row_id = self.make_id("transaction", self.item_id, row.key, number)
        return row_id

    def _new(self, held: HeldAccount, mark: str, row: Row, frame: Frame, at: datetime) -> Stored:
        row_id = self._new_id(held, row)
        position = held.ledger.next_position(row.at)
        order = position[1]
        return Stored(
            row_id, row.key, mark, row.at, position, order, content(row, row_id, order, frame, None),
            row.status == "PENDING", at, at, row.amount,
        )  # fmt: skip


def _content(stored: Stored, row: Row, frame: Frame) -> bytes:
    return content(row, stored.id, stored.order, frame, stored.category_id)


def _refresh(stored: Stored, row: Row, frame: Frame, at: datetime) -> bool:
    fresh = _content(stored, row, frame)
    stored.key, stored.pending, stored.amount = row.key, row.status == "PENDING", row.amount
    if fresh == stored.content:
        return False
    stored.content, stored.updated_at = fresh, at
    return True


def window_start(last_success: datetime | None, now: datetime, first_run_days: int, overlap_days: int) -> date:
    """Return the first day that an execution collects (Pluggy facts 4.1)."""
    if last_success is None:
        return day_in_brazil(now) - timedelta(days=first_run_days)
    return day_in_brazil(last_success) - timedelta(days=overlap_days)
