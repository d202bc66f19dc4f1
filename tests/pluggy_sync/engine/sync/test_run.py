"""A run holds its Item, and nothing else while Pluggy answers."""

import itertools
import threading

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import events
from pluggy_sync.engine.errors import LeaseLostError
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.engine.sync import run as runs
from pluggy_sync.engine.sync import transactions as sync_transactions
from pluggy_sync.rules import backoff
from pluggy_sync.store.tables import inbox, transactions
from tests.kit.factories import an_event
from tests.kit.statements import counting
from tests.kit.workers import run_message, run_queued, take_messages


def test_no_connection_to_postgres_is_held_while_pluggy_answers(service, upstream, resources, monkeypatch):
    held = []
    resources.pluggy.hooks.requested.append(lambda _request: held.append(resources.database.pool.checkedout()))
    # One account at a time, or another thread may just be writing.
    monkeypatch.setattr(sync_transactions, "PARALLEL_ACCOUNTS", 1)
    item_id = upstream.connect(products=None)
    service.deliver(*upstream.take_events())
    # The intake of this process keeps a connection of its own.
    of_intake = resources.database.pool.checkedout()

    run_queued(resources)

    service.assert_mirrors(item_id)
    assert len(held) > 5
    assert set(held) == {of_intake}


def test_events_that_were_stored_before_a_run_began_cost_no_request_more(service, upstream):
    item_id = upstream.connect()
    told = upstream.take_events()
    service.deliver(*told)
    one = next(event for event in told if event["event"] == "item/created")

    # Only that one is handled before the run; the others find their news stored.
    events.handle_event(service.res, one["eventId"])
    item_sync.sync_item(service.res, item_id)
    upstream.take_requests()
    service.work()

    assert len(told) > 2
    assert sorted(row.outcome for row in service.events()) == ["covered", "covered", "noted", "sync"]
    assert upstream.take_requests() == []
    assert len(service.runs()) == 1


def test_rows_that_are_told_of_after_a_run_cost_one_request_for_each_account(service, upstream):
    upstream.connect()
    told = upstream.take_events()
    late = [event for event in told if event["event"] == "transactions/created"]
    service.deliver(*[event for event in told if event not in late])
    service.work()
    upstream.take_requests()

    service.deliver(*late)
    service.work()

    asked = [request["endpoint"] for request in upstream.take_requests()]
    assert len(late) == 2
    assert asked == ["GET /items/{id}", "GET /v2/transactions", "GET /v2/transactions"]
    # Nothing was late after all, so the product hears nothing.
    assert service.notifications() == ["item.synced"]


def test_a_comparison_that_cannot_be_made_leaves_what_was_asked_for(service, upstream, resources):
    item_id = upstream.connect()
    service.catch_up()
    row = service.rows(transactions)[0]
    upstream.update(item_id, {"user": "user-unavailable", "password": "password-ok"})
    named = {"accountId": row.account_id, "transactionIds": [row.id]}
    event = an_event("transactions/updated", itemId=item_id, **named)
    service.deliver(*upstream.take_events(), event)
    events.handle_event(resources, event["eventId"])
    runs = len(service.runs())

    assert not item_sync.sync_deeply(resources, item_id)

    service.work_until_quiet()
    assert len(service.runs()) == runs + 1


def test_a_run_that_is_to_end_writes_nothing_more(service, upstream, resources):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    for message in take_messages(resources):
        run_message(resources, message)
    run = runs.claim(resources, item_id, deep=False)
    with runs.writing(resources, run):
        pass

    run.stopped.set()

    with pytest.raises(LeaseLostError), runs.writing(resources, run):
        raise AssertionError("the block was entered")


def test_when_reading_one_account_ends_the_run_what_is_read_beside_it_is_not_written(
    service, upstream, resources, monkeypatch
):
    item_id = upstream.connect("user-ok-two-checking-accounts")
    service.deliver(*upstream.take_events())
    for message in take_messages(resources):
        run_message(resources, message)
    begun, stopped = [], []
    sync_accounts = item_sync.sync_accounts
    monkeypatch.setattr(item_sync, "sync_accounts", lambda res, run: (begun.append(run), sync_accounts(res, run)))
    numbers, another_is_read = itertools.count(), threading.Event()

    def one_fails_then_the_others_go_on(answer):
        if answer.path == "/v2/transactions":
            if next(numbers) == 0:
                assert another_is_read.wait(60)
                # The client does not repeat a read over this one.
                raise LeaseLostError
            another_is_read.set()
            stopped.append(begun[0].stopped.wait(60))

    resources.pluggy.hooks.answered.append(one_fails_then_the_others_go_on)

    item_sync.sync_item(resources, item_id)

    assert set(stopped) == {True}
    assert service.transaction_ids() == set()


def test_a_fault_of_ours_gives_the_item_back_and_is_tried_again(service, upstream, resources, monkeypatch):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    with monkeypatch.context() as broken:
        broken.setattr(item_sync, "sync_products", lambda *_: 1 / 0)
        failures = 0
        try:
            run_queued(resources)
        except ZeroDivisionError:
            failures += 1
    assert failures == 1
    assert service.runs()[-1].outcome == "failed"
    assert service.runs()[-1].error == "ZeroDivisionError"

    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_an_event_that_breaks_us_is_rescheduled_later_each_time_and_ends_as_a_dead_letter(
    service, upstream, resources, clock, monkeypatch
):
    upstream.connect()
    service.deliver(*upstream.take_events()[-1:])
    monkeypatch.setattr(events, "_handle_item", lambda *_: 1 / 0)
    monkeypatch.setattr(backoff, "MAX_ATTEMPTS", 3)
    waits = []
    for _ in range(3):
        try:
            events.handle_event(resources, service.events()[0].event_id)
        except ZeroDivisionError:
            waits.append(service.events()[0].due_at - clock())

    assert waits[0] < waits[1]
    assert service.events()[0].state == "dead"
    assert service.events()[0].error == "ZeroDivisionError"


def test_an_event_in_the_middle_of_a_run_that_brings_no_news_costs_one_look_and_no_second_run(
    service, upstream, monkeypatch
):
    item_id = upstream.connect()
    told = [event for event in upstream.take_events() if event["event"] == "item/created"]
    service.deliver(*told)
    sync_products = item_sync.sync_products

    def with_an_event_landing(*args):
        monkeypatch.setattr(item_sync, "sync_products", sync_products)
        event = an_event(itemId=item_id)
        service.deliver(event)
        events.handle_event(service.res, event["eventId"])
        sync_products(*args)

    monkeypatch.setattr(item_sync, "sync_products", with_an_event_landing)

    service.work()

    requests = [request["endpoint"] for request in upstream.take_requests()]
    assert requests.count("GET /items/{id}") == 2
    assert requests.count("GET /accounts") == 1
    assert len(service.runs()) == 1
    service.assert_mirrors(item_id)


def test_an_update_without_news_takes_few_transactions_and_statements(service, upstream, resources):
    """Two accounts, a card and its bills. There were 73 statements and 42 transactions, intake included."""
    item_id = upstream.connect("user-ok-two-checking-accounts", products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"])
    service.catch_up()
    upstream.later(hours=6)
    resources.now.advance(hours=6)
    upstream.run(item_id)
    service.deliver(*[each for each in upstream.take_events() if each["event"] == "item/updated"])

    with counting(resources.database) as counted:
        run_queued(resources)

    assert service.runs()[-1].outcome == "done"
    assert counted.transactions <= 10
    assert len(counted.statements) <= 37, counted.statements


def test_an_update_that_is_read_whole_and_brings_nothing_takes_one_transaction_an_account(service, upstream, resources):
    item_id = upstream.connect("user-ok-two-checking-accounts", products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"])
    service.catch_up()
    with resources.database.begin() as conn:
        # As if Pluggy did not tell of transactions: all accounts are read.
        conn.execute(sa.delete(inbox).where(inbox.c.name.startswith("transactions/")))
    upstream.later(hours=6)
    resources.now.advance(hours=6)
    upstream.run(item_id)
    service.deliver(*[each for each in upstream.take_events() if each["event"] == "item/updated"])
    service.work()
    upstream.later(hours=6)
    resources.now.advance(hours=6)
    upstream.run(item_id)
    service.deliver(*[each for each in upstream.take_events() if each["event"] == "item/updated"])
    upstream.take_requests()

    with counting(resources.database) as counted:
        run_queued(resources)

    reads = [each for each in upstream.take_requests() if each["endpoint"] == "GET /v2/transactions"]
    assert len(reads) >= 4, "two of each account"
    assert counted.transactions <= 16
    assert len(counted.statements) <= 60, counted.statements
