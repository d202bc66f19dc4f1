"""The sweep: whatever is due in Postgres is queued, once, what a person waits for first, and the rest is left alone."""

import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events, queue
from pluggy_sync.engine import erasure as erasing
from pluggy_sync.engine import events as event_handling
from pluggy_sync.engine import requests, sweep
from pluggy_sync.notifications import messages
from pluggy_sync.pluggy.rate_budget import Lane, lane
from pluggy_sync.rules.needs import Kind, Need
from pluggy_sync.store import erasures, inbox, item_links, item_progress, items, user_actions
from pluggy_sync.transaction import Transaction
from tests.kit.factories import an_event, an_id
from tests.kit.workers import take_messages

PRODUCT = "http://127.0.0.1:1/never-asked"


@pytest.fixture
def swept(resources):
    """Sweep, and return what was queued."""

    def swept(res=resources):
        sweep.sweep(res)
        return sorted(take_messages(resources))

    return swept


@pytest.fixture
def with_product(resources):
    settings = dataclasses.replace(resources.settings, product_webhook_url=PRODUCT)
    return dataclasses.replace(resources, settings=settings)


def record(res, item_id="an-item", **event):
    with res.database.begin() as conn:
        return inbox.record(conn, events.of_payload(an_event(itemId=item_id, **event)), received_at=res.now()).event_id


def request_sync(res, item_id="an-item"):
    with res.database.begin() as conn:
        items.lock(conn, item_id, now=res.now())
        item_progress.request_sync(conn, item_id, due_at=res.now())


def tell(res):
    with res.database.begin() as conn:
        tx = Transaction(conn=conn)
        messages.connector_status_changed(tx, 2, "Pluggy Bank", "OFFLINE", now=res.now())
    return tx.queued[0][1]


def test_with_nothing_due_nothing_is_queued(swept):
    assert swept() == []


def test_an_event_and_a_sync_that_redis_lost_are_queued_again(swept, resources, clock):
    event_id = record(resources)
    request_sync(resources)
    clock.advance(minutes=2)

    assert swept() == [(queue.HANDLE_EVENT, event_id), (queue.SYNC_ITEM, "an-item")]
    assert swept() == []
    clock.advance(minutes=10)
    assert swept() == [(queue.HANDLE_EVENT, event_id), (queue.SYNC_ITEM, "an-item")]


def test_what_a_process_had_taken_that_died_is_queued_again_within_the_promise(swept, resources, clock):
    """Promise 10: whoever took the message of a sweep has died. Its work is taken up within 45 seconds."""
    event_id, urgent_id = record(resources), record(resources, "urgent-item", name="item/waiting_user_input")
    request_sync(resources)
    with resources.database.begin() as conn:
        item_links.request_search(conn, "an-item", due_at=resources.now())
    erasure_id = erasing.request(resources, "user-42").id
    take_messages(resources)
    clock.advance(minutes=2)
    taken = swept()
    with resources.database.begin() as conn:
        erasures.begin_attempt(conn, erasure_id, until=resources.now() + erasing.ATTEMPT)

    again = set()
    for _ in range(45 // resources.settings.sweep_interval_s):
        clock.advance(seconds=resources.settings.sweep_interval_s)
        again |= set(swept())

    expected = {
        (queue.HANDLE_EVENT, event_id),
        (queue.HANDLE_URGENT_EVENT, urgent_id),
        (queue.SYNC_ITEM, "an-item"),
        (queue.ERASE, erasure_id),
        (queue.FIND_PREDECESSORS, "an-item"),
    }
    assert set(taken) == expected
    assert expected <= again


def test_what_is_not_due_yet_is_left_alone(swept, resources):
    record(resources)

    assert swept() == []


def test_notifications_are_queued_for_a_product_that_there_is(swept, resources, with_product):
    notification_id = tell(resources)

    assert swept() == []
    assert swept(with_product) == [(queue.DELIVER, notification_id)]
    assert swept(with_product) == []


def test_an_action_whose_deadline_has_passed_by_pluggy_s_clock_expires(swept, resources, clock):
    with resources.database.begin() as conn:
        items.lock(conn, "an-item", now=resources.now())
        need = Need(kind=Kind.MFA, reason="WAITING_USER_INPUT", dedup_key="mfa", expires_at=resources.pluggy_now())
        action = user_actions.open_new(conn, "an-item", need, now=resources.now())
    clock.advance(seconds=5)

    swept()

    with resources.database.begin() as conn:
        assert user_actions.get(conn, action.id).state == "expired"


def test_more_than_one_sweep_takes_what_is_more_than_it_queues_at_once(swept, resources, clock, monkeypatch):
    monkeypatch.setattr(sweep, "LIMIT", 2)
    ids = {record(resources, f"item-{number}") for number in range(3)}
    clock.advance(minutes=2)

    first, second = swept(), swept()

    assert (len(first), len(second)) == (2, 1)
    assert {argument for _, argument in [*first, *second]} == ids


def test_a_sweep_that_fails_queues_nothing(swept, resources, clock):
    record(resources)
    clock.advance(minutes=2)
    with resources.database.begin() as conn:
        conn.execute(sa.text("ALTER TABLE user_actions RENAME TO user_actions_away"))
    try:
        with pytest.raises(sa.exc.ProgrammingError):
            sweep.sweep(resources)
        assert take_messages(resources) == []
    finally:
        with resources.database.begin() as conn:
            conn.execute(sa.text("ALTER TABLE user_actions_away RENAME TO user_actions"))
    assert len(swept()) == 1


def stored(resources, *payloads):
    """Store events whose messages are lost, and return their ids."""
    received_at = resources.now() - timedelta(minutes=1)
    with resources.database.begin() as conn:
        return [inbox.record(conn, events.of_payload(each), received_at=received_at).event_id for each in payloads]


def use_up(resources, endpoint):
    """Use up what syncs may use of the budget."""
    with lane(Lane.EVENTS):
        while resources.pluggy.budget.wait_s([endpoint]) == 0:
            resources.pluggy.budget.take(endpoint)


def test_events_go_to_the_queue_that_intake_would_have_sent_them_to(resources):
    names = ("item/waiting_user_action", "item/updated")
    urgent, other = stored(resources, *[an_event(name, itemId=an_id()) for name in names])

    sweep.sweep(resources)

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

    sweep.sweep(resources)

    assert (first, [again for again, _ in take_messages(resources)]) == (task, [task])


def test_a_person_is_not_behind_a_backlog_larger_than_one_sweep_takes(resources, monkeypatch):
    monkeypatch.setattr(sweep, "LIMIT", 3)
    stored(resources, *[an_event("item/updated", itemId=an_id()) for _ in range(5)])
    [urgent] = stored(resources, an_event("item/error", itemId=an_id()))

    sweep.sweep(resources)

    assert (queue.HANDLE_URGENT_EVENT, urgent) in take_messages(resources)


def test_without_budget_only_a_few_events_are_queued_and_all_that_persons_wait_for(resources):
    for name in ("item/updated", "item/error"):
        stored(resources, *[an_event(name, itemId=an_id()) for _ in range(sweep.EVENTS_AT_LEAST + 10)])
    use_up(resources, "GET /items/{id}")

    sweep.sweep(resources)

    assert len(take_messages(resources, queue.EVENTS)) == sweep.EVENTS_AT_LEAST
    assert len(take_messages(resources, queue.URGENT)) == sweep.EVENTS_AT_LEAST + 10


def test_an_event_that_gets_no_budget_is_no_nearer_to_being_given_up(service, resources):
    [event_id] = stored(resources, an_event("item/updated", itemId=an_id()))
    use_up(resources, "GET /items/{id}")

    for _ in range(60):
        event_handling.handle_event(resources, event_id)

    [event] = service.events()
    assert (event.state, event.attempts) == ("stored", 0)
    assert event.due_at > resources.now()
