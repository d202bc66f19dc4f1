"""The sweep: whatever is due in Postgres is queued, once, and the rest is left alone."""

import dataclasses

import pytest
import sqlalchemy as sa

from pluggy_sync import events, queue
from pluggy_sync.engine import sweep
from pluggy_sync.notifications import messages
from pluggy_sync.rules.needs import Kind, Need
from pluggy_sync.store import inbox, item_progress, items, user_actions
from pluggy_sync.transaction import Transaction
from tests.kit.factories import an_event
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


def record(res, item_id="an-item"):
    with res.database.begin() as conn:
        return inbox.record(conn, events.of_payload(an_event(itemId=item_id)), received_at=res.now()).event_id


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
