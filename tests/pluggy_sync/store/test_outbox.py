"""The outbox: the notifications of an Item are taken in order, by one worker at a time, and never settled twice."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.notifications import messages
from pluggy_sync.store import outbox
from pluggy_sync.store.tables import delivery_attempts
from tests.kit.factories import NOON

ITEM = "an-item"
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


def add(conn, id_, *, item_id=ITEM, sequence=None, due_at=NOON, now=NOON):
    outbox.add(
        conn,
        notification_id=id_,
        type_="item.synced",
        item_id=item_id,
        sequence=sequence,
        body=f"body of {id_}",
        due_at=due_at,
        now=now,
    )


def claim(conn, id_, *, now=NOON, until=SOON):
    claimed = outbox.claim(conn, id_, now=now, until=until)
    return None if claimed is None else claimed.id


def take_due(conn, *, now=NOON, until=SOON, limit=10):
    return [each.id for each in outbox.take_due(conn, messages.URGENT, now=now, until=until, limit=limit)]


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def test_whichever_notification_of_an_item_is_asked_for_its_first_one_is_claimed(conn):
    add(conn, "second", sequence=2)
    add(conn, "first", sequence=1)

    assert claim(conn, "second") == "first"


def test_a_notification_about_no_item_waits_for_none(conn):
    add(conn, "of-item", sequence=1)
    add(conn, "of-connector", item_id=None)

    assert claim(conn, "of-connector") == "of-connector"


def test_what_is_claimed_is_nobody_else_s_until_the_claim_ends(conn):
    add(conn, "first", sequence=1)

    assert claim(conn, "first") == "first"
    assert claim(conn, "first") is None
    assert take_due(conn) == []
    assert claim(conn, "first", now=SOON, until=LATER) == "first"


def test_nothing_is_claimed_or_taken_before_its_time(conn):
    add(conn, "first", sequence=1, due_at=SOON)
    add(conn, "second", sequence=2)

    assert claim(conn, "second") is None
    assert take_due(conn) == []
    assert take_due(conn, now=SOON, until=LATER) == ["first"]


def test_each_claim_counts_as_an_attempt_and_the_first_one_is_remembered(conn):
    add(conn, "first", sequence=1)
    outbox.claim(conn, "first", now=NOON, until=SOON)

    again = outbox.claim(conn, "first", now=SOON, until=LATER)

    assert (again.attempts, again.first_tried_at) == (2, NOON)


def test_the_first_of_each_item_is_taken_once_until_then_those_due_longest_first(conn):
    add(conn, "a1", sequence=1, due_at=NOON - timedelta(seconds=1))
    add(conn, "a2", sequence=2, due_at=NOON - timedelta(seconds=9))
    add(conn, "b1", item_id="b", sequence=7, due_at=NOON - timedelta(seconds=5))
    add(conn, "none", item_id=None, due_at=NOON)

    assert set(take_due(conn, limit=2)) == {"b1", "a1"}
    assert take_due(conn) == ["none"]
    assert take_due(conn) == []
    assert set(take_due(conn, now=SOON, until=LATER)) == {"b1", "a1", "none"}


def test_what_was_queued_in_vain_is_taken_again_at_once(conn):
    add(conn, "first", sequence=1)
    assert take_due(conn) == ["first"]

    outbox.count_none_as_queued(conn)

    assert take_due(conn) == ["first"]


def test_the_next_of_an_item_follows_once_the_first_is_delivered(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2)
    claim(conn, "first")

    outbox.mark_delivered(conn, "first", now=NOON)

    assert outbox.next_of_item(conn, ITEM, messages.URGENT).id == "second"
    assert take_due(conn) == ["second"]
    assert claim(conn, "first") == "second"
    outbox.mark_delivered(conn, "second", now=NOON)
    assert outbox.next_of_item(conn, ITEM, messages.URGENT) is None


def test_a_rescheduled_notification_waits_until_then(conn):
    add(conn, "first", sequence=1)
    claimed = outbox.claim(conn, "first", now=NOON, until=LATER)

    outbox.reschedule(conn, claimed, due_at=SOON)

    assert claim(conn, "first") is None
    assert claim(conn, "first", now=SOON, until=LATER) == "first"


def test_a_claim_that_somebody_else_took_over_is_not_ended(conn):
    add(conn, "first", sequence=1)
    slow = outbox.claim(conn, "first", now=NOON, until=SOON)
    outbox.claim(conn, "first", now=SOON, until=LATER)

    outbox.reschedule(conn, slow, due_at=SOON)

    assert claim(conn, "first", now=SOON, until=LATER) is None


def test_what_was_delivered_is_no_dead_letter(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2)
    outbox.mark_delivered(conn, "first", now=NOON)

    outbox.mark_dead(conn, "first")
    outbox.mark_dead(conn, "second")

    assert [each.id for each in outbox.newest(conn, state="delivered", limit=10)] == ["first"]
    assert [each.id for each in outbox.newest(conn, state="dead", limit=10)] == ["second"]
    assert outbox.count(conn, state="pending") == 0


def test_a_redriven_notification_is_as_if_it_had_never_been_tried(conn):
    add(conn, "first", sequence=1)
    take_due(conn, until=LATER)
    outbox.claim(conn, "first", now=NOON, until=LATER)
    outbox.mark_dead(conn, "first")

    assert outbox.redrive(conn, "first", now=SOON)

    again = outbox.claim(conn, "first", now=SOON, until=LATER)
    assert (again.attempts, again.first_tried_at, again.state) == (1, SOON, "pending")
    assert not outbox.redrive(conn, "nothing", now=SOON)


def test_a_redriven_notification_is_taken_by_the_next_sweep(conn):
    add(conn, "first", sequence=1)
    take_due(conn, until=LATER)
    outbox.mark_delivered(conn, "first", now=NOON)

    outbox.redrive(conn, "first", now=SOON)

    assert take_due(conn, now=SOON, until=LATER) == ["first"]


def test_an_attempt_is_logged_unless_its_notification_was_dropped(conn):
    add(conn, "first", sequence=1)
    for id_ in ("first", "dropped"):
        outbox.record_attempt(conn, id_, started_at=NOON, duration_ms=12, status_code=500, error="500")

    (attempt,) = conn.execute(sa.select(delivery_attempts)).all()

    assert (attempt.notification_id, attempt.started_at, attempt.duration_ms) == ("first", NOON, 12)
    assert (attempt.status_code, attempt.error) == (500, "500")


def test_dropping_what_was_written_of_an_item_tells_how_long_a_delivery_may_go_on(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2)
    add(conn, "other", item_id="other", sequence=1)
    claim(conn, "first", until=LATER)

    assert outbox.drop_of_item(conn, ITEM) == LATER
    assert outbox.drop_of_item(conn, ITEM) is None
    assert outbox.drop_of_item(conn, "other") is None
    assert outbox.count(conn, state="pending") == 0


def test_a_body_is_replaced_in_one_notification_only(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2, now=SOON)

    outbox.replace_body(conn, "first", "nothing")

    assert [each.body for each in outbox.newest(conn, state="pending", limit=10)] == ["body of second", "nothing"]


def test_ids_of_notifications_are_never_the_same():
    assert len({outbox.new_id() for _ in range(100)}) == 100
