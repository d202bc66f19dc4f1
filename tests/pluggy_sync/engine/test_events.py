"""Handling events: covered by a fetch, rescheduled, or a dead letter. More in `sync/test_run.py`."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import events, executions, requests, sweep
from pluggy_sync.store.tables import inbox, items
from standalone.polling import eventually
from tests.kit.factories import an_event, an_id


def reads(upstream, item_id):
    return [each for each in upstream.take_requests() if each["path"] == f"/items/{item_id}"]


def test_events_that_came_before_a_fetch_are_covered_by_it(service, upstream):
    item_id = upstream.connect()
    service.deliver(*[an_event("something/new", itemId=item_id) for _ in range(5)])
    service.work()

    assert len(reads(upstream, item_id)) == 1
    assert [event.outcome for event in service.events()] == ["sync", *["covered"] * 4]


def test_the_end_of_an_execution_that_we_started_is_looked_for_though_somebody_fetched_the_item_meanwhile(
    service, upstream, clock
):
    """All events are lost, and a person who watches has the Item fetched while its execution goes on."""
    item_id = upstream.connect()
    service.catch_up()
    upstream.later(days=1)
    upstream.settings(runSeconds=30.0)
    upstream.start_update(item_id)
    running = service.res.pluggy.item(item_id)
    assert running.status == "UPDATING"
    with service.res.begin() as tx:
        executions.follow(tx, running, why="an update was started", now=clock())
    service.deliver(an_event("something/new", itemId=item_id))
    service.work()
    assert service.item(item_id).status == "UPDATING"
    upstream.settings(runSeconds=0.0)
    upstream.take_events()

    clock.advance_to(clock() + executions.FETCH_AFTER + timedelta(seconds=1))
    sweep.sweep(service.res)
    service.work_until_quiet()

    assert service.item(item_id).status == "UPDATED"
    service.assert_mirrors(item_id)


def test_one_request_for_one_reason_waits_at_a_time(service, upstream, clock):
    item_id = upstream.connect()
    for why in ("one", "one", "another", "one"):
        with service.res.begin() as tx:
            requests.fetch_once(tx, item_id, why=why, now=clock())
    assert sorted(event.payload["why"] for event in service.events()) == ["another", "one"]

    service.work()
    with service.res.begin() as tx:
        requests.fetch_once(tx, item_id, why="one", now=clock())

    assert [event.payload["why"] for event in service.events()].count("one") == 2


def test_a_request_that_is_due_later_is_left_to_the_sweep(service, upstream, clock):
    item_id = upstream.connect()
    later = clock() + timedelta(minutes=5)
    with service.res.begin() as tx:
        requests.fetch(tx, item_id, why="later", now=clock(), due_at=later)

    service.work()
    sweep.sweep(service.res)
    service.work()
    assert service.events()[0].state == "stored"
    clock.advance_to(later)
    sweep.sweep(service.res)
    service.work()

    assert service.events()[0].state == "handled"


def test_an_event_that_is_handled_is_passed_over(service, upstream, resources):
    item_id = upstream.connect()
    event = an_event(itemId=item_id)
    service.deliver(event)
    service.work()
    upstream.take_requests()

    events.handle_event(resources, event["eventId"])
    events.handle_event(resources, an_id())

    assert upstream.take_requests() == []


def test_an_event_without_an_item_is_kept(service):
    service.deliver({"event": "payment_intent/created", "eventId": an_id(), "paymentIntentId": an_id()})
    service.work()

    assert [(event.state, event.outcome) for event in service.events()] == [("handled", "kept")]


@pytest.mark.parametrize("name", ["item/updated", "something/new"])
def test_an_event_whose_place_in_its_item_was_taken_away_is_handled_all_the_same(service, upstream, name):
    item_id = upstream.connect()
    service.deliver(an_event(name, itemId=item_id))
    with service.res.database.begin() as conn:
        conn.execute(sa.update(inbox).values(item_seq=None))

    service.work_until_quiet()

    assert service.events()[0].state == "handled"
    assert service.rows(items)[0].status == "UPDATED"


def test_the_lines_about_a_connector_say_which_and_how_it_is(service, caplog):
    for status in ("OFFLINE", "text of a stranger"):
        service.deliver(an_event("connector/status_updated", itemId=None, connectorId=2, data={"status": status}))
    service.work()

    def lines(event):
        records = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [each for each in records if each["event"] == event]

    # Its line is written once the answer is on its way.
    eventually(lambda: len(lines("webhook.stored")) == 2, what="both lines")
    assert [line["connector_id"] for line in lines("webhook.stored")] == [2, 2]
    assert [(line["connector_id"], line["status"]) for line in lines("event.handled")] == [(2, "OFFLINE"), (2, None)]
    assert {event.state for event in service.events()} == {"handled"}
    assert "stranger" not in caplog.text


def test_the_line_about_a_run_that_begins_names_its_item(service, upstream, caplog):
    item_id = upstream.connect()
    service.catch_up()

    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    begun = [line.get("item_id") for line in lines if line["event"] == "sync.begun"]
    assert set(begun) == {item_id}


def test_an_event_that_pluggy_refuses_to_answer_is_tried_again_later_with_its_reason(service, upstream, clock):
    item_id = upstream.connect()
    upstream.take_events()
    service.deliver(an_event("something/new", itemId=item_id))
    upstream.fail({"endpoint": "GET /items/{id}", "do": "status", "status": 403})

    service.work()

    (event,) = service.events()
    assert (event.state, event.attempts) == ("stored", 1)
    assert "403" in event.error
    assert event.due_at > clock()
    upstream.fail()
    service.work_until_quiet()
    assert service.events()[0].outcome == "sync"
