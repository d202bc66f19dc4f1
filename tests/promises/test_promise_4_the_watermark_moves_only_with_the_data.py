"""Promise 4: the watermark is written with the last data, only forward, and without the overlap that is read."""

from datetime import timedelta

import pytest

from pluggy_sync import wire
from pluggy_sync.engine import sweep
from pluggy_sync.engine.sync import transactions as sync_transactions
from pluggy_sync.pluggy import payloads
from pluggy_sync.rules.backoff import SHOWN_LATE_WAITS
from pluggy_sync.store.tables import accounts, incomplete_parts, outbox, transactions
from tests.kit.factories import an_event, an_id
from tests.kit.interception import changed, edited, emptied, hiding, refused, when_answered
from tests.kit.workers import next_due_at, run_queued


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
    upstream.settings(firstRunDays=365, historyDays=365)
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
    item_id = upstream.connect(products=None)
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


# What Pluggy shows right after an event is not final. A part that shows nothing at first is read again soon.


def try_again(service):
    """Move the time to what is due next, and do it."""
    service.res.now.advance_to(next_due_at(service.res))
    sweep.sweep(service.res)
    service.work()


def is_pending(service):
    return next_due_at(service.res) is not None


@pytest.mark.parametrize("answer", [edited(emptied), refused(404)], ids=["no rows", "404"])
def test_an_account_that_shows_nothing_at_first_keeps_its_window_open(service, upstream, resources, answer):
    upstream.settings(firstRunDays=60)
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    with changed(resources, "/v2/transactions", answer):
        service.work()
        assert (service.notifications(), is_pending(service)) == ([], True)
        assert set(watermarks(service, item_id)) == {None}

    try_again(service)

    assert service.notifications() == ["item.synced"]
    service.assert_mirrors(item_id)


def test_an_account_that_shows_nothing_for_long_is_read_whole_once_it_shows_rows(service, upstream, resources):
    upstream.settings(firstRunDays=60)
    item_id = upstream.connect()
    with changed(resources, "/v2/transactions", edited(emptied)):
        service.catch_up()
    upstream.later(days=1)
    upstream.run(item_id)

    service.catch_up()

    service.assert_mirrors(item_id)


def test_an_account_without_rows_is_read_again_a_few_times_and_then_counts_as_synced(service, upstream, resources):
    item_id = upstream.connect(products=["ACCOUNTS", "TRANSACTIONS"])
    service.deliver(*upstream.take_events())
    with changed(resources, "/v2/transactions", edited(emptied)):
        service.work()
        for _ in SHOWN_LATE_WAITS:
            assert (service.notifications(), is_pending(service)) == ([], True)
            upstream.take_requests()
            try_again(service)
            # One request for each account.
            assert [each["endpoint"] for each in upstream.take_requests()] == ["GET /v2/transactions"]

    assert (service.notifications(), is_pending(service)) == (["item.synced"], False)
    assert service.item(item_id).first_synced_at is not None
    assert service.runs()[-1].incomplete is None


def test_one_account_without_rows_does_not_hold_the_rows_of_others_back(service, upstream, resources):
    item_id = upstream.connect("user-ok-two-checking-accounts", products=["ACCOUNTS", "TRANSACTIONS"])
    silent = min(account["id"] for account in upstream.truth(item_id)["accounts"])
    service.deliver(*upstream.take_events())

    with changed(resources, "/v2/transactions", refused(404, of=silent)):
        service.work()

    others = {row["id"] for row in upstream.truth(item_id)["transactions"] if row["accountId"] != silent}
    assert service.transaction_ids() == others
    assert service.item(item_id).synced_through is None
    try_again(service)
    service.assert_mirrors(item_id)


@pytest.mark.parametrize("empty_reads", [1, len(SHOWN_LATE_WAITS)])
def test_a_first_run_without_accounts_is_not_told_as_synced_until_they_come(service, upstream, resources, empty_reads):
    item_id = upstream.connect(products=None)
    service.deliver(*upstream.take_events())
    with changed(resources, "/accounts", edited(emptied)):
        service.work()
        for _ in range(empty_reads - 1):
            try_again(service)
        assert (service.notifications(), is_pending(service)) == ([], True)

    try_again(service)

    assert service.notifications() == ["item.synced"]
    service.assert_mirrors(item_id)


def test_an_item_that_stays_without_accounts_is_synced_after_the_retries(service, upstream, resources):
    item_id = upstream.connect(products=None)
    with changed(resources, "/accounts", edited(emptied)):
        service.catch_up()

    assert len(service.runs()) == 1 + len(SHOWN_LATE_WAITS)
    assert service.notifications() == ["item.synced"]
    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()
    service.assert_mirrors(item_id)


def test_the_product_reads_on_from_where_it_was_told_last_whatever_runs_it_was_not_told_of(
    service, upstream, resources
):
    item_id = upstream.connect("user-ok-two-checking-accounts", products=["ACCOUNTS", "TRANSACTIONS"])
    silent = min(account["id"] for account in upstream.truth(item_id)["accounts"])
    service.deliver(*upstream.take_events())
    with changed(resources, "/v2/transactions", refused(404, of=silent)):
        service.work()
    assert service.notifications() == []
    assert service.transaction_ids()

    try_again(service)

    (told,) = [wire.decode(row.body)["data"] for row in service.rows(outbox)]
    assert told["cursor"] == "0"
    assert service.item(item_id).told_change_seq == service.item(item_id).change_seq


def a_later_collection(upstream, item_id):
    """Add old rows and let Pluggy collect them; return their ids, what tells of them, and what else is told."""
    upstream.later(days=1)
    added = upstream.evolve(item_id, {"kind": "add", "count": 2, "days": 20})["added"]
    upstream.run(item_id)
    events = upstream.take_events()
    telling = [event for event in events if event["event"] == "transactions/created"]
    return added, telling, [event for event in events if event not in telling]


def test_rows_that_become_visible_after_the_read_are_brought_by_the_event_that_is_told_after_it(
    service, upstream, resources
):
    upstream.settings(firstRunDays=60)
    item_id = upstream.connect()
    service.catch_up()
    added, telling, others = a_later_collection(upstream, item_id)
    with hiding(resources, *added):
        service.deliver(*others)
        service.work_until_quiet()
    assert not set(added) & service.transaction_ids()

    service.deliver(*telling)
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_rows_that_were_told_of_and_are_not_visible_yet_are_waited_for(service, upstream, resources):
    item_id = upstream.connect()
    service.catch_up()
    added, telling, others = a_later_collection(upstream, item_id)
    with hiding(resources, *added):
        service.deliver(*telling, *others)
        service.work()
        assert is_pending(service)

    try_again(service)

    service.assert_mirrors(item_id)
    assert not is_pending(service)


def test_rows_that_were_told_of_and_never_become_visible_are_given_up(service, upstream, resources):
    item_id = upstream.connect()
    service.catch_up()
    added, telling, others = a_later_collection(upstream, item_id)
    before = len(service.runs())

    with hiding(resources, *added):
        service.deliver(*telling, *others)
        service.work_until_quiet()

    assert len(service.runs()) - before == 1 + len(SHOWN_LATE_WAITS)
    assert service.rows(incomplete_parts) == []


def test_a_change_of_a_row_inside_the_window_is_read_when_it_is_told_after_the_run(service, upstream, resources):
    item_id = upstream.connect()
    service.catch_up()
    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()
    row = max(service.rows(transactions), key=lambda each: each.date)
    later = (row.updated_at + timedelta(minutes=5)).isoformat()

    def recategorise(page):
        for each in page["results"]:
            if each["id"] == row.id:
                each.update(categoryId="10000000", updatedAt=later)

    with changed(resources, "/v2/transactions", edited(recategorise)):
        named = {"accountId": row.account_id, "transactionIds": [row.id]}
        service.deliver(an_event("transactions/updated", itemId=item_id, **named))
        service.work_until_quiet()

    (now,) = service.rows(transactions, transactions.c.id == row.id)
    assert now.category_id == "10000000"


def test_changes_are_read_500_ids_at_a_time(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    account = service.rows(transactions)[0].account_id
    mine = [row.id for row in service.rows(transactions, transactions.c.account_id == account)][1:]
    upstream.take_requests()

    for start in range(0, 1200, 400):
        ids = [an_id() for _ in range(start, start + 400 - len(mine))] + mine
        service.deliver(an_event("transactions/updated", itemId=item_id, accountId=account, transactionIds=ids))
    service.work_until_quiet()

    asked = [each["query"] for each in upstream.take_requests() if each["endpoint"] == "GET /v2/transactions"]
    assert len(asked) == 3
    service.assert_mirrors(item_id)


def test_rows_are_read_though_the_item_shows_no_new_collection(service, upstream, resources):
    item_id = upstream.connect()
    service.catch_up()
    row = service.rows(transactions)[0]
    created = (row.created_at + timedelta(days=1)).isoformat()
    new = {**row.raw, "id": an_id(), "createdAt": created, "updatedAt": created}

    with changed(resources, "/v2/transactions", edited(lambda page: page["results"].insert(0, new))):
        named = {"accountId": row.account_id, "transactionsCreatedAtFrom": created}
        service.deliver(an_event("transactions/created", itemId=item_id, **named))
        service.work_until_quiet()

    assert new["id"] in service.transaction_ids()
