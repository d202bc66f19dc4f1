"""Events handled once more: as if they came now, so that no earlier fetch covers them."""

import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.engine import replays
from pluggy_sync.store import inbox, tables
from pluggy_sync.store.inbox import Chosen
from tests.kit.factories import an_event, an_id
from tests.kit.workers import take_messages


@pytest.fixture
def connected(service, upstream):
    """An Item whose events are handled; return its id."""
    item_id = upstream.connect()
    service.catch_up()
    return item_id


def names(service):
    return [(row.name, row.state, row.outcome) for row in service.events()]


def test_a_handled_event_is_handled_once_more_and_fetches_its_item(service, upstream, connected):
    (event,) = [row for row in service.events() if row.name == "item/created"]
    upstream.take_requests()

    assert list(replays.replay(service.res, Chosen(event_ids=[event.event_id]))) == [1]
    service.work()

    assert f"/items/{connected}" in [each["path"] for each in upstream.take_requests()]
    (again,) = service.rows(tables.inbox, tables.inbox.c.event_id == event.event_id)
    assert (again.state, again.outcome) == ("handled", "sync")
    assert again.item_seq > event.item_seq
    # What it told shows already: the Item does not seem to be behind, and is not fetched over and over.
    assert service.rows(tables.item_progress)[0].contradiction is None
    assert {row.state for row in service.events()} == {"handled"}


def test_a_replayed_deletion_is_read_again(service, upstream, connected):
    upstream.evolve(connected, "remove")
    upstream.run(connected)
    service.catch_up()
    with service.res.database.begin() as conn:
        (tombstone,) = conn.execute(sa.select(tables.tombstones)).all()
        of_account = sa.select(tables.transactions).where(tables.transactions.c.account_id == tombstone.account_id)
        another = conn.execute(of_account.limit(1)).one()._mapping
        conn.execute(sa.delete(tables.tombstones))
        conn.execute(sa.insert(tables.transactions).values({**another, "id": tombstone.id}))

    list(replays.replay(service.res, Chosen(name="transactions/deleted")))
    service.work_until_quiet()

    assert tombstone.id not in service.transaction_ids()


@pytest.mark.parametrize(
    "chosen, number",
    [
        (Chosen(), 4),
        (Chosen(state="dead"), 1),
        (Chosen(name="item/error"), 1),
        (Chosen(since=timedelta(minutes=-15)), 2),
        (Chosen(until=timedelta(minutes=-15)), 2),
        (Chosen(since=timedelta(minutes=-25), until=timedelta(minutes=-15)), 1),
    ],
)
def test_events_are_chosen_by_what_they_have_in_common(resources, clock, chosen, number):
    now = resources.now()
    for ago, name in ((30, "item/error"), (20, "item/updated"), (10, "item/updated"), (5, "connector/status_updated")):
        store(resources, an_event(name, itemId=an_id()), now - timedelta(minutes=ago))
    with resources.database.begin() as conn:
        inbox.request_fetch(conn, an_id(), why="test", now=now)
        newest = conn.scalar(sa.select(tables.inbox.c.event_id).where(tables.inbox.c.name == "item/error"))
        inbox.mark_dead(conn, newest, "x", now=now)
    moments = {name: now + value for name in ("since", "until") if (value := getattr(chosen, name)) is not None}
    chosen = dataclasses.replace(chosen, **moments)

    assert replays.count(resources, chosen) == number
    assert sum(replays.replay(resources, chosen)) == number
    assert len(take_messages(resources)) == number


def store(res, payload, received_at):
    with res.database.begin() as conn:
        inbox.record(conn, events.of_payload(payload), received_at=received_at)


def test_events_of_one_item_keep_their_order_and_many_are_taken_in_batches(resources, monkeypatch):
    monkeypatch.setattr(replays, "BATCH", 3)
    monkeypatch.setattr(replays, "SENT_AT_ONCE", 6)
    one, other = an_id(), an_id()
    for number in range(10):
        store(resources, an_event(itemId=one if number % 2 else other), resources.now())
    with resources.database.begin() as conn:
        conn.execute(sa.update(tables.inbox).values(state="handled", attempts=2, outcome="sync", error="x"))

    assert list(replays.replay(resources, Chosen())) == [3, 3, 3, 1]

    with resources.database.begin() as conn:
        rows = conn.execute(sa.select(tables.inbox).order_by(tables.inbox.c.id)).all()
        last = dict(
            conn.execute(sa.select(tables.item_progress.c.item_id, tables.item_progress.c.last_event_seq)).all()
        )
    assert {(row.state, row.attempts, row.outcome, row.error) for row in rows} == {("stored", 0, None, None)}
    for item_id in (one, other):
        assert [row.item_seq for row in rows if row.item_id == item_id] == [6, 7, 8, 9, 10]
        assert last[item_id] == 10
    # The sweep sends the rest as the budget allows.
    assert len(take_messages(resources)) == 6


def test_what_comes_in_meanwhile_is_not_replayed(resources):
    store(resources, an_event(itemId=an_id()), resources.now())
    replaying = replays.replay(resources, Chosen())

    assert next(replaying) == 1
    store(resources, an_event(itemId=an_id()), resources.now())

    assert list(replaying) == []


def test_what_an_event_tells_that_was_never_seen_is_still_told_when_it_is_replayed(resources):
    item_id = an_id()
    store(resources, an_event("item/deleted", itemId=item_id), resources.now())

    list(replays.replay(resources, Chosen(item_id=item_id)))

    with resources.database.begin() as conn:
        progress = conn.execute(sa.select(tables.item_progress)).one()
    assert (progress.settled_seq, progress.last_event_seq) == (0, 2)
