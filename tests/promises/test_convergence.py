"""
Whatever happens at the bank, to deliveries and to workers: when it is quiet the mirror equals the truth, field by
field, and its change feed, replayed from 0, rebuilds it.

`CONVERGENCE_EXAMPLES` makes the search longer than the suite has time for, and different each time.
"""

import contextlib
import os
import random
from collections.abc import Iterable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pluggy_sync.engine import reconciliation, sweep
from pluggy_sync.store import inbox, items
from pluggy_sync.store.tables import incomplete_parts
from tests.kit.crashes import CrashError, crash_at
from tests.kit.factories import an_event
from tests.kit.interception import changed, edited, when_answered
from tests.kit.pluggy import ImpossibleError, Upstream
from tests.kit.service import Service
from tests.kit.workers import run_message, take_messages

CHANGES = ["add", "pending", "post_new_id", "post_same_id", "edit", "remove", "backdate"]
PRODUCTS = ["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"]

some_changes = st.lists(st.sampled_from(CHANGES), min_size=1, max_size=5)
a_crash = st.one_of(st.none(), st.integers(1, 120))


class Histories(RuleBasedStateMachine):
    """One Item through any history. Events wait in a bag until they are delivered, or lost."""

    def __init__(self, service: Service, begin_again) -> None:
        super().__init__()
        self.service = service
        self.upstream: Upstream = begin_again()
        service.upstream = self.upstream
        self.bag: list[dict] = []
        # Rows that Pluggy does not show at present, and the ids that the last collection added.
        self.hidden: set[str] = set()
        self.added: list[str] = []
        self.ended = contextlib.ExitStack()
        self.ended.enter_context(changed(service.res, "/v2/transactions", edited(self._hide)))
        self.lost = False
        # Rows that existed were not shown: what was lost of these only reconciliation can know of.
        self.was_hidden = False
        self.last_run_was_good = True

    @initialize(user=st.sampled_from(["user-ok", "user-ok-two-checking-accounts"]))
    def connect(self, user: str) -> None:
        self.upstream.settings(firstRunDays=12)
        self.user = user
        self.item_id = self.upstream.connect(user, products=PRODUCTS)
        self._collect_events()

    def _collect_events(self) -> None:
        self.bag += self.upstream.take_events()

    def _hide(self, page: dict) -> None:
        page["results"] = [row for row in page["results"] if row["id"] not in self.hidden]

    @rule(changes=some_changes, days=st.integers(0, 4))
    def days_pass_and_pluggy_collects(self, changes: list[str], days: int) -> None:
        self._collect(changes, days)

    def _collect(self, changes: list[str], days: int) -> None:
        self._pass(days)
        self.added = []
        for change in changes:
            with contextlib.suppress(ImpossibleError):  # no row fits
                self.added += self.upstream.evolve(self.item_id, change)["added"]
        self._run(self.user)

    def _run(self, user: str) -> None:
        self.upstream.update(self.item_id, {"user": user, "password": "password-ok"})
        self.last_run_was_good = user == self.user
        self._collect_events()

    def _pass(self, days: int) -> None:
        if days:
            self.upstream.later(days=days)
            self.service.res.now.advance(days=days)

    @precondition(lambda self: self.last_run_was_good)  # Pluggy lets an Item rest that fails on and on
    @rule()
    def a_run_fails(self) -> None:
        self._run("user-unavailable")

    @precondition(lambda self: self.bag)
    @rule(data=st.data())
    def some_events_arrive(self, data: st.DataObject) -> None:
        """In any order, some twice, some later, some never."""
        order = data.draw(st.permutations(range(len(self.bag))), label="order")
        fates = st.sampled_from(["arrives", "arrives", "arrives twice", "later", "later", "is lost"])
        chosen = data.draw(st.lists(fates, min_size=len(order), max_size=len(order)), label="fates")
        kept = []
        for index, fate in zip(order, chosen, strict=True):
            event = self.bag[index]
            if fate == "later":
                kept.append(event)
            elif fate == "is lost":
                self.lost = True
            else:
                self.service.deliver(*[event] * (2 if fate == "arrives twice" else 1))
        self.bag = kept

    @rule(crash=a_crash, shuffled=st.randoms(use_true_random=False), redelivered=st.booleans())
    def workers_work(self, crash: int | None, shuffled: random.Random, redelivered: bool) -> None:
        messages = take_messages(self.service.res)
        shuffled.shuffle(messages)
        self._work(messages, crash, redelivered=redelivered)

    def _work(self, messages, crash: int | None, *, redelivered: bool) -> None:
        for message in messages:
            try:
                with crash_at(self.service.res, crash):
                    run_message(self.service.res, message)
            except CrashError:
                if redelivered:
                    run_message(self.service.res, message)

    @rule(changes=some_changes, page=st.integers(0, 3), handled=st.booleans())
    def rows_change_while_pages_are_read(self, changes: list[str], page: int, handled: bool) -> None:
        res = self.service.res

        def in_between() -> None:
            self._collect([*changes, "remove"], 0)
            if handled:
                self.service.deliver(*self.bag)
                self.bag = []
                for message in take_messages(res):
                    run_message(res, message)

        with when_answered(res, "/v2/transactions", in_between, skip=page):
            for message in take_messages(res):
                run_message(res, message)

    @precondition(lambda self: self.added)
    @rule(told_before=st.booleans())
    def new_rows_become_visible_late(self, told_before: bool) -> None:
        """They are not shown while the workers read; what tells of them arrives before that, or only later."""
        late = set(self.added) - self.service.transaction_ids()
        telling = [] if told_before else [each for each in self.bag if each["event"] == "transactions/created"]
        self.bag = [each for each in self.bag if each not in telling]
        self._hidden_while_workers_work(late)
        self.bag += telling

    @rule(data=st.data(), how_many=st.integers(1, 3))
    def rows_are_hidden_and_shown_again(self, data: st.DataObject, how_many: int) -> None:
        """Pluggy says that rows are deleted, and shows none of them; then they are there again, and it says so."""
        ids = self._choose(data, how_many)
        self._tell_of(ids, "transactions/deleted")
        self._hidden_while_workers_work(ids)
        self._tell_of(ids, "transactions/updated")

    @rule(data=st.data(), how_many=st.integers(1, 3))
    def rows_are_said_to_be_deleted_that_are_there(self, data: st.DataObject, how_many: int) -> None:
        self._tell_of(self._choose(data, how_many), "transactions/deleted")

    def _rows(self) -> list[dict]:
        return self.upstream.truth(self.item_id)["transactions"]

    def _choose(self, data: st.DataObject, how_many: int) -> list[str]:
        ids = [row["id"] for row in self._rows()]
        return data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=how_many, unique=True), label="rows")

    def _hidden_while_workers_work(self, ids: Iterable[str]) -> None:
        self.hidden |= set(ids)
        self.was_hidden = True
        self.service.deliver(*self.bag)
        self.bag = []
        self._work(take_messages(self.service.res), None, redelivered=False)
        self.hidden -= set(ids)

    def _tell_of(self, ids: list[str], name: str) -> None:
        """Put events into the bag that tell of rows, as Pluggy would: one for each account."""
        rows = [row for row in self._rows() if row["id"] in ids]
        for account_id in sorted({row["accountId"] for row in rows}):
            mine = [row["id"] for row in rows if row["accountId"] == account_id]
            self.bag.append(an_event(name, itemId=self.item_id, accountId=account_id, transactionIds=mine))

    @rule(seconds=st.sampled_from([20, 400, 4000]))
    def time_passes_and_the_sweep_comes(self, seconds: int) -> None:
        self.service.res.now.advance(seconds=seconds)
        sweep.sweep(self.service.res)

    @rule()
    def redis_is_emptied(self) -> None:
        take_messages(self.service.res)

    @rule(times=st.integers(1, 6), endpoint=st.sampled_from(["*", "GET /items/{id}", "GET /v2/transactions"]))
    def pluggy_has_trouble(self, times: int, endpoint: str) -> None:
        self.upstream.fail({"endpoint": endpoint, "do": "status", "status": 503, "times": times})
        self._work(take_messages(self.service.res), None, redelivered=False)
        self.upstream.fail()

    @rule()
    def it_becomes_quiet(self) -> None:
        self._quieten()

    def _quieten(self) -> None:
        if not self.last_run_was_good:
            self._run(self.user)  # what a failed run left uncollected is not to be seen
        service = self.service
        service.deliver(*self.bag)
        self.bag = []
        service.work_until_quiet()
        self._try_incomplete_parts_again()
        if self.lost:
            self._assert_that_a_day_later_no_created_row_is_missing()
            self._reconcile()
            self.was_hidden = False
        service.assert_mirrors(self.item_id)

    def _assert_that_a_day_later_no_created_row_is_missing(self) -> None:
        """However many events were lost, the first collection a day later finds all that was created (decision 23)."""
        service = self.service
        self._collect([], 1)
        service.deliver(*self.bag)
        self.bag = []
        service.work_until_quiet()
        self._try_incomplete_parts_again()
        if not self.was_hidden:
            assert {row["id"] for row in self._rows()} <= service.transaction_ids()

    def _try_incomplete_parts_again(self) -> None:
        service = self.service
        for _ in range(10):
            tries = [row.retry_at for row in service.rows(incomplete_parts) if row.retry_at is not None]
            if not tries:
                return
            service.res.now.advance_to(min(tries))
            sweep.sweep(service.res)
            service.work_until_quiet()
        raise AssertionError("a part stays incomplete though Pluggy shows everything")

    def _reconcile(self) -> None:
        res = self.service.res
        with res.database.begin() as conn:
            if items.get(conn, self.item_id) is None:
                # Every event so far was lost: somebody has to tell that it exists.
                inbox.request_fetch(conn, self.item_id, why="import", now=res.now())
        self.service.work_until_quiet()
        reconciliation.reconcile(res, self.item_id)
        self.service.work_until_quiet()
        self.lost = False

    def teardown(self) -> None:
        with self.ended:
            if hasattr(self, "item_id"):
                self._quieten()


def test_the_mirror_converges_to_the_truth_through_any_history(service, upstream, begin_again):
    examples = os.environ.get("CONVERGENCE_EXAMPLES")

    run_state_machine_as_test(
        lambda: Histories(service, begin_again),
        settings=settings(
            max_examples=int(examples or 12),
            stateful_step_count=14,
            deadline=None,
            derandomize=examples is None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
