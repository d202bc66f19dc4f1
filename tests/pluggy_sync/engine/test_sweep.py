"""The sweep: what is due is queued, what a person waits for first, and the rest as far as there is budget."""

from datetime import timedelta

import pytest

from pluggy_sync import queue
from pluggy_sync.engine import events, requests
from pluggy_sync.engine.sweep import EVENTS_AT_LEAST, sweep
from pluggy_sync.events import of_payload
from pluggy_sync.pluggy.rate_budget import Lane, lane
from pluggy_sync.store import inbox
from tests.kit.factories import an_event, an_id
from tests.kit.workers import take_messages


def stored(resources, *payloads):
    """Store events whose messages are lost, and return their ids."""
    received_at = resources.now() - timedelta(minutes=1)
    with resources.database.begin() as conn:
        return [inbox.record(conn, of_payload(each), received_at=received_at).event_id for each in payloads]


def use_up(resources, endpoint):
    """Use up what syncs may use of the budget."""
    with lane(Lane.EVENTS):
        while resources.pluggy.budget.wait_s([endpoint]) == 0:
            resources.pluggy.budget.take(endpoint)


def test_events_go_to_the_queue_that_intake_would_have_sent_them_to(resources):
    names = ("item/waiting_user_action", "item/updated")
    urgent, other = stored(resources, *[an_event(name, itemId=an_id()) for name in names])

    sweep(resources)

    assert take_messages(resources, queue.URGENT) == [(queue.HANDLE_URGENT_EVENT, urgent)]
    assert take_messages(resources, queue.EVENTS) == [(queue.HANDLE_EVENT, other)]


@pytest.mark.parametrize(
    "why, task",
    [
        ("an answer was taken", queue.HANDLE_URGENT_EVENT),
        (requests.URGENT_CONTRADICTION, queue.HANDLE_URGENT_EVENT),
        (requests.CONTRADICTION, queue.HANDLE_EVENT),
        (requests.BANK_IS_BACK, queue.HANDLE_EVENT),
        (requests.REGISTERED, queue.HANDLE_EVENT),
        (inbox.SILENT, queue.HANDLE_EVENT),
    ],
)
def test_a_fetch_is_as_urgent_when_its_message_was_lost(resources, why, task):
    with resources.begin() as tx:
        requests.fetch(tx, an_id(), why=why, now=resources.now())
    [(first, _)] = take_messages(resources)
    resources.now.advance(seconds=120)

    sweep(resources)

    assert (first, [again for again, _ in take_messages(resources)]) == (task, [task])


def test_a_person_is_not_behind_a_backlog_larger_than_one_sweep_takes(resources, monkeypatch):
    monkeypatch.setattr("pluggy_sync.engine.sweep.LIMIT", 3)
    stored(resources, *[an_event("item/updated", itemId=an_id()) for _ in range(5)])
    [urgent] = stored(resources, an_event("item/error", itemId=an_id()))

    sweep(resources)

    assert (queue.HANDLE_URGENT_EVENT, urgent) in take_messages(resources)


def test_without_budget_only_a_few_events_are_queued_and_all_that_persons_wait_for(resources):
    for name in ("item/updated", "item/error"):
        stored(resources, *[an_event(name, itemId=an_id()) for _ in range(EVENTS_AT_LEAST + 10)])
    use_up(resources, "GET /items/{id}")

    sweep(resources)

    assert len(take_messages(resources, queue.EVENTS)) == EVENTS_AT_LEAST
    assert len(take_messages(resources, queue.URGENT)) == EVENTS_AT_LEAST + 10


def test_an_event_that_gets_no_budget_is_no_nearer_to_being_given_up(service, resources):
    [event_id] = stored(resources, an_event("item/updated", itemId=an_id()))
    use_up(resources, "GET /items/{id}")

    for _ in range(60):
        events.handle_event(resources, event_id)

    [event] = service.events()
    assert (event.state, event.attempts) == ("stored", 0)
    assert event.due_at > resources.now()
