"""
Whether there is anything to sync of an Item, and what exactly. Only this module decides it.

The event handler asks whether to queue a run. The run asks when it starts, and once more after it has read the list of
accounts. Who carries out a plan decides nothing more.
"""

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pluggy_sync import events
from pluggy_sync.pluggy.payloads import Item
from pluggy_sync.rules.backoff import NO_BUDGET_WAIT, NOT_READ_WAITS, SHOWN_LATE_WAITS
from pluggy_sync.rules.sharing import Shared, is_news
from pluggy_sync.rules.statuses import UPDATED
from pluggy_sync.rules.window import EVERYTHING, Window, after, later, window_since

ACCOUNTS = "accounts"
TRANSACTIONS = "transactions"
# What the bank shares: no data product.
SHARING = "resources"

# `transactionsCreatedAtFrom` is the earliest creation that Pluggy counted. One collection writes its rows over minutes,
# in parallel, and a row may be created a little before that and become visible later. Reading from ten minutes earlier
# lists few rows twice and costs no request more.
CREATED_OVERLAP = timedelta(minutes=10)

# Where `transactions/*` events tell what changed, an account is read only if one names it, or if its balance moved; and
# all of it with the first collection this long after its last whole read, whatever was told. A little less than a day,
# since an Item that is updated daily is so at about the same time (decision 23).
WHOLE_READ_AFTER = timedelta(hours=20)


@dataclass(frozen=True, kw_only=True)
class DataProduct:
    """
    A data product that is re-read as a whole list: its name in `statusDetail`, and in the Item's `products`.

    `requested_as` None: nobody requests it; every Open Finance Item has it (Pluggy facts 3.1, 3.4). `of_accounts`: the
    type of the accounts that it is asked of; None: it is not asked of accounts. `of_product`: the data product whose
    objects it is asked of; None: it is not asked of objects.
    """

    name: str
    requested_as: str | None
    of_accounts: str | None = None
    of_product: str | None = None


# In this order: movements are read for the investments that are stored.
DATA_PRODUCTS = (
    DataProduct(name="creditCards", requested_as="CREDIT_CARDS", of_accounts="CREDIT"),
    DataProduct(name="investments", requested_as="INVESTMENTS"),
    DataProduct(name="investmentsTransactions", requested_as="INVESTMENTS_TRANSACTIONS", of_product="investments"),
    DataProduct(name="identity", requested_as="IDENTITY"),
    DataProduct(name="loans", requested_as="LOANS"),
    DataProduct(name="consents", requested_as=None),
)


@dataclass(frozen=True, order=True)
class Part:
    """
    What is read, fails and is tried again by itself.

    `of` is the account, card or investment that is read; empty: the Item itself.
    """

    product: str
    of: str = ""


class Reason(StrEnum):
    """Why a part is incomplete."""

    # Not asked for: the budget of requests was used up.
    NO_BUDGET = "no_budget"

    # Shown late: the first read showed no account, or no row of an account; or fewer rows than an event told of.
    NOTHING_SHOWN = "nothing_shown"
    ROWS_LATE = "rows_late"
    # Pluggy shows nothing of it now, though rows are stored. Nothing proves that they are gone.
    EMPTY = "empty"
    # A list is empty, though Pluggy gives what was in it when asked by id.
    CONTRADICTORY = "contradictory"
    # Not read: Pluggy refused; did not answer, though it did for other parts; or we failed.
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    FAULT = "fault"

    @property
    def is_late(self) -> bool:
        return self in (Reason.NOTHING_SHOWN, Reason.ROWS_LATE)

    @property
    def was_read(self) -> bool:
        """Whether everything that Pluggy shows at present was read."""
        return self.is_late or self is Reason.EMPTY

    @property
    def is_curable(self) -> bool:
        """Whether a short wait is likely to cure it."""
        return self in (Reason.CONTRADICTORY, Reason.UNAVAILABLE, Reason.FAULT)


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """
    A part that the last run which tried it could not read completely.

    `retry_at` None: it is not tried again by itself, only with a later run. `after_seq`: events up to here are covered.
    """

    part: Part
    reason: Reason
    detail: str
    attempts: int
    retry_at: datetime | None
    after_seq: int

    def is_due(self, now: datetime) -> bool:
        """Return whether it is to be tried again by itself."""
        return self.retry_at is not None and self.retry_at <= now

    def is_awaited(self) -> bool:
        """Return whether it is read again soon, and the Item is not synced before."""
        return (self.reason.is_late or self.reason is Reason.NO_BUDGET) and self.retry_at is not None

    def is_unread(self) -> bool:
        """Return whether data may be missing. An account that shows no row after all retries has none."""
        return not (self.reason is Reason.NOTHING_SHOWN and self.retry_at is None)


@dataclass(frozen=True, kw_only=True)
class TransactionEvent:
    """A `transactions/*` event. `count`: how many rows it tells of as created, None when it does not say."""

    seq: int
    name: str
    account_id: str
    ids: tuple[str, ...] = ()
    created_at_from: datetime | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class AccountState:
    """
    An account as stored.

    `listed`: it was in the Item's last list. `synced_through`: its watermark, the collection of its last whole read.
    `balance_moved`: the list of accounts of this run shows another balance than the list before.
    """

    id: str
    type: str | None
    balance: Decimal | None
    listed: bool
    synced_through: datetime | None
    balance_moved: bool = False


@dataclass(frozen=True, kw_only=True)
class SyncState:
    """
    All that decides what there is to sync of one Item.

    `item` is None until it was fetched. `events` are those that the last finished run does not cover. The numbers are
    those of `item_progress`.
    """

    item_id: str
    item: Item | None
    client_user_id: str | None = None
    deleted_at: datetime | None = None
    # Another Item brings its accounts now.
    is_replaced: bool = False
    has_unsettled_actions: bool = False
    run_id: uuid.UUID | None = None
    lease_until: datetime | None = None
    synced_through: datetime | None = None
    # `lastUpdatedAt` of the Item as of the last finished run.
    synced_update_at: datetime | None = None
    first_synced_at: datetime | None = None
    change_seq: int = 0
    last_event_seq: int = 0
    fetched_seq: int = 0
    sync_requested_seq: int = 0
    synced_seq: int = 0
    sync_attempts: int = 0
    due_at: datetime | None = None
    # When the oldest webhook came that the last finished run does not cover; None: there is none.
    received_at: datetime | None = None
    accounts: Sequence[AccountState] = ()
    watermarks: Mapping[str, datetime] = field(default_factory=dict)
    incomplete: Mapping[Part, Incomplete] = field(default_factory=dict)
    events: Sequence[TransactionEvent] = ()
    # What the bank shares, as last read; None: it was never read.
    shared: Shared | None = None
    # Whether one of the Item's newest events was a `transactions/*`: Pluggy tells of its changes.
    tells_of_transactions: bool = False
    # Name of the newest event, and who started Pluggy's execution.
    trigger: str = "sweep"
    triggered_by: str | None = None

    def is_leased(self, now: datetime) -> bool:
        """Return whether a run has the Item's lease."""
        return self.lease_until is not None and self.lease_until > now

    @property
    def sync_pending(self) -> bool:
        return self.sync_requested_seq > self.synced_seq


@dataclass(frozen=True, kw_only=True)
class AccountPlan:
    """
    What to read of one account's transactions, and `why`.

    `window` None: no window. `created_since`: rows that Pluggy created at or after it, whatever their date.
    `updated`: ids of rows that changed. `deleted`: ids that are said to be gone. `told`: how many rows events told of,
    each with the earliest creation among them.
    """

    account: AccountState
    why: str
    window: Window | None = None
    created_since: datetime | None = None
    updated: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    told: tuple[tuple[datetime, int], ...] = ()

    @property
    def part(self) -> Part:
        return Part(TRANSACTIONS, self.account.id)


@dataclass(frozen=True, kw_only=True)
class ProductPlan:
    """
    A data product to read, and `why`. `collected_at` is its next watermark.

    `only`: of these parents, None: of all but those in `skipped`, which are tried again later.
    """

    name: str
    why: str
    collected_at: datetime
    only: frozenset[str] | None = None
    skipped: frozenset[str] = frozenset()

    def reads(self, part: Part) -> bool:
        """Return whether *part* of this product is read."""
        return part.of not in self.skipped and (self.only is None or part.of in self.only)


@dataclass(frozen=True, kw_only=True)
class SyncPlan:
    """
    What one run reads.

    `accounts_why`: why the list of accounts is read, None when it is not. `to`: the collection of transactions that is
    stored once the run is done. `seq`: the events that it covers. `new_collection`: the Item was collected anew.
    """

    seq: int
    to: datetime | None
    new_collection: bool
    deep: bool
    accounts_why: str | None
    accounts: Sequence[AccountPlan]
    products: Sequence[ProductPlan]
    # Whether to read what the bank shares.
    reads_sharing: bool = False

    def with_accounts_of(self, again: "SyncPlan | None") -> "SyncPlan":
        """Return this plan with what *again* reads, made once the list of accounts was read; None: nothing more."""
        if again is None:
            return dataclasses.replace(self, accounts=(), products=())
        return dataclasses.replace(self, accounts=again.accounts, products=again.products)

    def reads_window(self) -> bool:
        """Return whether a window of any account is read, and not only what events told of."""
        return any(each.window is not None for each in self.accounts)

    def from_day(self) -> date | None:
        """Return the first day that is read; None: everything is, or no window at all."""
        days = [each.window.from_day for each in self.accounts if each.window is not None]
        return None if None in days else min((day for day in days if day is not None), default=None)

    def reasons(self) -> dict[str, str]:
        """Return why each part is read, for logs, the run's row and an operator."""
        listed = {} if self.accounts_why is None else {ACCOUNTS: self.accounts_why}
        of_accounts = {f"{TRANSACTIONS} of {each.account.id}": each.why for each in self.accounts}
        sharing = {SHARING: "changed"} if self.reads_sharing else {}
        return {**listed, **of_accounts, **{each.name: each.why for each in self.products}, **sharing}


def plan(state: SyncState, *, now: datetime, overlap_days: int, deep: bool = False) -> SyncPlan | None:
    """
    Return what a run that starts now would read, or None: no request could bring news.

    An Item without a good collection has nothing to read, nor one that was replaced. *deep* reads everything,
    whatever is stored.
    """
    item = state.item
    if item is None or state.deleted_at is not None or state.is_replaced or item.last_updated_at is None:
        return None
    planner = _Planner(state, item, now=now, overlap_days=overlap_days, deep=deep)
    listed, accounts, products = planner.list_of_accounts(), planner.accounts(), planner.products()
    reads_sharing = planner.sharing()
    if listed is None and not accounts and not products and not reads_sharing:
        return None
    return SyncPlan(
        seq=state.last_event_seq,
        to=planner.to,
        new_collection=planner.new_collection,
        deep=deep,
        accounts_why=listed,
        accounts=accounts,
        products=products,
        reads_sharing=reads_sharing,
    )


def incomplete_again(
    part: Part,
    reason: Reason,
    detail: str,
    before: Incomplete | None,
    *,
    after_seq: int,
    seq: int,
    now: datetime,
    budget_wait: timedelta = NO_BUDGET_WAIT,
) -> Incomplete | None:
    """
    Return *part* as it stands after an incomplete read at *seq*; None: it is taken as complete.

    *before*: as it stood before, None when it was complete; it then had covered the events up to *after_seq*.
    *budget_wait*: after which a part goes on for which there was no budget.
    """
    if reason is Reason.NO_BUDGET:
        return _awaiting_budget(part, detail, before, after_seq=after_seq, retry_at=now + budget_wait)
    same = before is not None and before.reason.is_late == reason.is_late
    attempts = before.attempts + 1 if before is not None and same else 1
    retry_at = _next_try(reason, attempts, now)
    if reason is Reason.ROWS_LATE and retry_at is None:
        # The rows may have been removed again.
        return None
    # An account that shows nothing is read whole as soon as it shows something.
    covered = reason is Reason.NOTHING_SHOWN or attempts > len(NOT_READ_WAITS)
    if before is not None:
        after_seq = before.after_seq
    return Incomplete(
        part=part,
        reason=reason,
        detail=detail,
        attempts=attempts,
        retry_at=retry_at,
        after_seq=seq if covered else after_seq,
    )


def _awaiting_budget(
    part: Part, detail: str, before: Incomplete | None, *, after_seq: int, retry_at: datetime
) -> Incomplete:
    """Return *part* as it stands when it was not tried: what is known of earlier tries stays."""
    return Incomplete(
        part=part,
        reason=Reason.NO_BUDGET,
        detail=detail,
        attempts=0 if before is None else before.attempts,
        retry_at=retry_at,
        after_seq=after_seq if before is None else before.after_seq,
    )


def _next_try(reason: Reason, attempts: int, now: datetime) -> datetime | None:
    if not reason.is_late:
        return now + NOT_READ_WAITS[min(attempts, len(NOT_READ_WAITS)) - 1]
    return now + SHOWN_LATE_WAITS[attempts - 1] if attempts <= len(SHOWN_LATE_WAITS) else None


class _Planner:
    """The parts of one plan."""

    def __init__(self, state: SyncState, item: Item, *, now: datetime, overlap_days: int, deep: bool) -> None:
        self._state = state
        self._item = item
        self._now = now
        self._overlap_days = overlap_days
        self._deep = deep
        self.new_collection = after(item.last_updated_at, state.synced_update_at)
        self.to = later(item.collected_at(TRANSACTIONS), state.synced_through)
        # Only an Item whose execution ended says which data products were collected.
        self._collections_count = item.status == UPDATED or self.new_collection

    def list_of_accounts(self) -> str | None:
        """Return why the list of accounts is read, or None."""
        incomplete = self._state.incomplete.get(Part(ACCOUNTS))
        if self._deep:
            return "reconciliation"
        if self._waits_for_retry(incomplete):
            return None
        if incomplete is not None and incomplete.is_due(self._now):
            return f"retry: {incomplete.reason}"
        if self.new_collection:
            return "collected"
        known = {account.id for account in self._state.accounts}
        if any(event.account_id not in known and event.seq > self._state.synced_seq for event in self._state.events):
            return "an event names an unknown account"
        return None

    def sharing(self) -> bool:
        """Return whether to read what the bank shares: the Item says that it changed."""
        item = self._item
        if self._deep or not self._collections_count or not item.connector.is_open_finance:
            return False
        pending = item.has_resources_pending is True
        return is_news(self._state.shared, collected_at=item.resources_collected_at, pending=pending)

    def _waits_for_retry(self, incomplete: Incomplete | None) -> bool:
        """Return whether a part could not be read and is not due yet."""
        if incomplete is None or self._deep or incomplete.reason.was_read:
            return False
        return not incomplete.is_due(self._now)

    def accounts(self) -> tuple[AccountPlan, ...]:
        """Return what to read of each account that may have news."""
        plans = [self._account(account) for account in self._state.accounts]
        return tuple(each for each in plans if each is not None)

    def _account(self, account: AccountState) -> AccountPlan | None:
        incomplete = self._state.incomplete.get(Part(TRANSACTIONS, account.id))
        if self._waits_for_retry(incomplete):
            return None
        if self._deep:
            return AccountPlan(account=account, why="reconciliation", window=EVERYTHING) if account.listed else None
        due = incomplete is not None and incomplete.is_due(self._now)
        told = self._events_of(account, incomplete, again=due or self.new_collection)
        behind = (
            account.listed
            and self._collections_count
            and after(self.to, account.synced_through)
            and (incomplete is None or self.new_collection or due or bool(told))
            and (incomplete is not None or self._reads_whole(account, told))
        )
        if not behind and not told:
            return None
        window, created_since = self._reads(account, told, behind=behind)
        return AccountPlan(
            account=account,
            why=_why(account, incomplete if due else None, behind=behind, told=bool(told)),
            updated=_ids(told, events.TRANSACTIONS_UPDATED),
            deleted=_ids(told, events.TRANSACTIONS_DELETED),
            told=tuple((e.created_at_from, e.count) for e in told if e.created_at_from is not None and e.count),
            window=window,
            created_since=created_since,
        )

    def _reads_whole(self, account: AccountState, told: Sequence[TransactionEvent]) -> bool:
        """Return whether a collection that moved is read whole, or only as far as events tell of it."""
        if account.synced_through is None or self.to is None or not self._state.tells_of_transactions:
            return True
        if account.balance_moved and not told:
            # Something happened that was not told, or is told a moment later.
            return True
        return self.to - account.synced_through >= WHOLE_READ_AFTER

    def _events_of(
        self, account: AccountState, incomplete: Incomplete | None, *, again: bool
    ) -> Sequence[TransactionEvent]:
        """Return the account's events that no run covers. *again*: also those that a run covered incompletely."""
        own = [event for event in self._state.events if event.account_id == account.id]
        uncovered = [event for event in own if event.seq > self._state.synced_seq]
        if incomplete is None or not again:
            return uncovered
        before = [event for event in own if incomplete.after_seq < event.seq <= self._state.synced_seq]
        if incomplete.reason is Reason.ROWS_LATE:
            # All else that they told of was read.
            before = [event for event in before if event.name == events.TRANSACTIONS_CREATED]
        return [*before, *uncovered]

    def _reads(
        self, account: AccountState, told: Sequence[TransactionEvent], *, behind: bool
    ) -> tuple[Window | None, datetime | None]:
        created = [event for event in told if event.name == events.TRANSACTIONS_CREATED]
        if account.synced_through is None:
            # Its first reads have shown nothing. What the event tells of may be its whole history.
            return (EVERYTHING if behind or created else None), None
        since = [account.synced_through] if behind else []
        since += [
            account.synced_through if event.created_at_from is None else event.created_at_from - CREATED_OVERLAP
            for event in created
        ]
        window = window_since(account.synced_through, self._overlap_days) if behind else None
        return window, min(since, default=None)

    def products(self) -> tuple[ProductPlan, ...]:
        """Return the data products to read."""
        plans = [self._product(each) for each in DATA_PRODUCTS if _is_asked_for(self._item, each)]
        return tuple(each for each in plans if each is not None)

    def _product(self, product: DataProduct) -> ProductPlan | None:
        collected = self._item.collected_at(product.name)
        if collected is None:
            return None
        name = product.name
        parts = [each for each in self._state.incomplete.values() if each.part.product == name]
        skipped = frozenset(each.part.of for each in parts if self._waits_for_retry(each) or self._is_still_empty(each))
        due = frozenset(each.part.of for each in parts if each.is_due(self._now))
        due |= self._first_read(product) | self._with_its_objects(product)
        if self._deep:
            return ProductPlan(name=name, why="reconciliation", collected_at=collected)
        if "" in skipped:
            return None
        if self._collections_count and after(collected, self._state.watermarks.get(name)):
            return ProductPlan(name=name, why="collected", collected_at=collected, skipped=skipped)
        if due:
            only = None if "" in due else due
            return ProductPlan(name=name, why="parts of it", collected_at=collected, only=only, skipped=skipped)
        return None

    def _is_still_empty(self, incomplete: Incomplete) -> bool:
        """Return whether the part's list was wrongly empty and nothing new was collected since."""
        empty = incomplete.reason is Reason.EMPTY
        return empty and not self._deep and not self.new_collection and not incomplete.is_due(self._now)

    def _first_read(self, product: DataProduct) -> frozenset[str]:
        """Return the accounts that the product is asked of and that are read for the first time."""
        return frozenset(
            account.id
            for account in self._state.accounts
            if account.type is not None
            and account.type == product.of_accounts
            and account.synced_through is None
            and self._account(account) is not None
        )

    def _with_its_objects(self, product: DataProduct) -> frozenset[str]:
        """Return the Item itself, for all lists, if the objects that the product is asked of are read again."""
        if product.of_product is None:
            return frozenset()
        objects = self._state.incomplete.get(Part(product.of_product))
        # Some of them may never have been listed. Nothing of theirs was read when this product was last read.
        return frozenset({""}) if objects is not None and objects.is_due(self._now) else frozenset()


def _why(account: AccountState, due: Incomplete | None, *, behind: bool, told: bool) -> str:
    if due is not None:
        return f"retry: {due.reason}"
    if not behind:
        return "events"
    first = "first read" if account.synced_through is None else "collected"
    return f"{first}, events" if told else first


def _ids(told: Sequence[TransactionEvent], name: str) -> frozenset[str]:
    return frozenset(each for event in told if event.name == name for each in event.ids)


def _is_asked_for(item: Item, product: DataProduct) -> bool:
    if product.requested_as is None:
        return item.connector.is_open_finance
    # Without a list, everything that the plan allows is collected (Pluggy facts 3.1).
    return not item.requested or product.requested_as in item.requested
