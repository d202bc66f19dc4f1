"""
Whatever happens at the bank, to deliveries and to workers: when it is quiet the mirror equals the truth, field by
field, and its change feed, replayed from 0, rebuilds it.

`CONVERGENCE_EXAMPLES` makes the search longer than the suite has time for, and different each time.
"""

import contextlib
import os
import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pluggy_sync.engine import reconciliation, sweep
from pluggy_sync.store import inbox, items
from tests.kit.crashes import CrashError, crash_at
from tests.kit.interception import when_answered
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
        self.lost = False
        self.last_run_was_good = True

    @initialize(user=st.sampled_from(["user-ok", "user-ok-two-checking-accounts"]))
    def connect(self, user: str) -> None:
        self.upstream.settings(firstRunDays=12)
        self.user = user
        self.item_id = self.upstream.connect(user, products=PRODUCTS)
        self._collect_events()

    def _collect_events(self) -> None:
        self.bag += self.upstream.take_events()

    @rule(changes=some_changes, days=st.integers(0, 4))
    def days_pass_and_pluggy_collects(self, changes: list[str], days: int) -> None:
        self._collect(changes, days)

    def _collect(self, changes: list[str], days: int) -> None:
        self._pass(days)
        for change in changes:
            with contextlib.suppress(ImpossibleError):  # no row fits
                self.upstream.evolve(self.item_id, change)
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
        if self.lost:
            self._reconcile()
        service.assert_mirrors(self.item_id)

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
