"""
Promise 5: a removed transaction does not come back, unless Pluggy shows it again; no deletion is believed on an event's
word; a deleted Item is purged and late events change nothing.
"""

import pytest

from pluggy_sync import wire
from pluggy_sync.engine.reconciliation import reconcile
from pluggy_sync.store.tables import (
    accounts,
    changes,
    inbox,
    item_progress,
    items,
    metadata,
    outbox,
    tombstones,
    transactions,
)
from tests.kit.factories import an_event, an_id
from tests.kit.interception import changed, hiding, when_answered
from tests.kit.workers import run_queued


def in_sync(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    return item_id


def test_a_row_removed_after_its_page_was_read_does_not_stay(service, upstream, resources):
    item_id = in_sync(service, upstream)
    upstream.later(days=1)
    upstream.run(item_id)
    service.deliver(*upstream.take_events())
    removed = {}

    def a_row_is_removed():
        # Pluggy removes a row of the page that was just answered, and its event comes before the page is written.
        removed.update(upstream.evolve(item_id, "remove"))
        upstream.run(item_id)
        service.deliver(*[event for event in upstream.take_events() if event["event"] == "transactions/deleted"])
        run_queued(resources)

    with when_answered(resources, "/v2/transactions", a_row_is_removed, skip=0):
        run_queued(resources)

    assert removed["removed"]
    assert not set(removed["removed"]) & service.transaction_ids()


def said_to_be_deleted(*rows, item_id):
    """Return an event that says so of *rows* of one account; Pluggy may still have them."""
    (account_id,) = {row["accountId"] for row in rows}
    ids = [row["id"] for row in rows]
    return an_event("transactions/deleted", itemId=item_id, accountId=account_id, transactionIds=ids)


def test_a_row_is_not_removed_on_the_word_of_an_event(service, upstream):
    item_id = in_sync(service, upstream)
    row = upstream.truth(item_id)["transactions"][0]
    upstream.take_requests()

    service.deliver(said_to_be_deleted(row, item_id=item_id))
    service.work_until_quiet()

    assert [each["endpoint"] for each in upstream.take_requests()] == ["GET /items/{id}", "GET /v2/transactions"]
    assert service.rows(tombstones) == []
    service.assert_mirrors(item_id)


def test_a_deletion_that_is_told_before_the_first_read_does_not_hide_a_row_that_is_there(service, upstream):
    item_id = upstream.connect()
    row = upstream.truth(item_id)["transactions"][0]

    service.deliver(said_to_be_deleted(row, item_id=item_id), *upstream.take_events())
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_of_the_rows_that_are_said_to_be_deleted_those_are_removed_that_pluggy_does_not_give(service, upstream):
    item_id = in_sync(service, upstream)
    (gone,) = upstream.evolve(item_id, "remove")["removed"]
    upstream.run(item_id)
    told = next(event for event in upstream.take_events() if event["event"] == "transactions/deleted")
    account = told["accountId"]
    there = [row for row in upstream.truth(item_id)["transactions"] if row["accountId"] == account][:2]

    service.deliver(told | {"transactionIds": [gone, *(row["id"] for row in there)]})
    service.work()

    assert [(row.id, row.reason) for row in service.rows(tombstones)] == [(gone, "event")]
    assert {row["id"] for row in there} <= service.transaction_ids()


def test_a_deletion_of_rows_that_are_not_stored_costs_no_request_for_them(service, upstream):
    item_id = in_sync(service, upstream)
    account_id = service.rows(transactions)[0].account_id
    upstream.take_requests()

    event = an_event("transactions/deleted", itemId=item_id, accountId=account_id, transactionIds=[an_id()])
    service.deliver(event)
    service.work_until_quiet()

    assert [each["endpoint"] for each in upstream.take_requests()] == ["GET /items/{id}"]
    assert (service.rows(tombstones), service.notifications()) == ([], ["item.synced"])


def test_a_deletion_is_not_believed_while_pluggy_shows_nothing_at_all(service, upstream):
    item_id = in_sync(service, upstream)
    rows = upstream.truth(item_id)["transactions"]
    account = rows[0]["accountId"]
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "empty"})

    service.deliver(said_to_be_deleted(*[row for row in rows if row["accountId"] == account], item_id=item_id))
    service.work_until_quiet()

    assert service.rows(tombstones) == []
    assert {row["id"] for row in rows} == service.transaction_ids()
    assert [each["reason"] for each in service.runs()[-1].incomplete] == ["empty"]


@pytest.mark.parametrize("shown_by", ["the window", "an event", "reconciliation"])
def test_a_row_that_was_hidden_and_is_shown_again_comes_back_and_counts_as_a_repair(
    service, upstream, resources, shown_by
):
    item_id = in_sync(service, upstream)
    newest = max(service.rows(transactions), key=lambda row: row.date)
    with hiding(resources, newest.id):
        service.deliver(said_to_be_deleted({"id": newest.id, "accountId": newest.account_id}, item_id=item_id))
        service.work_until_quiet()
    assert newest.id not in service.transaction_ids()

    if shown_by == "the window":
        upstream.later(days=1)
        upstream.run(item_id)
        service.catch_up()
    elif shown_by == "an event":
        named = {"accountId": newest.account_id, "transactionIds": [newest.id]}
        service.deliver(an_event("transactions/updated", itemId=item_id, **named))
        service.work_until_quiet()
    else:
        reconcile(service.res, item_id)

    assert [run.repaired for run in service.runs()][-1] == 1
    assert [row.kind for row in service.rows(changes, changes.c.transaction_id == newest.id)] == [
        "added",
        "removed",
        "added",
    ]
    # The bank itself may have removed others as the day passed.
    assert service.rows(tombstones, tombstones.c.id == newest.id) == []
    service.assert_mirrors(item_id)


@pytest.mark.parametrize("outside_the_window", [False, True])
def test_a_row_that_moves_to_another_account_under_its_id_is_moved_and_not_removed(
    service, upstream, resources, outside_the_window
):
    item_id = upstream.connect("user-ok-two-checking-accounts")
    service.catch_up()
    source, target = sorted(row.id for row in service.rows(accounts) if row.type == "BANK")
    of_source = service.rows(transactions, transactions.c.account_id == source)
    row = (min if outside_the_window else max)(of_source, key=lambda each: each.date)
    moved = {**row.raw, "accountId": target}

    def move(given):
        asked = given.query
        page = wire.decode(given.answer.content)
        page["results"] = [each for each in page["results"] if each["id"] != row.id]
        if asked["accountId"] == target and (row.id in asked.get("ids", "") or "ids" not in asked):
            page["results"].insert(0, moved)
        given.set(content=wire.encode(page))

    with changed(resources, "/v2/transactions", move):
        for _ in range(2):
            upstream.later(days=1)
            upstream.run(item_id)
            service.catch_up()
        assert [each.account_id for each in service.rows(transactions, transactions.c.id == row.id)] == [target]

    # The feed says so once, in one entry that names the new account.
    told = service.rows(changes, changes.c.transaction_id == row.id)
    assert [(each.kind, each.account_id) for each in told] == [("added", source), ("modified", target)]
    assert service.rows(tombstones, tombstones.c.id == row.id) == []


def test_a_deletion_for_an_unknown_item_leaves_no_ghost(service, upstream):
    item_id = upstream.connect()
    upstream.delete(item_id)
    upstream.take_events()

    service.deliver(an_event("transactions/deleted", itemId=item_id, accountId=an_id(), transactionIds=[an_id()]))
    service.work()

    assert service.rows(items) == []
    assert service.rows(tombstones) == []


def test_a_removed_row_leaves_a_tombstone_and_one_entry_in_the_feed(service, upstream):
    item_id = in_sync(service, upstream)
    (gone,) = upstream.evolve(item_id, "remove")["removed"]
    upstream.run(item_id)
    events = upstream.take_events()

    service.deliver(*events)
    service.work_until_quiet()
    service.deliver(*[event | {"eventId": f"again-{number}"} for number, event in enumerate(events)])
    service.work_until_quiet()

    assert [row.id for row in service.rows(tombstones)] == [gone]
    assert [row.transaction_id for row in service.rows(changes, changes.c.kind == "removed")] == [gone]
    service.assert_mirrors(item_id)


def test_a_row_whose_event_was_lost_is_found_missing_and_stays_gone(service, upstream):
    item_id = in_sync(service, upstream)
    (gone,) = upstream.evolve(item_id, "remove")["removed"]
    upstream.run(item_id)

    service.deliver(*[event for event in upstream.take_events() if event["event"] == "item/updated"])
    service.work_until_quiet()

    assert gone not in service.transaction_ids()
    assert [(row.id, row.reason) for row in service.rows(tombstones)] == [(gone, "absent")]
    service.assert_mirrors(item_id)


def test_removing_rows_of_another_item_s_account_is_not_possible(service, upstream):
    first = in_sync(service, upstream)
    second = upstream.connect("user-ok-two-checking-accounts")
    service.catch_up()
    row = upstream.truth(first)["transactions"][0]

    service.deliver(
        an_event("transactions/deleted", itemId=second, accountId=row["accountId"], transactionIds=[row["id"]])
    )
    service.work_until_quiet()

    assert row["id"] in service.transaction_ids()


def of_item(service, item_id):
    """Return the names of the tables that hold something of the Item, and what."""
    found = {}
    for table in metadata.sorted_tables:
        column = "item_id" if "item_id" in table.c else "id" if table is items else None
        if column is not None:
            rows = service.rows(table, table.c[column] == item_id)
            if rows:
                found[table.name] = rows
    return found


def deleted(service, upstream, **more):
    item_id = upstream.connect(**more)
    service.catch_up()
    upstream.later(days=1)
    upstream.update(item_id, {"user": "user-bad", "password": "password-bad"})
    service.catch_up()
    assert service.actions()
    upstream.delete(item_id)
    service.catch_up()
    return item_id


def test_a_deleted_item_is_purged_of_everything_that_is_the_persons(service, upstream):
    item_id = deleted(service, upstream, products=None)

    left = of_item(service, item_id)
    assert set(left) <= {"items", "item_progress", "inbox", "outbox", "deliveries", "sync_runs"}
    (item,) = left["items"]
    assert item.deleted_at is not None
    assert (item.raw, item.client_user_id, item.status, item.synced_through) == (None, None, None, None)
    assert "user-42" not in str([row.payload for row in left["inbox"]])
    assert [row.type for row in left["outbox"]] == ["item.deleted"]


def test_the_product_hears_once_that_an_item_was_deleted(service, upstream):
    item_id = deleted(service, upstream)
    service.deliver(*[an_event("item/deleted", itemId=item_id) for _ in range(3)])
    service.work_until_quiet()

    assert [row.type for row in service.rows(outbox, outbox.c.item_id == item_id)] == ["item.deleted"]


@pytest.mark.parametrize("name", ["item/updated", "item/created", "item/error", "item/waiting_user_input"])
def test_late_events_for_a_deleted_item_change_nothing_and_cost_nothing(service, upstream, name):
    item_id = deleted(service, upstream)
    before = {name: rows for name, rows in of_item(service, item_id).items() if name not in ("inbox", "item_progress")}
    upstream.take_requests()

    service.deliver(an_event(name, itemId=item_id))
    service.work_until_quiet()

    after = {name: rows for name, rows in of_item(service, item_id).items() if name not in ("inbox", "item_progress")}
    assert after == before
    assert upstream.take_requests() == []
    assert {row.state for row in service.rows(inbox)} == {"handled"}


def test_late_transaction_events_for_a_deleted_item_leave_no_trace(service, upstream):
    item_id = deleted(service, upstream)
    ids = {"accountId": "a", "transactionIds": ["x"]}

    service.deliver(
        an_event("transactions/created", itemId=item_id, accountId="a"),
        an_event("transactions/updated", itemId=item_id, **ids),
        an_event("transactions/deleted", itemId=item_id, **ids),
    )
    service.work_until_quiet()

    assert set(of_item(service, item_id)) <= {"items", "item_progress", "inbox", "outbox", "deliveries", "sync_runs"}


@pytest.mark.parametrize("moment", ["/accounts", "/v2/transactions", "/investments", "/identity"])
def test_an_item_deleted_during_its_sync_leaves_nothing_behind(service, upstream, resources, moment):
    item_id = upstream.connect(products=None)
    service.deliver(*upstream.take_events())

    def it_is_deleted():
        upstream.delete(item_id)
        service.deliver(*upstream.take_events())
        run_queued(resources)

    with when_answered(resources, moment, it_is_deleted) as done:
        service.work_until_quiet()

    assert done
    assert set(of_item(service, item_id)) <= {"items", "item_progress", "inbox", "outbox", "deliveries", "sync_runs"}
    assert service.item(item_id).deleted_at is not None


def test_an_item_that_is_still_there_is_not_purged_on_the_word_of_an_event(service, upstream):
    item_id = in_sync(service, upstream)

    service.deliver(an_event("item/deleted", itemId=item_id))
    service.work_until_quiet()

    assert service.item(item_id).deleted_at is None
    service.assert_mirrors(item_id)


def test_a_404_soon_after_an_event_deletes_nothing(service, upstream):
    upstream.fail(not_found_after_event=3)
    item_id = upstream.connect()

    service.catch_up()

    assert service.item(item_id).deleted_at is None
    service.assert_mirrors(item_id)


def test_an_item_that_stays_unknown_is_taken_for_deleted(service, upstream):
    item_id = in_sync(service, upstream)
    upstream.delete(item_id)
    upstream.take_events()  # the event itself was lost

    service.deliver(an_event(itemId=item_id))
    service.work()
    assert service.item(item_id).deleted_at is None

    service.work_until_quiet()
    assert service.item(item_id).deleted_at is not None


@pytest.mark.parametrize("name", ["item/updated", "item/deleted", "something/new"])
def test_an_item_that_pluggy_never_knew_disappears_and_nothing_is_told(service, name):
    item_id = an_id()
    service.deliver(an_event(name, itemId=item_id))

    service.work_until_quiet()

    assert (service.rows(items), service.rows(item_progress), service.notifications()) == ([], [], [])


def test_an_event_that_names_the_account_of_another_item_removes_nothing(service, upstream):
    item_id, other_id = upstream.connect(), upstream.connect("user-ok-two-checking-accounts")
    service.catch_up()
    row = next(row for row in service.rows(transactions) if row.item_id == other_id)

    service.deliver(
        an_event("transactions/deleted", itemId=item_id, accountId=row.account_id, transactionIds=[row.id, an_id()])
    )
    service.work_until_quiet()

    assert row.id in service.transaction_ids()
    assert service.rows(tombstones) == []
