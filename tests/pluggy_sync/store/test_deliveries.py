"""
Deliveries: to an endpoint the notifications of an Item are taken in order, by one worker at a time, and never settled
twice; what happens at one endpoint changes nothing at another.
"""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.notifications.messages import URGENT
from pluggy_sync.store import deliveries, endpoints, outbox
from pluggy_sync.store.endpoints import ENVIRONMENT
from pluggy_sync.store.tables import deliveries as table
from pluggy_sync.store.tables import delivery_attempts
from tests.kit.factories import NOON

ITEM = "an-item"
OTHER = "ep_other"
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


def add(conn, id_, *, item_id=ITEM, sequence=None, due_at=NOON, now=NOON, to=(ENVIRONMENT,), type_="item.synced"):
    outbox.add(
        conn,
        notification_id=id_,
        type_=type_,
        item_id=item_id,
        sequence=sequence,
        body=f"body of {id_}",
        now=now,
    )
    for each in to:
        deliveries.add(
            conn, endpoint_id=each, notification_id=id_, item_id=item_id, sequence=sequence, due_at=due_at, now=now
        )


def of(conn, id_, to=ENVIRONMENT):
    return conn.scalar(sa.select(table.c.id).where(table.c.notification_id == id_, table.c.endpoint_id == to))


def claim(conn, id_, *, now=NOON, until=SOON, to=ENVIRONMENT):
    claimed = deliveries.claim(conn, of(conn, id_, to), now=now, until=until)
    return None if claimed is None else claimed.notification_id


def take_due(conn, *, now=NOON, until=SOON, limit=10, to=ENVIRONMENT):
    taken = deliveries.take_due(conn, to, URGENT, now=now, until=until, limit=limit)
    ids = dict(tuple(row) for row in conn.execute(sa.select(table.c.id, table.c.notification_id)))
    return [ids[each.id] for each in taken]


def next_of_item(conn):
    following = deliveries.next_of_item(conn, ENVIRONMENT, ITEM, URGENT)
    if following is None:
        return None
    return conn.scalar(sa.select(table.c.notification_id).where(table.c.id == following.id))


def shown(conn, state):
    return [each.notification_id for each in deliveries.newest(conn, state=state, limit=10)]


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
    claim(conn, "first")

    again = deliveries.claim(conn, of(conn, "first"), now=SOON, until=LATER)

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

    deliveries.count_none_as_queued(conn, ENVIRONMENT)

    assert take_due(conn) == ["first"]


def test_the_next_of_an_item_follows_once_the_first_is_delivered(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2)
    claim(conn, "first")

    deliveries.mark_delivered(conn, of(conn, "first"), now=NOON)

    assert next_of_item(conn) == "second"
    assert take_due(conn) == ["second"]
    assert claim(conn, "first") == "second"
    deliveries.mark_delivered(conn, of(conn, "second"), now=NOON)
    assert next_of_item(conn) is None


def test_a_rescheduled_notification_waits_until_then(conn):
    add(conn, "first", sequence=1)
    claimed = deliveries.claim(conn, of(conn, "first"), now=NOON, until=LATER)

    deliveries.reschedule(conn, claimed, due_at=SOON)

    assert claim(conn, "first") is None
    assert claim(conn, "first", now=SOON, until=LATER) == "first"


def test_a_claim_that_somebody_else_took_over_is_not_ended(conn):
    add(conn, "first", sequence=1)
    slow = deliveries.claim(conn, of(conn, "first"), now=NOON, until=SOON)
    deliveries.claim(conn, of(conn, "first"), now=SOON, until=LATER)

    deliveries.reschedule(conn, slow, due_at=SOON)

    assert claim(conn, "first", now=SOON, until=LATER) is None


def test_what_was_delivered_is_no_dead_letter(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2)
    deliveries.mark_delivered(conn, of(conn, "first"), now=NOON)

    deliveries.mark_dead(conn, of(conn, "first"))
    deliveries.mark_dead(conn, of(conn, "second"))

    assert shown(conn, "delivered") == ["first"]
    assert shown(conn, "dead") == ["second"]
    assert deliveries.count(conn, state="pending") == 0


def test_a_redriven_notification_is_as_if_it_had_never_been_tried(conn):
    add(conn, "first", sequence=1)
    take_due(conn, until=LATER)
    deliveries.claim(conn, of(conn, "first"), now=NOON, until=LATER)
    deliveries.mark_dead(conn, of(conn, "first"))

    assert deliveries.redrive(conn, "first", now=SOON)

    again = deliveries.claim(conn, of(conn, "first"), now=SOON, until=LATER)
    assert (again.attempts, again.first_tried_at, again.state) == (1, SOON, "pending")
    assert not deliveries.redrive(conn, "nothing", now=SOON)


def test_a_redriven_notification_is_taken_by_the_next_sweep(conn):
    add(conn, "first", sequence=1)
    take_due(conn, until=LATER)
    deliveries.mark_delivered(conn, of(conn, "first"), now=NOON)

    deliveries.redrive(conn, "first", now=SOON)

    assert take_due(conn, now=SOON, until=LATER) == ["first"]


def test_an_attempt_is_logged_unless_its_notification_was_dropped(conn):
    add(conn, "first", sequence=1)
    add(conn, "dropped", item_id="other", sequence=1)
    made = [deliveries.claim(conn, of(conn, id_), now=NOON, until=SOON) for id_ in ("first", "dropped")]
    outbox.drop_of_item(conn, "other")
    for each in made:
        deliveries.record_attempt(
            conn, each, started_at=NOON, duration_ms=12, status_code=500, error="500", answer="no"
        )

    (attempt,) = conn.execute(sa.select(delivery_attempts)).all()

    assert (attempt.notification_id, attempt.started_at, attempt.duration_ms) == ("first", NOON, 12)
    assert (attempt.status_code, attempt.error, attempt.answer, attempt.endpoint_id) == (500, "500", "no", ENVIRONMENT)


def test_dropping_what_was_written_of_an_item_tells_how_long_a_delivery_may_go_on(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2)
    add(conn, "other", item_id="other", sequence=1)
    claim(conn, "first", until=LATER)

    assert outbox.drop_of_item(conn, ITEM) == LATER
    assert outbox.drop_of_item(conn, ITEM) is None
    assert outbox.drop_of_item(conn, "other") is None
    assert deliveries.count(conn, state="pending") == 0


def test_a_body_is_replaced_in_one_notification_only(conn):
    add(conn, "first", sequence=1)
    add(conn, "second", sequence=2, now=SOON)

    outbox.replace_body(conn, "first", "nothing")

    assert [outbox.get(conn, each).body for each in ("first", "second")] == ["nothing", "body of second"]


def test_ids_of_notifications_are_never_the_same():
    assert len({outbox.new_id() for _ in range(100)}) == 100


@pytest.fixture
def other(conn):
    endpoints.add(
        conn, endpoint_id=OTHER, url="https://x", secret="", description=None, types=None, enabled=True, now=NOON
    )
    return OTHER


def test_what_happens_at_one_endpoint_changes_nothing_at_another(conn, other):
    for number, id_ in enumerate(("first", "second")):
        add(conn, id_, sequence=number, to=(ENVIRONMENT, other))
    claim(conn, "first")
    deliveries.mark_delivered(conn, of(conn, "first"), now=NOON)

    assert claim(conn, "second") == "second"
    assert take_due(conn) == []
    assert take_due(conn, to=other) == ["first"]
    assert claim(conn, "second", to=other) == "first"
    assert (deliveries.under_way(conn, ENVIRONMENT, now=NOON), deliveries.under_way(conn, other, now=NOON)) == (1, 1)


def test_a_notification_is_settled_once_it_is_at_every_endpoint(conn, other):
    add(conn, "first", sequence=1, to=(ENVIRONMENT, other))

    deliveries.mark_delivered(conn, of(conn, "first"), now=NOON)
    assert not deliveries.is_settled(conn, "first")
    deliveries.mark_dead(conn, of(conn, "first", other))

    assert deliveries.is_settled(conn, "first")


def test_a_range_is_redriven_from_its_first_moment_to_before_its_last(conn, other):
    for number, id_ in enumerate(("before", "dead", "delivered", "pending", "after")):
        add(conn, id_, sequence=number, now=NOON + timedelta(minutes=number), to=(ENVIRONMENT, other))
        if id_ == "delivered":
            deliveries.mark_delivered(conn, of(conn, id_), now=NOON)
        elif id_ != "pending":
            deliveries.mark_dead(conn, of(conn, id_))
    bounds = {
        "since": NOON + timedelta(minutes=1),
        "until": NOON + timedelta(minutes=4),
        "now": LATER,
        "limit": 10,
        "after": 0,
    }

    assert deliveries.redrive_range(conn, only_dead=True, endpoint_id=other, **bounds) == []
    assert deliveries.redrive_range(conn, only_dead=True, endpoint_id=None, **bounds) == [of(conn, "dead")]
    assert set(shown(conn, "dead")) == {"before", "after"}
    again = deliveries.redrive_range(conn, only_dead=False, endpoint_id=ENVIRONMENT, **bounds)
    assert again == [of(conn, "delivered")]
    assert shown(conn, "delivered") == []


def test_an_endpoint_recovers_what_was_written_without_it_and_no_more(conn, other):
    add(conn, "before", sequence=1)
    add(conn, "missed", sequence=2, now=SOON)
    add(conn, "known", sequence=3, now=SOON, to=(ENVIRONMENT, other))
    bounds = {"since": SOON, "until": LATER, "now": LATER, "limit": 10}

    assert deliveries.recover(conn, other, types=["item.stale"], **bounds) == 0
    assert deliveries.recover(conn, other, types=None, **bounds) == 1
    assert deliveries.recover(conn, other, types=None, **bounds) == 0
    assert claim(conn, "known", now=LATER, until=LATER + timedelta(minutes=1), to=other) == "missed"


def test_what_stands_before_something_urgent_at_the_same_endpoint_is_urgent_too(conn, other):
    add(conn, "first", sequence=1, to=(ENVIRONMENT, other))
    add(conn, "second", sequence=2, type_=min(URGENT), to=(other,))
    add(conn, "alone", item_id=None, to=(other,))

    def taken(endpoint_id):
        return {each.is_urgent for each in deliveries.take_due(conn, endpoint_id, URGENT, **bounds)}

    bounds = {"now": NOON, "until": SOON, "limit": 10}
    assert taken(ENVIRONMENT) == {False}
    assert taken(other) == {True, False}
    assert deliveries.next_of_item(conn, other, ITEM, URGENT).is_urgent
    claim(conn, "first", to=other)
    deliveries.mark_delivered(conn, of(conn, "first", other), now=NOON)
    assert deliveries.next_of_item(conn, other, ITEM, URGENT).is_urgent
