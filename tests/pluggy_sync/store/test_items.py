"""Items in Postgres: saved as last seen, and nothing of the person is left once one is deleted."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.store import inbox, item_progress, items, personal_data, tables
from tests.kit.factories import NOON, an_event, an_item

ITEM = "11111111-1111-4111-8111-111111111111"
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def record(conn, **changes):
    return inbox.record(conn, events.of_payload(an_event(**changes)), received_at=NOON)


def save(conn, *, application="ours", now=NOON, **changes):
    items.lock(conn, ITEM, now=now)
    items.save(conn, an_item(**changes), application=application, now=now)
    return items.get(conn, ITEM)


def test_an_item_that_is_locked_is_made_once(conn):
    assert items.get(conn, ITEM) is None

    first = items.lock(conn, ITEM, now=NOON)

    assert (first.first_seen_at, first.status, first.raw) == (NOON, None, None)
    assert items.lock(conn, ITEM, now=LATER) == first == items.get(conn, ITEM)


def test_an_item_is_kept_as_it_was_seen_last(conn):
    save(conn, status="UPDATING")

    item = save(conn, status="UPDATED", aNewKey=1, now=SOON)

    assert (item.status, item.client_user_id, item.connector_id) == ("UPDATED", "user-42", 2)
    assert (item.raw["aNewKey"], item.fetched_at, item.first_seen_at) == (1, SOON, NOON)


def test_whose_item_it_is_stays_known_when_pluggy_does_not_say(conn):
    save(conn, clientUserId=None)
    items.name_user(conn, ITEM, "named")
    items.name_user(conn, ITEM, "another")

    assert items.get(conn, ITEM).client_user_id == "named"
    assert save(conn, clientUserId=None).client_user_id == "named"


def test_the_notifications_of_an_item_are_numbered_without_a_gap(conn):
    items.lock(conn, ITEM, now=NOON)
    items.lock(conn, "another", now=NOON)

    assert [items.next_notification(conn, each) for each in (ITEM, ITEM, "another", ITEM)] == [1, 2, 1, 3]


def test_one_caller_at_a_time_asks_pluggy_to_update(conn):
    items.lock(conn, ITEM, now=NOON)

    assert items.claim_refresh(conn, ITEM, now=NOON, until=SOON)
    assert not items.claim_refresh(conn, ITEM, now=NOON, until=SOON)
    # Whoever claimed it died.
    assert items.claim_refresh(conn, ITEM, now=SOON, until=LATER)
    items.end_refresh(conn, ITEM)
    assert items.claim_refresh(conn, ITEM, now=SOON, until=LATER)


def test_an_item_that_pluggy_never_showed_is_removed(conn):
    record(conn, itemId=ITEM)
    items.lock(conn, ITEM, now=NOON)

    assert items.remove_unseen(conn, ITEM, through=1, now=NOON)

    assert items.get(conn, ITEM) is None
    assert item_progress.get(conn, ITEM).last_event_seq == 0
    (event,) = conn.execute(sa.select(tables.inbox)).all()
    assert (event.state, event.outcome, event.item_seq) == ("handled", "removed", None)


def test_an_item_of_which_more_was_told_meanwhile_is_not_removed(conn):
    record(conn, itemId=ITEM)
    record(conn, itemId=ITEM)
    items.lock(conn, ITEM, now=NOON)

    assert not items.remove_unseen(conn, ITEM, through=1, now=NOON)
    assert items.get(conn, ITEM) is not None


@pytest.mark.parametrize("column", ["status", "deleted_at"])
def test_an_item_that_was_seen_once_is_not_removed(conn, column):
    record(conn, itemId=ITEM)
    items.lock(conn, ITEM, now=NOON)
    value = "UPDATED" if column == "status" else NOON
    conn.execute(sa.update(tables.items).values({column: value}))

    assert not items.remove_unseen(conn, ITEM, through=1, now=NOON)
    assert items.get(conn, ITEM) is not None


def test_the_tombstone_of_an_item_names_nobody(conn):
    save(conn)
    items.purge(conn, ITEM, now=SOON)

    row = conn.execute(sa.select(tables.items)).mappings().one()

    nullable = {column.name for column in tables.items.columns if column.nullable}
    assert {name for name in nullable if row[name] is not None} == {"connector_id", "deleted_at"}
    assert row["deleted_at"] == SOON


def test_a_purge_empties_every_table_that_holds_data_of_the_person():
    """A table that is added later is either in the list of those that are emptied, or named here with the reason."""
    kept = {
        "items": "the tombstone",
        "item_progress": "numbers",
        "sync_runs": "counts; what names accounts is cleared",
        "inbox": "`inbox.remove_person`",
        "outbox": "`outbox.drop_of_item`",
        "deliveries": "`outbox.drop_of_item`",
        "listed_items": "ids, until the comparison ends",
    }
    of_items = {table.name for table in tables.metadata.sorted_tables if "item_id" in table.columns} | {"items"}

    assert of_items - {held.table.name for held in personal_data.PURGED} == kept.keys()
