"""What lost webhooks left behind is found by reading, and counted."""

import dataclasses
import itertools
from datetime import timedelta

from pluggy_sync import queue
from pluggy_sync.engine import reconciliation
from pluggy_sync.pluggy.errors import PluggyUnavailableError
from pluggy_sync.rules.pace import Room
from pluggy_sync.store import counters, inbox, transactions
from tests.kit.factories import a_transaction
from tests.kit.workers import take_messages


def repaired(service):
    with service.res.database.begin() as conn:
        return counters.value(conn, counters.ROWS_REPAIRED)


def test_rows_that_changed_unseen_are_repaired_and_counted(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.later(days=1)
    upstream.evolve(item_id, "add", {"kind": "edit", "days": 20})
    upstream.run(item_id)
    # The event that names the changed row is lost; the window does not reach back to it.
    service.deliver(*[event for event in upstream.take_events() if not event["event"].startswith("transactions/")])
    service.work_until_quiet()
    assert repaired(service) == 0

    reconciliation.reconcile(service.res, item_id)

    assert repaired(service) > 0
    service.assert_mirrors(item_id)


def test_a_reconciliation_that_finds_nothing_changes_nothing_and_tells_nobody(service, upstream):
    item_id = upstream.connect(products=None)
    service.catch_up()
    before = (service.transaction_ids(), service.notifications(), service.item(item_id).change_seq)

    reconciliation.reconcile(service.res, item_id)

    assert (service.transaction_ids(), service.notifications(), service.item(item_id).change_seq) == before
    assert service.item(item_id).reconciled_at is not None
    assert repaired(service) == 0


def test_a_reconciliation_reads_and_never_updates_the_item(service, upstream):
    item_id = upstream.connect()
    service.catch_up()

    reconciliation.reconcile(service.res, item_id)

    requests = upstream.sandbox.requests()
    assert not [each for each in requests if each["method"] == "PATCH"]


def test_an_item_is_due_for_reconciliation_once_a_week(service, upstream, clock):
    item_id = upstream.connect()
    service.catch_up()

    reconciliation.find_missed(service.res)
    early = due(service)
    clock.advance(days=7, seconds=1)
    reconciliation.find_missed(service.res)
    in_time = due(service)
    reconciliation.reconcile(service.res, item_id)
    reconciliation.find_missed(service.res)

    assert (early, in_time, due(service)) == ([], [item_id], [])


def due(service):
    """Return the Items that were queued for reconciliation."""
    return [item_id for _, item_id in take_messages(service.res, queue.RECONCILIATIONS)]


def test_an_item_that_stays_silent_past_its_auto_sync_is_looked_at_once(service, upstream, clock):
    upstream.settings(mode="production")
    item_id = upstream.connect()
    service.catch_up()
    assert service.item(item_id).next_auto_sync_at is not None
    upstream.later(days=1.01)  # auto-sync ran, and its events are lost
    upstream.take_events()
    clock.advance_to(service.item(item_id).next_auto_sync_at + reconciliation.SILENCE_GRACE + timedelta(minutes=1))

    for _ in range(3):
        reconciliation.find_missed(service.res)
        service.work_until_quiet()

    looks = [event for event in service.events() if (event.payload or {}).get("why") == inbox.SILENT]
    assert len(looks) == 1
    with service.res.database.begin() as conn:
        assert counters.value(conn, counters.FOUND_BY_FETCHING) == 1
    assert service.runs()[-1].trigger == "local/fetch_requested"


def test_categories_are_read_once_a_week(service, upstream, clock):
    upstream.take_requests()

    reconciliation.find_missed(service.res)
    reconciliation.find_missed(service.res)
    first_week = [each for each in upstream.take_requests() if each["path"] == "/categories"]
    clock.advance(days=7, seconds=1)
    reconciliation.find_missed(service.res)

    assert len(first_week) == 1
    assert len([each for each in upstream.take_requests() if each["path"] == "/categories"]) == 1


def test_rows_from_before_the_year_that_pluggy_collects_outlive_a_reconciliation(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    account = upstream.truth(item_id)["accounts"][0]["id"]
    old = a_transaction(accountId=account, date="2020-01-15T03:00:00.000Z")
    young = a_transaction(accountId=account, date=service.item(item_id).synced_through.isoformat())
    with service.res.database.begin() as conn:
        transactions.merge(conn, item_id, [old, young], began_at=service.res.now(), now=service.res.now())

    reconciliation.reconcile(service.res, item_id)

    assert old.id in service.transaction_ids()
    assert young.id not in service.transaction_ids()


def test_items_that_pluggy_cannot_show_do_not_keep_the_others_from_being_reconciled(
    service, upstream, clock, monkeypatch
):
    few = dataclasses.replace(service.res.settings, reconcile_per_round=2)
    service.res = dataclasses.replace(service.res, settings=few)
    bad = [upstream.connect(products=["ACCOUNTS"]) for _ in range(4)]
    service.catch_up()
    clock.advance(seconds=1)
    good = upstream.connect(products=["ACCOUNTS"])
    service.catch_up()
    cannot_show(monkeypatch, service, bad)
    clock.advance(days=7, minutes=30)

    for _ in range(3):
        reconciliation.find_missed(service.res)
        for item_id in due(service):
            reconciliation.reconcile_if_due(service.res, item_id)
        clock.advance(minutes=10)

    assert service.item(good).reconciled_at is not None
    assert [service.item(each).reconciled_at for each in bad] == [None] * 4


def cannot_show(monkeypatch, service, item_ids):
    """Let Pluggy answer 500 for these Items."""
    item = service.res.pluggy.item

    def answer(item_id):
        if item_id in item_ids:
            raise PluggyUnavailableError("500 for GET /items/{id}")
        return item(item_id)

    monkeypatch.setattr(service.res.pluggy, "item", answer)


def test_a_reconciliation_that_fails_is_tried_again_more_and_more_rarely(service, upstream, clock, monkeypatch):
    item_id = upstream.connect(products=["ACCOUNTS"])
    service.catch_up()
    cannot_show(monkeypatch, service, [item_id])
    clock.advance(days=8)
    tries = []
    for _ in range(12 * 24):
        reconciliation.find_missed(service.res)
        for each in due(service):
            tries.append(clock())
            reconciliation.reconcile_if_due(service.res, each)
        clock.advance(hours=1)

    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert len(waits) >= 4
    assert all(later > earlier for earlier, later in itertools.pairwise(waits[:4]))
    monkeypatch.undo()
    reconciliation.reconcile(service.res, item_id)
    assert service.item(item_id).reconcile_failures == 0


def test_a_reconciliation_that_is_delivered_twice_runs_once(service, upstream, clock):
    item_id = upstream.connect(products=["ACCOUNTS"])
    service.catch_up()
    clock.advance(days=8)
    reconciliation.find_missed(service.res)
    reconciliation.find_missed(service.res)
    assert due(service) == [item_id]
    before = len(service.runs())

    for _ in range(2):
        reconciliation.reconcile_if_due(service.res, item_id)

    assert [run.trigger for run in service.runs()[before:]] == ["reconciliation"]


def test_a_reconciliation_whose_message_was_lost_is_queued_again(service, upstream, clock):
    item_id = upstream.connect(products=["ACCOUNTS"])
    service.catch_up()
    clock.advance(days=8)
    reconciliation.find_missed(service.res)
    assert due(service) == [item_id]

    clock.advance(hours=7)
    reconciliation.find_missed(service.res)

    assert due(service) == [item_id]


def test_silent_items_that_pluggy_cannot_show_do_not_keep_the_others_from_being_fetched(
    service, upstream, clock, monkeypatch
):
    monkeypatch.setattr(reconciliation, "_room", lambda _res: Room(silent=2, deep=0, both=2))
    upstream.settings(mode="production")
    bad = [upstream.connect(products=["ACCOUNTS"]) for _ in range(4)]
    service.catch_up()
    upstream.later(hours=1)
    good = upstream.connect(products=["ACCOUNTS"])
    service.catch_up()
    cannot_show(monkeypatch, service, bad)
    clock.advance(days=3)

    for _ in range(5):
        reconciliation.find_missed(service.res)
        service.work()
        clock.advance(minutes=10)

    asked = [event.item_id for event in service.events() if (event.payload or {}).get("why") == inbox.SILENT]
    # One open request for each, and the good one had its turn.
    assert sorted(asked) == sorted([*bad, good])
