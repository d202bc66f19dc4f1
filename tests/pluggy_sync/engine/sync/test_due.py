"""Whether a run is requested: asked once for each event, for few statements, with one message for each run."""

from pluggy_sync import queue
from pluggy_sync.engine import events, sweep
from tests.kit.factories import an_event
from tests.kit.interception import when_answered
from tests.kit.statements import counting
from tests.kit.workers import next_due_at, run_message, run_queued, take_messages


def in_sync(service, upstream):
    item_id = upstream.connect()
    service.catch_up()
    upstream.later(days=1)
    upstream.evolve(item_id, {"kind": "add", "count": 2}, "edit", "remove")
    upstream.run(item_id)
    return item_id


def synced(messages):
    return [argument for task, argument in messages if task == queue.SYNC_ITEM]


def handle_events(resources):
    """Handle what is queued but for the syncs; return those."""
    held_back = []
    for message in take_messages(resources):
        if message[0] == queue.SYNC_ITEM:
            held_back.append(message)
        else:
            run_message(resources, message)
    return held_back


def test_handling_one_event_with_news_takes_three_transactions_and_nine_statements(service, upstream, resources):
    in_sync(service, upstream)
    told = next(event for event in upstream.take_events() if event["event"] == "transactions/created")
    service.deliver(told)

    with counting(resources.database) as counted:
        events.handle_event(resources, told["eventId"])

    assert synced(take_messages(resources))
    assert counted.transactions <= 3
    assert len(counted.statements) <= 9, counted.statements


def test_an_event_that_was_covered_by_an_earlier_fetch_takes_one_transaction_and_three_statements(
    service, upstream, resources
):
    item_id = in_sync(service, upstream)
    first, second = an_event(itemId=item_id), an_event(itemId=item_id)
    service.deliver(first, second)
    events.handle_event(resources, first["eventId"])

    with counting(resources.database) as counted:
        events.handle_event(resources, second["eventId"])

    assert (counted.transactions, len(counted.statements)) == (1, 3)


def test_the_events_of_one_run_of_pluggys_send_one_message_for_one_run(service, upstream, resources):
    item_id = in_sync(service, upstream)
    told = upstream.take_events()
    runs = len(service.runs())
    service.deliver(*told)

    held_back = handle_events(resources) + handle_events(resources)
    for message in held_back:
        run_message(resources, message)

    assert len(told) >= 4
    assert held_back == [(queue.SYNC_ITEM, item_id)]
    assert synced(take_messages(resources)) == []
    assert len(service.runs()) - runs == 1
    service.assert_mirrors(item_id)


def test_events_that_land_in_a_run_without_news_send_no_message_and_leave_nothing_pending(service, upstream, resources):
    item_id = in_sync(service, upstream)
    service.deliver(*upstream.take_events())
    sent = []

    def the_same_is_told_again():
        service.deliver(an_event(itemId=item_id))
        sent.extend(handle_events(resources))

    with when_answered(resources, "/v2/transactions", the_same_is_told_again) as done:
        run_queued(resources)

    assert done
    assert sent == []
    assert [run.outcome for run in service.runs()] == ["done", "done"]
    service.assert_mirrors(item_id)


def test_a_request_whose_message_was_lost_is_sent_by_the_sweep(service, upstream, resources, clock):
    item_id = in_sync(service, upstream)
    service.deliver(*upstream.take_events())
    handle_events(resources)
    assert synced(take_messages(resources)) == [item_id]
    clock.advance(seconds=20)

    sweep.sweep(resources)

    assert synced(take_messages(resources)) == [item_id]


def test_an_event_brings_a_sync_forward_that_waits_after_failures(service, upstream, resources):
    item_id = in_sync(service, upstream)
    trouble = {"do": "status", "status": 500}
    upstream.fail({"endpoint": "GET /accounts", **trouble}, {"endpoint": "GET /v2/transactions", **trouble})
    service.deliver(*upstream.take_events())
    for _ in range(5):
        run_queued(resources)
        resources.now.advance_to(next_due_at(resources))
        sweep.sweep(resources)
    run_queued(resources)
    assert (next_due_at(resources) - resources.now()).total_seconds() > 120
    upstream.fail()

    service.deliver(an_event(itemId=item_id))
    run_queued(resources)

    service.assert_mirrors(item_id)
