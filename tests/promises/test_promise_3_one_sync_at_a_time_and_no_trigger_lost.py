"""Promise 3: one sync per Item at a time; an event that lands in the middle of it is not lost; a burst is one run."""

import threading

import pytest

from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.engine.sync import lease
from pluggy_sync.engine.sync import transactions as sync_transactions
from pluggy_sync.rules.contradictions import REFETCHES, Contradiction
from pluggy_sync.store.tables import item_progress, metadata
from tests.kit.factories import an_event
from tests.kit.interception import when_answered
from tests.kit.workers import run_message, run_queued, take_messages


def in_sync(service, upstream, **more):
    item_id = upstream.connect(**more)
    service.catch_up()
    upstream.take_requests()
    return item_id


def a_new_run(upstream, item_id):
    upstream.later(days=1)
    upstream.evolve(item_id, {"kind": "add", "count": 2}, "edit", "remove")
    upstream.run(item_id)
    return upstream.take_events()


@pytest.mark.parametrize("moment", ["/accounts", "/v2/transactions", "/investments", "/loans"])
@pytest.mark.parametrize("handled", ["at once", "afterwards"])
def test_an_event_that_lands_during_a_sync_is_not_lost(service, upstream, resources, moment, handled):
    item_id = in_sync(service, upstream, products=None)
    service.deliver(*a_new_run(upstream, item_id))

    def more_happens():
        service.deliver(*a_new_run(upstream, item_id))
        if handled == "at once":
            # As another worker would, while the sync goes on; its own sync finds the Item held.
            run_queued(resources)

    with when_answered(resources, moment, more_happens) as done:
        service.work_until_quiet()

    assert done
    service.assert_mirrors(item_id)
    assert [run.outcome for run in service.runs()] == ["done"] * 3


def test_an_event_that_lands_as_the_sync_ends_is_not_lost(service, upstream, resources, monkeypatch):
    item_id = in_sync(service, upstream)
    service.deliver(*a_new_run(upstream, item_id))
    end = item_sync.runs.end
    landed = []

    def end_after_more_happened(*args, **more):
        if not landed:
            landed.append(True)
            service.deliver(*a_new_run(upstream, item_id))
            run_queued(resources)
        end(*args, **more)

    monkeypatch.setattr(item_sync.runs, "end", end_after_more_happened)
    service.work_until_quiet()

    assert landed
    service.assert_mirrors(item_id)


def test_a_burst_of_a_hundred_events_is_at_most_two_runs(service, upstream):
    item_id = in_sync(service, upstream)
    a_new_run(upstream, item_id)
    before = len(service.runs())

    service.deliver(*[an_event(itemId=item_id) for _ in range(100)])
    service.work_until_quiet()

    assert 1 <= len(service.runs()) - before <= 2
    reads = [each["endpoint"] for each in upstream.take_requests()]
    assert reads.count("GET /items/{id}") == 1
    assert service.rows(item_progress)[0].last_event_seq >= 100
    service.assert_mirrors(item_id)


def test_a_burst_that_lands_during_a_sync_is_at_most_one_run_more(service, upstream, resources):
    item_id = in_sync(service, upstream)
    service.deliver(*a_new_run(upstream, item_id))
    before = len(service.runs())

    def a_burst():
        a_new_run(upstream, item_id)
        service.deliver(*[an_event(itemId=item_id) for _ in range(100)])

    with when_answered(resources, "/v2/transactions", a_burst):
        service.work_until_quiet()

    assert len(service.runs()) - before == 2
    service.assert_mirrors(item_id)


def test_of_many_workers_only_one_syncs_the_item(service, upstream, resources):
    item_id = in_sync(service, upstream)
    service.deliver(*a_new_run(upstream, item_id))
    for message in take_messages(resources):
        if message[0] == "handle_event":
            run_message(resources, message)
    upstream.take_requests()
    start = threading.Barrier(6)

    def sync():
        start.wait()
        item_sync.sync_item(resources, item_id)

    threads = [threading.Thread(target=sync) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [run.outcome for run in service.runs()] == ["done", "done"]
    assert [each["endpoint"] for each in upstream.take_requests()].count("GET /accounts") == 1
    service.work_until_quiet()
    service.assert_mirrors(item_id)


@pytest.mark.parametrize("moment", ["/accounts", "/v2/transactions", "/investments"])
def test_a_run_that_lost_its_lease_writes_nothing_more(
    service, upstream, resources, clock, settings, monkeypatch, moment
):
    # One account at a time: another thread's write could prolong the lease just as it is taken over.
    monkeypatch.setattr(sync_transactions, "PARALLEL_ACCOUNTS", 1)
    monkeypatch.setattr(lease, "HEARTBEAT_SHARE", 1000)
    item_id = in_sync(service, upstream, products=None)
    service.deliver(*a_new_run(upstream, item_id))
    stored = {}

    def another_worker_takes_over_and_reads_newer_data():
        service.deliver(*a_new_run(upstream, item_id))
        clock.advance(seconds=settings.sync_lease_s + 1)
        run_queued(resources)
        service.assert_mirrors(item_id)
        stored.update(everything(service))

    with when_answered(resources, moment, another_worker_takes_over_and_reads_newer_data) as done:
        run_queued(resources)

    assert done
    assert everything(service) == stored
    assert sorted(run.outcome for run in service.runs()) == ["abandoned", "done", "done"]


def everything(service):
    """Return all that is stored of data, and the Item."""
    told = ("inbox", "outbox", "deliveries", "notification_stream")
    return {table.name: service.rows(table) for table in metadata.sorted_tables if table.name not in told}


def test_events_without_news_cost_a_few_fetches_and_no_run(service, upstream):
    item_id = in_sync(service, upstream)

    service.deliver(an_event(itemId=item_id), an_event("item/created", itemId=item_id))
    service.work_until_quiet()

    # The Item shows no newer update than before: Pluggy may be late, and is asked a few times more.
    reads = [each["endpoint"] for each in upstream.take_requests()]
    assert reads == ["GET /items/{id}"] * (1 + REFETCHES[Contradiction.BEHIND])
    assert len(service.runs()) == 1


def test_two_items_are_synced_at_the_same_time(service, upstream, resources):
    first, second = upstream.connect(), upstream.connect("user-ok-two-checking-accounts")
    service.deliver(*upstream.take_events())

    def the_other_one():
        item_sync.sync_item(resources, second)
        assert service.item(second).synced_through is not None

    for message in take_messages(resources):
        if message[0] == "handle_event":
            run_message(resources, message)
    with when_answered(resources, "/v2/transactions", the_other_one):
        item_sync.sync_item(resources, first)

    service.assert_mirrors(first)
    service.assert_mirrors(second)
