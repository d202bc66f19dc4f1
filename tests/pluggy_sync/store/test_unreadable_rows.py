"""Rows that could not be read: kept as they came, few of each Item, until they can be read."""

from datetime import timedelta

import pytest

from pluggy_sync.pluggy.unreadable import MAX_KEPT, Unreadable, UnreadableRow
from pluggy_sync.store import items, unreadable_rows
from tests.kit.factories import NOON

ITEM = "an-item"


def a_row(row_id="x", *, what="transaction", raw=None, parent_id="an-account"):
    return UnreadableRow(
        what=what, parent_id=parent_id, row_id=row_id, raw={"id": row_id} if raw is None else raw, reason="date"
    )


def found(*rows, known=()):
    collected = Unreadable(known)
    for row in rows:
        collected.add(row)
    return collected


def keys(conn, item_id=ITEM):
    return {(row.what, row.key) for row in unreadable_rows.newest(conn, item_id, limit=1000)}


def test_a_row_is_kept_as_it_came_and_knows_when_it_was_seen_first_and_last(database):
    later = NOON + timedelta(days=1)
    with database.begin() as conn:
        unreadable_rows.save(conn, ITEM, found(a_row(raw={"id": "x", "date": "0001-01"})), now=NOON)
        unreadable_rows.save(conn, ITEM, found(a_row(raw={"id": "x", "date": "0002-01"})), now=later)

        (row,) = unreadable_rows.newest(conn, ITEM, limit=10)

    assert (row.item_id, row.what, row.key, row.parent_id) == (ITEM, "transaction", "x", "an-account")
    assert (row.raw, row.reason) == ({"id": "x", "date": "0002-01"}, "date")
    assert (row.first_seen_at, row.last_seen_at) == (NOON, later)


@pytest.mark.parametrize("raw", [5, "text", [], [None], {}, {"a": {"b": "1e4400"}}, True], ids=str)
def test_whatever_came_is_kept(database, raw):
    with database.begin() as conn:
        unreadable_rows.save(conn, ITEM, found(a_row(None, raw=raw)), now=NOON)

        (row,) = unreadable_rows.newest(conn, ITEM, limit=10)

    assert row.raw == raw
    assert row.key.startswith("sha256:")


def test_a_row_that_can_be_read_is_removed_and_the_others_stay(database):
    with database.begin() as conn:
        unreadable_rows.save(conn, ITEM, found(a_row("x"), a_row("y"), a_row("x", what="account")), now=NOON)
        again = found(known=unreadable_rows.known(conn, ITEM))
        again.note_read("transaction", ["x", "z"])
        unreadable_rows.save(conn, ITEM, again, now=NOON)

        assert keys(conn) == {("transaction", "y"), ("account", "x")}


def test_an_item_has_at_most_a_hundred_and_the_oldest_go_first(database):
    with database.begin() as conn:
        for day in range(3):
            rows = [a_row(f"{day}-{number}") for number in range(MAX_KEPT // 2)]
            unreadable_rows.save(conn, ITEM, found(*rows), now=NOON + timedelta(days=day))
        unreadable_rows.save(conn, "another", found(a_row()), now=NOON)

        assert len(keys(conn)) == MAX_KEPT
        assert {key[0] for _, key in keys(conn)} == {"1", "2"}
        assert len(keys(conn, "another")) == 1


def test_a_row_that_is_too_long_is_cut(database):
    with database.begin() as conn:
        unreadable_rows.save(conn, ITEM, found(a_row(raw={"id": "x", "text": "é" * 200_000})), now=NOON)

        (row,) = unreadable_rows.newest(conn, ITEM, limit=10)

    assert row.raw.startswith('{"id":"x","text":"éé')
    assert len(row.raw) == unreadable_rows.MAX_RAW_LENGTH


def test_a_list_that_was_read_again_replaces_what_it_could_not_read_before_and_nothing_else(database):
    def bill(row_id, card="a-card"):
        return a_row(row_id, what="bills", parent_id=card)

    with database.begin() as conn:
        unreadable_rows.replace_list(conn, ITEM, "bills", "a-card", [bill("x"), bill("y")], now=NOON)
        unreadable_rows.replace_list(conn, ITEM, "bills", "other", [bill("z", "other")], now=NOON)
        unreadable_rows.save(conn, ITEM, found(a_row()), now=NOON)

        unreadable_rows.replace_list(conn, ITEM, "bills", "a-card", [bill("y")], now=NOON)

        assert keys(conn) == {("bills", "y"), ("bills", "z"), ("transaction", "x")}


def test_what_a_read_of_everything_did_not_show_again_is_removed(database):
    with database.begin() as conn:
        unreadable_rows.save(conn, ITEM, found(a_row("old"), a_row("old", what="account")), now=NOON)
        began_at = NOON + timedelta(minutes=1)
        unreadable_rows.save(conn, ITEM, found(a_row("new")), now=began_at)
        unreadable_rows.remove_unseen(conn, ITEM, "transaction", before=began_at)

        assert keys(conn) == {("transaction", "new"), ("account", "old")}


def test_they_are_counted_by_kind(database):
    with database.begin() as conn:
        unreadable_rows.save(conn, ITEM, found(a_row("x"), a_row("y"), a_row("x", what="account")), now=NOON)
        unreadable_rows.save(conn, "another", found(a_row("z")), now=NOON)

        assert dict(unreadable_rows.counts(conn)) == {"transaction": 3, "account": 1}


def test_they_are_purged_with_their_item(database):
    with database.begin() as conn:
        for item_id in (ITEM, "another"):
            items.lock(conn, item_id, now=NOON)
            unreadable_rows.save(conn, item_id, found(a_row()), now=NOON)
        items.purge(conn, ITEM, now=NOON)

        assert [row.item_id for row in unreadable_rows.newest(conn, None, limit=10)] == ["another"]
