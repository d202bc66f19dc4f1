"""The change feed without its needless entries: whoever reads it, from any cursor, ends with the same."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggy_sync.store import superseded_changes, tables
from tests.kit.factories import NOON

ITEM = "an-item"
BEFORE = NOON
OLD = NOON - timedelta(days=1)
YOUNG = NOON + timedelta(days=1)


def write(conn, entries):
    """Write the feed of an Item: (transaction, kind, changed_at) each."""
    conn.execute(sa.delete(tables.changes))
    conn.execute(sa.text("INSERT INTO items (id, first_seen_at) VALUES ('an-item', now()) ON CONFLICT DO NOTHING"))
    rows = [
        {"item_id": ITEM, "seq": seq, "kind": kind, "transaction_id": id_, "account_id": "a", "changed_at": at}
        for seq, (id_, kind, at) in enumerate(entries, start=1)
    ]
    if rows:
        conn.execute(sa.insert(tables.changes), rows)


def feed(conn, cursor=0):
    columns = (tables.changes.c.transaction_id, tables.changes.c.kind)
    stmt = sa.select(*columns).where(tables.changes.c.seq > cursor).order_by(tables.changes.c.seq)
    return [tuple(row) for row in conn.execute(stmt)]


def remove_all(conn, rows=100):
    place, removed = None, 0
    while True:
        step = superseded_changes.remove(conn, place, before=BEFORE, rows=rows)
        place, removed = step.item_id, removed + step.removed
        if step.is_last:
            return removed


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


@pytest.mark.parametrize(
    "kinds, left",
    [
        (["added"], ["added"]),
        (["added", "modified"], ["added", "modified"]),
        (["added", "modified", "modified", "modified"], ["added", "modified"]),
        (["added", "removed"], ["removed"]),
        (["added", "modified", "removed"], ["removed"]),
        (["added", "removed", "added"], ["added"]),
        (["added", "removed", "added", "modified"], ["added", "modified"]),
    ],
)
def test_of_a_transaction_stays_what_a_reader_has_to_know(conn, kinds, left):
    write(conn, [("t", kind, OLD) for kind in kinds])

    assert remove_all(conn) == len(kinds) - len(left)
    assert feed(conn) == [("t", kind) for kind in left]


def test_what_is_young_stays(conn):
    write(conn, [("t", "added", OLD), ("t", "modified", YOUNG), ("t", "modified", YOUNG), ("t", "removed", YOUNG)])

    remove_all(conn)

    assert [kind for _, kind in feed(conn)] == ["added", "modified", "modified", "removed"]


def rebuilt(entries, known=()):
    """Return the transactions that a reader has who knew *known*: all it is told of, less what is removed."""
    rows = set(known)
    for id_, kind in entries:
        (rows.discard if kind == "removed" else rows.add)(id_)
    return rows


@st.composite
def histories(draw):
    """Draw what can happen to a few transactions."""
    present, entries = set(), []
    for id_ in draw(st.lists(st.sampled_from("abc"), max_size=12)):
        kind = draw(st.sampled_from(["modified", "removed"])) if id_ in present else "added"
        (present.discard if kind == "removed" else present.add)(id_)
        entries.append((id_, kind))
    young_from = draw(st.integers(0, len(entries)))
    return [(id_, kind, YOUNG if n >= young_from else OLD) for n, (id_, kind) in enumerate(entries)]


# The database is emptied by `write`.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), rows=st.sampled_from([1, 3, 100]))
def test_from_any_cursor_a_reader_ends_with_the_same_and_hears_of_no_change_of_what_it_never_had(conn, history, rows):
    write(conn, history)
    whole = feed(conn)
    remove_all(conn, rows)

    for cursor in range(len(history) + 1):
        known = rebuilt(whole[:cursor])
        told = feed(conn, cursor)
        assert rebuilt(told, known) == rebuilt(whole)
        heard = set(known)
        for id_, kind in told:
            assert kind != "modified" or id_ in heard
            heard.add(id_)


def streamed(conn, position=0):
    """Return the entries of the feed of all Items after *position*, as `transactions.changes_of_all_after` reads it."""
    stream, changes = tables.change_stream.c, tables.changes.c
    of_row = sa.and_(
        changes.item_id == stream.item_id, changes.seq > stream.after_seq, changes.seq <= stream.through_seq
    )
    stmt = sa.select(changes.seq).join_from(tables.change_stream, tables.changes, of_row)
    return list(conn.scalars(stmt.where(stream.position > position).order_by(stream.position, changes.seq)))


def test_rows_of_the_feed_of_all_items_that_are_as_old_become_one(conn):
    write(conn, [("a", "added", OLD), ("b", "added", OLD), ("c", "added", OLD), ("d", "added", YOUNG)])
    for position, (after, through) in enumerate([(0, 1), (1, 3), (3, 4)], start=1):
        values = {"item_id": ITEM, "after_seq": after, "through_seq": through, "position": position}
        conn.execute(sa.insert(tables.change_stream).values(values))

    remove_all(conn)

    assert streamed(conn) == [1, 2, 3, 4]
    # Whoever has read the first row is told of its entries again, and misses none.
    assert streamed(conn, position=1) == [1, 2, 3, 4]
    assert streamed(conn, position=2) == [4]
    assert len(conn.execute(sa.select(tables.change_stream)).all()) == 2
