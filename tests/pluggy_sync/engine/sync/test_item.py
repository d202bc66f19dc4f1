"""One odd part never stops the rest: it is named, tried again by itself, and the run ends done."""

import gc
import itertools
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest

from pluggy_sync import wire
from pluggy_sync.engine import sweep
from pluggy_sync.engine.sync import transactions as sync_transactions
from pluggy_sync.engine.sync.item import sync_item
from pluggy_sync.pluggy.errors import PluggyLimitedError
from pluggy_sync.pluggy.payloads import Transaction
from pluggy_sync.rules.backoff import NOT_READ_WAITS
from pluggy_sync.store.tables import accounts, data_product_watermarks, incomplete_parts, item_progress, outbox
from tests.kit.interception import changed, edited, refused
from tests.kit.pluggy import Upstream
from tests.kit.service import Service
from tests.kit.workers import next_due_at, run_message, take_messages

PATHS = {
    "accounts": "/accounts",
    "creditCards": "/bills",
    "investments": "/investments",
    "investmentsTransactions": "/investments/[^/]+/transactions",
    "identity": "/identity",
    "loans": "/loans",
}


def notified(service: Service, type_: str):
    rows = sorted(service.rows(outbox, outbox.c.type == type_), key=lambda row: row.sequence)
    return [wire.decode(row.body)["data"] for row in rows]


def incomplete(service: Service):
    """Return what the newest run names, as product and reason."""
    return [(each["product"], each["reason"]) for each in service.runs()[-1].incomplete or []]


def connected(service: Service, upstream: Upstream, user: str = "user-ok", **more) -> str:
    item_id = upstream.connect(user, **more)
    service.deliver(*upstream.take_events())
    return item_id


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_an_account_that_is_refused_for_good_does_not_stop_the_others(service, upstream, resources, status):
    item_id = connected(service, upstream, "user-ok-two-checking-accounts")
    truth = upstream.truth(item_id)
    bad = min(account["id"] for account in truth["accounts"])

    with changed(resources, "/v2/transactions", refused(status, of=bad)):
        service.work_until_quiet()

    assert service.transaction_ids() == {row["id"] for row in truth["transactions"] if row["accountId"] != bad}
    assert {row.outcome for row in service.runs()} == {"done"}
    watermark = {row.id: row.synced_through for row in service.rows(accounts)}
    assert [account_id for account_id, through in watermark.items() if through is None] == [bad]


@pytest.mark.parametrize("product", PATHS)
def test_a_list_that_is_refused_for_good_does_not_stop_the_rest(service, upstream, resources, product):
    item_id = connected(service, upstream, products=None)
    service.work_until_quiet()
    upstream.later(days=1)
    upstream.evolve(item_id, {"kind": "add", "count": 2})
    upstream.run(item_id)
    marks = {row.product: row.collected_at for row in service.rows(data_product_watermarks)}

    with changed(resources, PATHS[product], refused(403)):
        service.catch_up()

    assert {name for name, _ in incomplete(service)} == {product}
    assert {reason for _, reason in incomplete(service)} == {"refused"}
    assert service.transaction_ids() == {row["id"] for row in upstream.truth(item_id)["transactions"]}
    moved = {row.product for row in service.rows(data_product_watermarks) if row.collected_at > marks[row.product]}
    assert moved == {*PATHS} - {"accounts", product}
    (_, told) = notified(service, "item.synced")
    assert [each["product"] for each in told["incomplete"]] == [
        each["product"] for each in service.runs()[-1].incomplete
    ]
    assert notified(service, "item.sync_failed") == []


@pytest.mark.parametrize(
    "product, asked",
    [
        ("loans", {"GET /loans"}),
        # Of investments that were not listed, nobody has asked for the movements.
        ("investments", {"GET /investments", "GET /investments/{id}/transactions"}),
    ],
)
def test_the_part_is_read_as_soon_as_it_can_be_and_the_product_hears_of_it(
    service, upstream, resources, clock, product, asked
):
    item_id = connected(service, upstream, products=None)
    with changed(resources, PATHS[product], refused(403)):
        service.work_until_quiet()
    clock.advance(seconds=NOT_READ_WAITS[0].total_seconds() + 1)
    upstream.take_requests()

    sweep.sweep(resources)
    service.work()

    assert {each["endpoint"] for each in upstream.take_requests()} == asked
    service.assert_mirrors(item_id)
    assert [[each["product"] for each in told["incomplete"]] for told in notified(service, "item.synced")] == [
        [product],
        [],
    ]
    assert service.rows(incomplete_parts) == []


def test_what_stays_refused_is_tried_more_and_more_rarely_and_told_once(service, upstream, resources, clock):
    connected(service, upstream, products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    with changed(resources, "/loans", refused(403)):
        service.work_until_quiet()
        tries = []
        for _ in range(len(NOT_READ_WAITS) + 1):
            (progress,) = service.rows(item_progress)
            tries.append((progress.due_at - clock()).total_seconds())
            clock.advance_to(progress.due_at)
            upstream.take_requests()
            sweep.sweep(resources)
            service.work()
            assert {each["endpoint"] for each in upstream.take_requests()} == {"GET /loans"}

    assert [round(each, -1) for each in tries] == [
        *(wait.total_seconds() for wait in NOT_READ_WAITS),
        NOT_READ_WAITS[-1].total_seconds(),
    ]
    assert service.notifications() == ["item.synced"]


def test_events_in_the_meantime_cost_no_request_for_the_refused_part(service, upstream, resources):
    item_id = connected(service, upstream, products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    with changed(resources, "/loans", refused(403)):
        service.work_until_quiet()
        upstream.later(days=1)
        upstream.run(item_id)
        upstream.take_requests()

        service.catch_up()

    assert "GET /loans" not in {each["endpoint"] for each in upstream.take_requests()}
    assert incomplete(service) == [("loans", "refused")]


def test_one_card_that_is_refused_does_not_stop_the_bills_of_another(service, upstream, resources):
    item_id = connected(service, upstream)
    (card,) = [row["id"] for row in upstream.truth(item_id)["accounts"] if row["type"] == "CREDIT"]

    with changed(resources, "/bills", refused(400, of=card)):
        service.work_until_quiet()

    (named,) = service.runs()[-1].incomplete
    assert (named["product"], named["accountId"], named["reason"]) == ("creditCards", card, "refused")


def test_when_everything_is_refused_the_run_fails_and_the_product_hears_at_once(service, upstream, resources):
    connected(service, upstream, products=None)

    with changed(resources, "/(accounts|v2/transactions|bills|investments|identity|loans)", refused(403)):
        service.work()

    assert service.runs()[-1].outcome == "failed"
    assert service.notifications() == ["item.sync_failed"]


@pytest.mark.parametrize("path", ["/v2/transactions", "/loans"])
def test_a_part_that_is_not_answered_fails_the_run_at_first_and_is_given_up_for_a_while_later(
    service, upstream, resources, path
):
    item_id = connected(service, upstream, products=["ACCOUNTS", "TRANSACTIONS", "IDENTITY", "LOANS"])

    with changed(resources, path, refused(500)):
        service.work_until_quiet()

    assert [run.outcome for run in service.runs()] == ["failed", "failed", "done"]
    assert {reason for _, reason in incomplete(service)} == {"unavailable"}
    # What could be read was read in the first of these runs.
    assert {row.product for row in service.rows(data_product_watermarks)} >= {"identity"}
    assert notified(service, "item.sync_failed") == []
    assert service.item(item_id).first_synced_at is not None


def test_a_pluggy_that_answers_nothing_is_not_asked_for_everything(service, upstream, resources):
    item_id = connected(service, upstream, products=None)
    service.work_until_quiet()
    upstream.later(days=1)
    upstream.run(item_id)
    upstream.take_requests()

    with changed(resources, "/(v2/transactions|bills|investments|identity|loans)", refused(503)):
        service.deliver(*upstream.take_events())
        service.work()

    assert service.runs()[-1].outcome == "failed"
    asked = {each["endpoint"] for each in upstream.take_requests()}
    assert not asked & {"GET /bills", "GET /investments", "GET /identity", "GET /loans"}


@contextmanager
def refusing_transactions(resources, monkeypatch, error):
    """Have each read of transactions refused with *error*, before Pluggy is asked."""
    take = resources.pluggy.budget.take

    def refuse(endpoint: str) -> str:
        if endpoint == "GET /v2/transactions":
            raise error
        return take(endpoint)

    with monkeypatch.context() as refusing:
        refusing.setattr(resources.pluggy.budget, "take", refuse)
        yield


def test_a_run_without_budget_is_no_failure_and_tells_nobody(service, upstream, resources, monkeypatch):
    item_id = connected(service, upstream)

    with refusing_transactions(resources, monkeypatch, PluggyLimitedError("no budget left", retry_after_s=90)):
        for _ in range(5):
            service.work()
            resources.now.advance_to(next_due_at(resources))
            sweep.sweep(resources)

    assert {run.outcome for run in service.runs()} == {"rescheduled"}
    assert (service.notifications(), service.rows(item_progress)[0].sync_attempts) == ([], 0)
    service.work_until_quiet()
    service.assert_mirrors(item_id)


def test_what_a_worker_that_ends_has_not_read_is_due_at_once(service, upstream, resources, monkeypatch):
    item_id = connected(service, upstream)
    for message in take_messages(resources):
        run_message(resources, message)

    with refusing_transactions(resources, monkeypatch, PluggyLimitedError("the worker ends", retry_after_s=0.0)):
        for message in take_messages(resources):
            run_message(resources, message)
    assert [run.outcome for run in service.runs()] == ["rescheduled"]

    # Found by the next sweep, though no time has passed.
    sweep.sweep(resources)
    service.work()

    assert service.runs()[-1].outcome == "done"
    service.assert_mirrors(item_id)


def test_a_fault_of_ours_in_one_account_is_raised_and_stops_no_other_part(service, upstream, resources, monkeypatch):
    item_id = connected(service, upstream, "user-ok-two-checking-accounts")
    truth = upstream.truth(item_id)
    bad = min(account["id"] for account in truth["accounts"])
    merge = sync_transactions.transactions.merge

    def fails_for_one(conn, of, rows, **how):
        if rows[0].account_id == bad:
            raise ZeroDivisionError
        return merge(conn, of, rows, **how)

    with monkeypatch.context() as broken:
        broken.setattr(sync_transactions.transactions, "merge", fails_for_one)
        with pytest.raises(ZeroDivisionError):
            service.work()
        for _ in range(2):
            resources.now.advance(seconds=200)
            with pytest.raises(ZeroDivisionError):
                sync_item(resources, item_id)

    assert service.transaction_ids() == {row["id"] for row in truth["transactions"] if row["accountId"] != bad}
    assert [(run.outcome, run.error) for run in service.runs()] == [
        ("failed", "ZeroDivisionError"),
        ("failed", "ZeroDivisionError"),
        ("done", None),
    ]
    assert incomplete(service) == [("transactions", "fault")]


def test_an_account_that_is_listed_twice_is_one(service, upstream, resources):
    item_id = connected(service, upstream)

    with changed(resources, "/accounts", edited(lambda page: page["results"].append(dict(page["results"][0])))):
        service.work_until_quiet()

    service.assert_mirrors(item_id)


@pytest.mark.parametrize("path", ["/v2/transactions", "/bills", "/investments", "/loans"])
def test_rows_that_are_listed_twice_are_one(service, upstream, resources, path):
    item_id = connected(service, upstream, products=None)

    with changed(resources, path, edited(lambda page: page["results"].extend(page["results"]))):
        service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_a_part_whose_account_has_gone_is_not_tried_for_ever(service, upstream, resources, clock):
    item_id = connected(service, upstream, "user-ok-two-checking-accounts")
    bad = min(account["id"] for account in upstream.truth(item_id)["accounts"])
    with changed(resources, "/v2/transactions", refused(403, of=bad)):
        service.work_until_quiet()

    def without_it(page):
        page["results"] = [each for each in page["results"] if each["id"] != bad]

    with changed(resources, "/accounts", edited(without_it)):
        upstream.later(days=1)
        upstream.run(item_id)
        service.catch_up()
        clock.advance(days=2)
        sweep.sweep(resources)
        service.work()

    assert service.rows(incomplete_parts) == []
    assert service.rows(item_progress)[0].due_at is None


def test_what_was_read_before_the_budget_ended_is_kept_and_the_product_is_told_once_all_is_there(
    service, upstream, resources, monkeypatch
):
    """Two of three reads of transactions get no budget, and the Item has two accounts."""
    item_id = connected(service, upstream, "user-ok-two-checking-accounts")
    take, has_budget = resources.pluggy.budget.take, itertools.cycle([True, False, False])

    def one_of_three(endpoint: str) -> str:
        if endpoint == "GET /v2/transactions" and not next(has_budget):
            raise PluggyLimitedError("no budget left", retry_after_s=60)
        return take(endpoint)

    monkeypatch.setattr(resources.pluggy.budget, "take", one_of_three)

    service.work_until_quiet()

    service.assert_mirrors(item_id)
    outcomes = [run.outcome for run in service.runs()]
    assert (outcomes[-1], set(outcomes[:-1])) == ("done", {"rescheduled"})
    assert service.notifications() == ["item.synced"]


def reads_of_update(service: Service, upstream: Upstream, item_id: str, *changes, account_id: str) -> list[str]:
    """Let six hours pass with changes in one account; return of which accounts transactions were read for them."""
    upstream.later(hours=6)
    service.res.now.advance(hours=6)
    if changes:
        upstream.evolve(item_id, *changes, account_id=account_id)
    upstream.run(item_id)
    upstream.take_requests()
    service.catch_up()
    found = upstream.take_requests()
    return [parse_qs(each["query"])["accountId"][0] for each in found if each["endpoint"] == "GET /v2/transactions"]


def test_an_update_reads_the_accounts_that_events_name_and_no_others(service, upstream):
    item_id = upstream.connect("user-ok-two-checking-accounts", products=["ACCOUNTS", "TRANSACTIONS"])
    service.catch_up()
    named = upstream.truth(item_id)["accounts"][0]["id"]

    read = reads_of_update(service, upstream, item_id, "edit", account_id=named)

    assert set(read) <= {named}
    assert len(read) <= 2
    service.assert_mirrors(item_id)


def test_a_run_keeps_few_of_the_rows_that_it_has_merged(service, upstream, monkeypatch):
    """The rows of one account, in many batches, are gone from memory once they are stored."""
    monkeypatch.setattr(sync_transactions, "ROWS_PER_WRITE", 100)
    monkeypatch.setattr(sync_transactions, "ROWS_REMEMBERED", 20)
    upstream.settings(firstRunDays=100)
    item_id = upstream.connect("user-ok-perf-40x", products=["ACCOUNTS", "TRANSACTIONS"])
    settle, kept = sync_transactions._AccountRead.settle, []

    def settle_and_look(read):
        gc.collect()
        kept.append(sum(isinstance(each, Transaction) for each in gc.get_objects()))
        settle(read)

    monkeypatch.setattr(sync_transactions._AccountRead, "settle", settle_and_look)

    service.catch_up()

    (run,) = service.runs()
    assert run.added > 4 * 500, "pages, and so batches, of 500"
    assert min(kept) > 0
    assert max(kept) <= len(service.rows(accounts)) * 20
    service.assert_mirrors(item_id)
