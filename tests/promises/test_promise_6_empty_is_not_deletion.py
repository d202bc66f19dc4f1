"""Promise 6: an empty or failed answer never removes data by itself."""

import pytest

from pluggy_sync.engine.reconciliation import reconcile
from pluggy_sync.engine.sync.item import sync_deeply
from pluggy_sync.store.tables import (
    accounts,
    bills,
    changes,
    identities,
    investment_transactions,
    investments,
    loans,
    tombstones,
    transactions,
)
from tests.kit.factories import an_event
from tests.kit.interception import changed, edited, emptied, refused

TABLES = (accounts, transactions, bills, investments, identities, loans)


def ids(service):
    return {table.name: {row.id for row in service.rows(table)} for table in TABLES}


def gone_at_the_bank(service, upstream, item_id):
    """Return the ids of transactions that the bank itself removed: on some days it replaces a pending row."""
    return service.transaction_ids() - {row["id"] for row in upstream.truth(item_id)["transactions"]}


@pytest.fixture
def item_id(service, upstream):
    """An Item in sync, whose next run is ready to be told of."""
    item_id = upstream.connect(products=None)
    service.catch_up()
    upstream.later(days=1)
    upstream.run(item_id)
    return item_id


@pytest.mark.parametrize(
    "endpoint",
    ["GET /v2/transactions", "GET /accounts", "GET /bills", "GET /investments", "GET /identity", "GET /loans", "*"],
)
def test_an_empty_answer_removes_nothing(service, upstream, item_id, endpoint):
    before, gone = ids(service), gone_at_the_bank(service, upstream, item_id)
    assert all(before.values())
    events = upstream.take_events()
    if endpoint == "*":
        rules = [
            {"endpoint": each, "do": "empty"}
            for each in ("GET /v2/transactions", "GET /accounts", "GET /bills", "GET /investments", "GET /loans")
        ]
    else:
        rules = [{"endpoint": endpoint, "do": "empty"}]
    upstream.fail(*rules)

    service.deliver(*[event for event in events if event["event"] != "transactions/deleted"])
    service.work_until_quiet()

    after = ids(service)
    for name, stored in before.items():
        assert stored - gone <= after[name], name
    assert {row.id for row in service.rows(tombstones)} <= gone
    assert {row.transaction_id for row in service.rows(changes, changes.c.kind == "removed")} <= gone


def test_a_window_that_came_back_empty_by_mistake_removes_nothing(service, upstream, item_id):
    # Only the pages are empty; asked for by their ids, the rows are there.
    before = service.transaction_ids() - gone_at_the_bank(service, upstream, item_id)
    accounts_of = len(service.rows(accounts))
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "empty", "times": accounts_of})

    service.deliver(*[event for event in upstream.take_events() if event["event"] == "item/updated"])
    service.work_until_quiet()

    assert before <= service.transaction_ids()


@pytest.mark.parametrize("fault", [{"do": "status", "status": 500}, {"do": "drop"}, {"do": "not_found"}])
def test_a_failed_answer_removes_nothing(service, upstream, item_id, fault):
    before = ids(service)
    upstream.fail({"endpoint": "GET /v2/transactions", "times": 30, **fault})

    service.deliver(*[event for event in upstream.take_events() if event["event"] != "transactions/deleted"])
    service.work()

    after = ids(service)
    for name, stored in before.items():
        assert stored <= after[name], name
    assert service.rows(tombstones) == []


def test_a_withdrawn_consent_keeps_the_data_and_asks_the_person(service, upstream):
    item_id = upstream.connect(connector=600, parameters={"cpf": "761.092.776-73"}, products=None)
    upstream.approve(item_id)
    service.catch_up()
    before = ids(service)
    assert before["transactions"]
    upstream.later(days=1)
    upstream.revoke(item_id)
    upstream.run(item_id)

    service.catch_up()

    assert ids(service) == before
    assert [(action.kind, action.state) for action in service.actions()][-1] == ("consent", "open")


def test_an_item_whose_data_vanished_while_its_run_was_good_keeps_it(service, upstream, item_id):
    before = ids(service)
    upstream.revoke(item_id)  # the API answers with nothing, the last run was good

    service.catch_up()

    for name, stored in before.items():
        assert stored <= ids(service)[name], name
    assert service.item(item_id).deleted_at is None


def test_what_was_kept_in_doubt_is_counted(service, upstream, item_id):
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "empty"})

    service.deliver(*[event for event in upstream.take_events() if event["event"] == "item/updated"])
    service.work_until_quiet()

    assert sum(run.doubted for run in service.runs()) > 0
    assert sum(run.removed for run in service.runs()) == 0


def test_a_reconciliation_of_an_item_that_answers_nothing_removes_nothing(service, upstream, item_id):
    service.catch_up()
    before = ids(service)
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "empty"}, {"endpoint": "GET /accounts", "do": "empty"})

    assert sync_deeply(service.res, item_id)

    assert ids(service) == before


def test_an_account_that_is_no_longer_listed_is_kept(service, upstream, item_id):
    before = ids(service)["accounts"]
    upstream.fail({"endpoint": "GET /accounts", "do": "empty", "times": 1})

    service.deliver(an_event(itemId=item_id))
    service.work_until_quiet()

    assert ids(service)["accounts"] == before


@pytest.mark.parametrize("empty_answers", [1, 3, 5])
def test_empty_answers_that_pass_remove_nothing_and_hide_nothing(service, upstream, resources, empty_answers):
    item_id = upstream.connect()
    service.catch_up()
    # More days than a later window overlaps: what this sync misses, no later one sees.
    upstream.later(days=8)
    upstream.evolve(item_id, {"kind": "add", "count": 2, "days": 5})
    upstream.run(item_id)
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "empty", "times": empty_answers})

    service.catch_up()
    for _ in range(2):
        upstream.later(days=8)
        upstream.run(item_id)
        service.catch_up()

    service.assert_mirrors(item_id)


def test_what_an_account_hid_behind_empty_answers_for_a_whole_run_is_repaired(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.later(days=8)
    added = upstream.evolve(item_id, {"kind": "add", "count": 2, "days": 5})["added"]
    upstream.run(item_id)
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "empty"})
    service.catch_up()
    upstream.fail()

    upstream.later(days=8)
    upstream.run(item_id)
    service.catch_up()
    assert set(added) <= service.transaction_ids()
    reconcile(service.res, item_id)

    service.assert_mirrors(item_id)


def test_a_list_that_is_empty_beside_rows_that_exist_does_not_pass_for_a_collection(service, upstream):
    item_id = upstream.connect(products=["ACCOUNTS", "TRANSACTIONS"])
    service.catch_up()
    upstream.later(days=8)
    upstream.evolve(item_id, {"kind": "add", "count": 2, "days": 5})
    upstream.run(item_id)
    # Of the one account: the window and what was ingested late are empty, the two reads in between are not.
    empty = {"endpoint": "GET /v2/transactions", "do": "empty", "times": 1}
    upstream.fail(empty, {**empty, "skip": 2})
    service.catch_up()

    service.assert_mirrors(item_id)
    assert "failed" in [run.outcome for run in service.runs()]


# What is really gone is marked once Pluggy proves it: it gives the single objects neither.

SINGLE = {
    "investments": (investments, "/investments", "/investments/[^/]+"),
    "loans": (loans, "/loans", "/loans/[^/]+"),
    "bills": (bills, "/bills", "/bills/[^/]+"),
    "identity": (identities, "/identity", "/identity/[^/]+"),
    "accounts": (accounts, "/accounts", "/accounts/[^/]+"),
}


@pytest.mark.parametrize("name", SINGLE)
def test_the_last_of_a_list_is_marked_when_pluggy_gives_it_by_its_id_no_more(
    service, upstream, resources, item_id, name
):
    table, path, single = SINGLE[name]
    gone = refused(404) if name == "identity" else edited(emptied)

    with changed(resources, path, gone), changed(resources, single, refused(404)):
        service.catch_up()

    assert service.rows(table)
    assert all(row.missing_since is not None for row in service.rows(table))
    assert service.runs()[-1].incomplete is None


@pytest.mark.parametrize("name", ["investments", "loans", "bills", "accounts"])
def test_a_list_that_is_empty_beside_single_objects_marks_nothing_and_is_read_again(
    service, upstream, resources, item_id, name
):
    table, path, _ = SINGLE[name]

    with changed(resources, path, edited(emptied)):
        service.deliver(*upstream.take_events())
        service.work()
        assert service.runs()[-1].outcome == "failed"
    service.work_until_quiet()

    assert all(row.missing_since is None for row in service.rows(table))
    service.assert_mirrors(item_id)


def test_nothing_is_marked_while_the_item_shows_nothing_at_all(service, upstream, resources, item_id):
    everything = "/(accounts|v2/transactions|bills|investments|loans)"

    with (
        changed(resources, everything, edited(emptied)),
        changed(resources, "/identity|/(accounts|bills|investments|loans)/.*", refused(404)),
    ):
        service.deliver(*[event for event in upstream.take_events() if event["event"] == "item/updated"])
        service.work_until_quiet()

    for table in (accounts, bills, investments, identities, loans):
        assert all(row.missing_since is None for row in service.rows(table)), table.name
    assert {each["reason"] for each in service.runs()[-1].incomplete} == {"empty"}
    assert service.rows(tombstones) == []


def test_the_movements_of_investments_that_are_gone_are_marked_too(service, upstream, resources, item_id):
    with (
        changed(resources, "/investments", edited(emptied)),
        changed(resources, "/investments/.*", refused(404)),
    ):
        service.catch_up()

    assert service.rows(investment_transactions)
    assert all(row.missing_since is not None for row in service.rows(investment_transactions))


def test_the_movements_of_one_investment_that_a_list_lacks_are_marked_and_come_back_with_it(
    service, upstream, resources, item_id
):
    gone = service.rows(investments)[0].id

    def without_it(page):
        page["results"] = [each for each in page["results"] if each["id"] != gone]

    with changed(resources, "/investments", edited(without_it)):
        service.catch_up()
    marked = service.rows(investment_transactions, investment_transactions.c.missing_since.is_not(None))
    assert marked
    assert {row.parent_id for row in marked} == {gone}

    upstream.later(days=1)
    upstream.run(item_id)
    service.catch_up()
    service.assert_mirrors(item_id)
