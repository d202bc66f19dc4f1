"""The streams: rows in the order of their commits, none of which appears before a position that was read."""

import threading

import pytest
import sqlalchemy as sa

from pluggy_sync.store import items, outbox, streams, tables
from tests.kit.factories import NOON


def tell(conn, id_, item_id=None, sequence=None):
    outbox.add(conn, notification_id=id_, type_="item.stale", item_id=item_id, sequence=sequence, body="{}", now=NOON)


def read(database, position=0, limit=100):
    with database.begin() as conn:
        streams.number(conn)
    with database.begin() as conn:
        found = outbox.after(conn, position, type_=None, item_id=None, limit=limit)
    return [each.id for each in found], max((each.position for each in found), default=position)


def test_what_is_committed_late_appears_after_what_was_read_though_it_was_written_first(database):
    with database.connect() as slow:
        with slow.begin():
            tell(slow, "began-first")
            with database.begin() as quick:
                tell(quick, "committed-first")
            ids, position = read(database)
            assert ids == ["committed-first"]
        ids, _ = read(database, position)

    assert ids == ["began-first"]
    assert read(database)[0] == ["committed-first", "began-first"]


def test_the_notifications_of_an_item_are_in_its_order_though_the_later_transaction_began_first(database):
    with database.begin() as conn:
        items.lock(conn, "item", now=NOON)
    with database.connect() as later, database.connect() as earlier, later.begin():
        # It has its number before the other one.
        later.execute(sa.select(sa.func.pg_current_xact_id()))
        with earlier.begin():
            items.lock(earlier, "item", now=NOON)
            tell(earlier, "first", "item", items.next_notification(earlier, "item"))
        items.lock(later, "item", now=NOON)
        tell(later, "second", "item", items.next_notification(later, "item"))

    assert read(database)[0] == ["first", "second"]


def test_readers_and_writers_at_once_see_every_notification_once_and_in_one_order(database):
    ended = threading.Event()
    seen = []

    def write(writer):
        for number in range(40):
            with database.begin() as conn:
                tell(conn, f"{writer}-{number}")

    def all_have_positions():
        # A reader may find another one at giving them.
        with database.begin() as conn:
            new = sa.exists().where(tables.notification_stream.c.position.is_(None))
            return not conn.scalar(sa.select(new))

    def follow():
        position, ids = 0, []
        while True:
            over = ended.is_set() and all_have_positions()
            new, position = read(database, position, limit=7)
            ids += new
            if over and not new:
                seen.append(ids)
                return

    readers = [threading.Thread(target=follow) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(each,)) for each in range(3)]
    for each in (*readers, *writers):
        each.start()
    for each in writers:
        each.join()
    ended.set()
    for each in readers:
        each.join()

    one, other = seen
    assert len(one) == len(set(one)) == 120
    assert one == other


def test_a_batch_gives_positions_to_so_many_and_the_rest_follows(database):
    with database.begin() as conn:
        for number in range(5):
            tell(conn, str(number))

    numbered = []
    for _ in range(4):
        with database.begin() as conn:
            numbered.append(streams.number(conn, limit=2))

    assert numbered == [2, 2, 1, 0]
    assert read(database)[0] == ["0", "1", "2", "3", "4"]


def test_a_position_is_not_used_again_after_its_notification_was_dropped(database):
    with database.begin() as conn:
        tell(conn, "dropped", "item", 1)
    _, position = read(database)
    with database.begin() as conn:
        outbox.drop_of_item(conn, "item")
        tell(conn, "next")

    ids, _ = read(database, position)

    assert ids == ["next"]
    with database.begin() as conn:
        assert streams.newest(conn) > position


@pytest.mark.parametrize("write", [1, 3])
def test_entries_of_a_feed_that_no_row_covers_are_in_the_next_row(database, write):
    with database.begin() as conn:
        items.lock(conn, "item", now=NOON)
        conn.execute(sa.update(tables.items).values(change_seq=write))
        streams.add_changes(conn, "item")
        conn.execute(sa.update(tables.items).values(change_seq=write + 2))
        streams.add_changes(conn, "item")
        found = conn.execute(
            sa.select(tables.change_stream.c.after_seq, tables.change_stream.c.through_seq).order_by(
                tables.change_stream.c.serial
            )
        ).all()

    assert [tuple(row) for row in found] == [(0, write), (write, write + 2)]
