"""Promise 4: the watermark is written with the last data, only forward, and without the overlap that is read."""

from datetime import timedelta

import pytest

from pluggy_sync.engine.sync import transactions as sync_transactions
from pluggy_sync.pluggy import payloads
from pluggy_sync.store.tables import accounts, transactions
from tests.kit.factories import an_event
from tests.kit.interception import when_answered
from tests.kit.workers import run_queued


class CrashError(BaseException):
    """The process dies here."""


def crash():
    raise CrashError


def collected_at(upstream, item_id):
    return payloads.item(upstream.truth(item_id)["item"]).last_updated_at


def watermarks(service, item_id):
    return [service.item(item_id).synced_through, *[row.synced_through for row in service.rows(accounts)]]


@pytest.fixture
def small_writes(monkeypatch):
    """Write after every page, so that a crash leaves a part."""
    monkeypatch.setattr(sync_transactions, "ROWS_PER_WRITE", 1)


@pytest.mark.parametrize("page", range(5))
def test_a_crash_between_pages_leaves_the_watermark_where_it_was(service, upstream, resources, small_writes, page):
    upstream.settings(firstRunDays=365)
    item_id = upstream.connect(products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"])
    service.deliver(*upstream.take_events())

    with (
        when_answered(resources, "/v2/transactions", crash, skip=page),
        pytest.raises(CrashError),
    ):
        run_queued(resources)

    assert service.item(item_id).synced_through is None
    complete = {raw["accountId"] for raw in upstream.truth(item_id)["transactions"]}
    for account in service.rows(accounts):
        stored = {row.id for row in service.rows(transactions, transactions.c.account_id == account.id)}
        true = {raw["id"] for raw in upstream.truth(item_id)["transactions"] if raw["accountId"] == account.id}
        assert account.id in complete
        assert account.synced_through is None or stored == true

    service.work_until_quiet()
    service.assert_mirrors(item_id)
    assert set(watermarks(service, item_id)) == {collected_at(upstream, item_id)}


def test_a_crash_of_a_later_sync_leaves_the_old_watermark(service, upstream, resources):
    item_id = upstream.connect()
    service.catch_up()
    before = watermarks(service, item_id)
    upstream.later(days=5)
    upstream.evolve(item_id, {"kind": "add", "count": 3}, "remove")
    upstream.run(item_id)
    service.deliver(*upstream.take_events())

    with when_answered(resources, "/v2/transactions", crash), pytest.raises(CrashError):
        run_queued(resources)
    assert service.item(item_id).synced_through == before[0]

    service.work_until_quiet()
    service.assert_mirrors(item_id)


@pytest.mark.parametrize("endpoint", ["GET /accounts", "GET /v2/transactions", "GET /investments", "GET /identity"])
def test_a_sync_that_fails_leaves_the_watermark_and_is_done_again(service, upstream, endpoint):
    item_id = upstream.connect()
    service.catch_up()
    before = service.item(item_id).synced_through
    upstream.later(days=1)
    upstream.run(item_id)
    upstream.fail({"endpoint": endpoint, "do": "status", "status": 500})

    service.deliver(*upstream.take_events())
    service.work()
    assert service.item(item_id).synced_through == before
    assert service.runs()[-1].outcome == "failed"

    upstream.fail()
    service.work_until_quiet()
    assert service.item(item_id).synced_through == collected_at(upstream, item_id)
    service.assert_mirrors(item_id)


def test_what_is_recorded_is_the_collection_itself_and_what_is_read_is_three_days_more(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    first = collected_at(upstream, item_id)
    assert set(watermarks(service, item_id)) == {first}
    upstream.later(days=10)
    upstream.run(item_id)
    upstream.take_requests()

    service.catch_up()

    queries = [each["query"] for each in upstream.take_requests() if each["endpoint"] == "GET /v2/transactions"]
    day = (first.astimezone(payloads.SAO_PAULO).date() - timedelta(days=3)).isoformat()
    assert [query for query in queries if "dateFrom" in query]
    assert all(f"dateFrom={day}" in query for query in queries if "dateFrom" in query)
    assert set(watermarks(service, item_id)) == {collected_at(upstream, item_id)}


def test_an_item_that_failed_for_a_month_catches_up_that_month(service, upstream):
    item_id = upstream.connect(user="user-ok")
    service.catch_up()
    upstream.update(item_id, {"user": "user-unavailable", "password": "password-ok"})
    service.catch_up()
    upstream.later(days=30)
    upstream.update(item_id, {"user": "user-unavailable", "password": "password-ok"})
    service.catch_up()
    before = service.item(item_id).synced_through

    upstream.update(item_id, {"user": "user-ok", "password": "password-ok"})
    service.catch_up()

    assert service.runs()[-1].window_from <= before.date() - timedelta(days=3)
    service.assert_mirrors(item_id)


def test_an_older_view_of_the_item_never_sets_the_watermark_back(service, upstream, resources, monkeypatch):
    item_id = upstream.connect()
    service.catch_up()
    old = resources.pluggy.item(item_id)
    upstream.later(days=2)
    upstream.run(item_id)
    service.catch_up()
    newest = watermarks(service, item_id)

    monkeypatch.setattr(resources.pluggy, "item", lambda _: old)
    service.deliver(an_event(itemId=item_id))
    service.work_until_quiet()

    assert watermarks(service, item_id) == newest


def test_a_partial_run_without_transactions_does_not_move_the_watermark(service, upstream):
    item_id = upstream.connect("user-ok-account-error")
    service.catch_up()

    assert service.item(item_id).execution_status == "PARTIAL_SUCCESS"
    service.assert_mirrors(item_id)
