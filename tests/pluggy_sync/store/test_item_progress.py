"""How far an Item's events were followed: numbers only rise, and no request to sync is covered by a run before it."""

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.store import inbox, item_lease, item_progress, items
from pluggy_sync.store.item_progress import ItemProgress
from tests.kit.factories import NOON, an_event

ITEM = "an-item"
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def record(conn, item_id=ITEM):
    inbox.record(conn, events.of_payload(an_event(itemId=item_id)), received_at=NOON)
    items.lock(conn, item_id, now=NOON)


def take_due(conn, *, now=NOON, until=SOON, limit=10):
    return item_progress.take_due_syncs(conn, now=now, until=until, limit=limit)


def test_of_an_item_without_events_all_counts_are_0(conn):
    assert item_progress.get(conn, "nobody") == ItemProgress()
    assert not ItemProgress().sync_pending


def test_a_request_to_sync_takes_the_next_number(conn):
    record(conn)
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=NOON)

    progress = item_progress.get(conn, ITEM)

    assert (progress.last_event_seq, progress.sync_requested_seq, progress.synced_seq) == (3, 3, 0)
    assert progress.sync_pending


def test_a_run_covers_what_was_requested_before_it_began_and_nothing_later(conn):
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=NOON)
    item_progress.request_sync(conn, ITEM, due_at=NOON)

    assert item_progress.mark_synced(conn, ITEM, through=2, retry_at=None)
    assert item_progress.get(conn, ITEM).sync_pending
    assert not item_progress.mark_synced(conn, ITEM, through=3, retry_at=None)
    assert not item_progress.get(conn, ITEM).sync_pending


def test_a_run_that_ends_late_sets_nothing_back(conn):
    record(conn)
    item_progress.mark_synced(conn, ITEM, through=5, retry_at=None)
    item_progress.mark_synced(conn, ITEM, through=4, retry_at=None)
    item_progress.mark_fetched(conn, ITEM, through=7, sync_due_at=None)
    item_progress.mark_fetched(conn, ITEM, through=6, sync_due_at=None)

    progress = item_progress.get(conn, ITEM)

    assert (progress.synced_seq, progress.fetched_seq) == (5, 7)


def test_a_fetch_that_finds_nothing_to_sync_requests_none(conn):
    record(conn)

    item_progress.mark_fetched(conn, ITEM, through=1, sync_due_at=None)
    assert not item_progress.get(conn, ITEM).sync_pending
    item_progress.mark_fetched(conn, ITEM, through=1, sync_due_at=NOON)
    assert item_progress.get(conn, ITEM).sync_pending


def test_a_request_never_puts_off_a_sync_that_is_due_sooner(conn):
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=SOON)
    item_progress.request_sync(conn, ITEM, due_at=LATER)
    assert item_progress.get(conn, ITEM).due_at == SOON

    item_progress.request_sync(conn, ITEM, due_at=NOON)

    assert item_progress.get(conn, ITEM).due_at == NOON


def test_failed_attempts_are_counted_until_a_run_ends_well(conn):
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=NOON)
    item_progress.reschedule_sync(conn, ITEM, until=LATER, attempts=3)
    progress = item_progress.get(conn, ITEM)
    assert (progress.due_at, progress.sync_attempts) == (LATER, 3)

    item_progress.mark_synced(conn, ITEM, through=2, retry_at=SOON)

    progress = item_progress.get(conn, ITEM)
    assert (progress.due_at, progress.sync_attempts) == (SOON, 0)


def test_a_due_sync_is_taken_once_until_then(conn):
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=NOON)

    assert take_due(conn) == [ITEM]
    assert take_due(conn) == []
    assert take_due(conn, now=SOON, until=LATER) == [ITEM]


def test_the_sync_that_is_due_longest_is_taken_first(conn):
    for minutes, item_id in enumerate(("third", "second", "first")):
        record(conn, item_id)
        item_progress.request_sync(conn, item_id, due_at=NOON - timedelta(minutes=minutes))

    assert [take_due(conn, limit=1) for _ in range(4)] == [["first"], ["second"], ["third"], []]


def test_no_more_are_taken_than_asked_for_however_postgres_plans_it(conn):
    for number in range(50):
        record(conn, f"item-{number}")
        item_progress.request_sync(conn, f"item-{number}", due_at=NOON)
    for way in ("hashjoin", "mergejoin", "material", "indexscan", "indexonlyscan", "bitmapscan", "hashagg", "sort"):
        conn.execute(sa.text(f"SET LOCAL enable_{way} = off"))

    assert len(take_due(conn, limit=2)) == 2


def test_an_item_that_a_run_holds_is_not_taken_before_its_lease_ends(conn):
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=NOON)
    item_lease.acquire(conn, ITEM, uuid.uuid4(), until=SOON)

    assert take_due(conn) == []
    assert take_due(conn, now=SOON, until=LATER) == [ITEM]


def test_a_deleted_item_is_never_taken(conn):
    record(conn)
    item_progress.request_sync(conn, ITEM, due_at=NOON)
    items.purge(conn, ITEM, now=NOON)
    item_progress.make_due(conn, ITEM, due_at=NOON)

    assert item_progress.get(conn, ITEM).is_deleted
    assert take_due(conn) == []
