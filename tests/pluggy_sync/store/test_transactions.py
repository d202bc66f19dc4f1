"""Merging transactions: what is new is inserted, what differs is updated, the rest is left alone, gone stays gone."""

import threading
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.store import items, transactions
from pluggy_sync.store.tables import accounts, changes, tombstones
from pluggy_sync.store.tables import items as items_table
from pluggy_sync.store.tables import transactions as table
from tests.kit.factories import NOON, a_raw_account, a_raw_item, a_raw_transaction, a_transaction

ITEM = a_raw_item()["id"]
ACCOUNT = a_raw_account()["id"]
# When pages were asked for that were written at noon.
BEFORE = NOON - timedelta(seconds=1)


@pytest.fixture
def mirror(database):
    """An Item with one account and nothing in it."""
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        conn.execute(accounts.insert().values(id=ACCOUNT, item_id=ITEM, raw={}, synced_at=NOON))
    return database


def merge(database, *rows, began_at=BEFORE):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        merged = transactions.merge(conn, ITEM, list(rows), began_at=began_at, now=NOON)
    return merged.added, merged.modified


def remove(database, *ids, account=ACCOUNT):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        return transactions.remove(conn, ITEM, account, ids, reason="event", now=NOON)


def stored(database):
    with database.begin() as conn:
        return {row.id: row for row in conn.execute(sa.select(table))}


def feed(database):
    with database.begin() as conn:
        rows = conn.execute(sa.select(changes).order_by(changes.c.seq)).all()
    return [(row.seq, row.kind, row.transaction_id) for row in rows]


def version(raw, minutes, **changed):
    return a_transaction(**{**raw, "updatedAt": wire.to_text(NOON + timedelta(minutes=minutes)), **changed})


def test_new_rows_are_added_and_take_the_next_numbers_of_the_feed(mirror):
    first, second = a_transaction(), a_transaction()

    assert merge(mirror, first, second) == (2, 0)

    assert {each.raw["id"]: each.raw for each in stored(mirror).values()} == {
        first.id: first.raw,
        second.id: second.raw,
    }
    assert [seq for seq, _, _ in feed(mirror)] == [1, 2]


def test_a_correction_replaces_what_is_stored(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 0))

    assert merge(mirror, version(raw, 1, description="Corrected", amount=-99)) == (0, 1)

    row = stored(mirror)[raw["id"]]
    assert (row.description, row.amount) == ("Corrected", -99)
    assert [kind for _, kind, _ in feed(mirror)] == ["added", "modified"]


def test_an_older_version_never_replaces_a_newer_one(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 5, description="newer"))

    assert merge(mirror, version(raw, 4, description="older")) == (0, 0)

    assert stored(mirror)[raw["id"]].description == "newer"
    assert len(feed(mirror)) == 1


def test_another_content_of_the_same_instant_is_not_dropped(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 0, description="first"))

    assert merge(mirror, version(raw, 0, description="second")) == (0, 1)


def test_a_row_without_times_is_still_updated(mirror):
    raw = a_raw_transaction(updatedAt=None)
    merge(mirror, a_transaction(**raw))

    assert merge(mirror, a_transaction(**{**raw, "description": "new"})) == (0, 1)


def test_unchanged_rows_are_not_rewritten(mirror):
    rows = [a_transaction() for _ in range(50)]
    merge(mirror, *rows)
    before = dict(places(mirror))

    assert merge(mirror, *rows) == (0, 0)

    assert dict(places(mirror)) == before
    assert len(feed(mirror)) == 50


def places(database):
    """Return where each row lies on disk and which transaction wrote it: a rewrite changes both."""
    with database.begin() as conn:
        return [(row[0], (row[1], row[2])) for row in conn.exec_driver_sql("SELECT id, ctid, xmin FROM transactions")]


def test_a_removed_row_does_not_come_back(mirror):
    row = a_transaction()
    merge(mirror, row)

    assert remove(mirror, row.id) == 1
    assert merge(mirror, row) == (0, 0)

    assert stored(mirror) == {}
    assert [kind for _, kind, _ in feed(mirror)] == ["added", "removed"]


def test_a_row_that_was_never_stored_leaves_no_tombstone(mirror):
    row = a_transaction()

    assert remove(mirror, row.id) == 0

    assert (feed(mirror), buried(mirror)) == ([], [])


def buried(database):
    with database.begin() as conn:
        return list(conn.scalars(sa.select(tombstones.c.id)))


def test_a_page_that_was_asked_for_before_the_removal_does_not_bring_the_row_back(mirror):
    row = a_transaction()
    merge(mirror, row)
    remove(mirror, row.id)

    assert merge(mirror, row, began_at=NOON) == (0, 0)

    assert buried(mirror) == [row.id]


def test_a_page_that_was_asked_for_after_the_removal_brings_the_row_back_as_a_repair(mirror):
    row = a_transaction()
    merge(mirror, row)
    remove(mirror, row.id)

    with mirror.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        after = NOON + timedelta(milliseconds=1)
        merged = transactions.merge(conn, ITEM, [row], began_at=after, now=after)

    assert (merged.added, merged.repaired) == (1, 1)
    assert (set(stored(mirror)), buried(mirror)) == ({row.id}, [])
    assert [kind for _, kind, _ in feed(mirror)] == ["added", "removed", "added"]


def test_a_row_is_removed_once(mirror):
    row = a_transaction()
    merge(mirror, row)

    assert remove(mirror, row.id) == 1
    assert remove(mirror, row.id) == 0

    assert [kind for _, kind, _ in feed(mirror)] == ["added", "removed"]


def test_a_row_is_only_removed_from_its_own_account(mirror):
    row = a_transaction()
    merge(mirror, row)

    assert remove(mirror, row.id, account="another") == 0

    assert set(stored(mirror)) == {row.id}


def test_a_row_that_moves_to_another_account_under_its_id_is_moved(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 0))

    assert merge(mirror, version(raw, 1, accountId="another")) == (0, 1)

    assert stored(mirror)[raw["id"]].account_id == "another"
    assert [kind for _, kind, _ in feed(mirror)] == ["added", "modified"]


def test_a_row_that_has_moved_is_not_removed_from_the_account_that_it_left(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 0))
    merge(mirror, version(raw, 1, accountId="another"))

    assert remove(mirror, raw["id"]) == 0

    assert (set(stored(mirror)), buried(mirror)) == ({raw["id"]}, [])


def test_a_row_that_was_removed_from_one_account_is_stored_when_another_one_shows_it(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 0))
    remove(mirror, raw["id"])

    # Asked for before the removal: that the first account had lost the row says nothing about this one.
    assert merge(mirror, version(raw, 0, accountId="another")) == (1, 0)

    assert (stored(mirror)[raw["id"]].account_id, buried(mirror)) == ("another", [])


def test_a_row_of_another_item_is_not_taken_over(mirror):
    raw = a_raw_transaction()
    merge(mirror, version(raw, 0))

    with mirror.begin() as conn:
        items.lock(conn, "another item", now=NOON)
        merged = transactions.merge(conn, "another item", [version(raw, 1)], began_at=NOON, now=NOON)

    assert (merged.added, merged.modified) == (0, 0)
    assert stored(mirror)[raw["id"]].item_id == ITEM


def test_a_page_that_repeats_a_row_counts_it_once_and_keeps_the_later_copy(mirror):
    raw = a_raw_transaction()

    assert merge(mirror, version(raw, 0, description="first"), version(raw, 1, description="second")) == (1, 0)

    assert stored(mirror)[raw["id"]].description == "second"


def test_what_copy_could_mistake_for_its_own_signs_is_kept(mirror):
    text = 'tab\t newline\n backslash\\ \\. \\N "quote" ção 🙂'
    row = a_transaction(description=text)

    merge(mirror, row)

    assert stored(mirror)[row.id].description == text
    assert stored(mirror)[row.id].raw == row.raw


def test_money_is_exact_in_columns_and_in_json(mirror):
    row = a_transaction(**wire.decode(b'{"amount": -1234567890.1234, "amountInAccountCurrency": 0.1}'))

    merge(mirror, row)

    kept = stored(mirror)[row.id]
    assert str(kept.amount) == "-1234567890.1234"
    assert wire.encode(kept.raw["amount"]) == b"-1234567890.1234"


def test_the_feed_has_no_gap_though_many_write_at_once(mirror):
    def work():
        for _ in range(5):
            row = a_transaction()
            merge(mirror, row)
            remove(mirror, row.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [seq for seq, _, _ in feed(mirror)] == list(range(1, 41))
    with mirror.begin() as conn:
        assert conn.scalar(sa.select(items_table.c.change_seq)) == 40


def test_a_merge_that_is_rolled_back_leaves_no_number_behind(mirror):
    with mirror.connect() as conn:
        items.lock(conn, ITEM, now=NOON)
        transactions.merge(conn, ITEM, [a_transaction()], began_at=BEFORE, now=NOON)
        conn.rollback()

    row = a_transaction()
    merge(mirror, row)

    assert feed(mirror) == [(1, "added", row.id)]


def test_a_reader_of_the_feed_that_stops_and_goes_on_sees_each_change_once(mirror):
    for _ in range(7):
        merge(mirror, a_transaction(), a_transaction())
    seen, cursor = [], 0

    with mirror.begin() as conn:
        while page := transactions.changes_after(conn, ITEM, cursor, 3):
            seen += [change.seq for change in page]
            cursor = page[-1].seq

    assert seen == list(range(1, 15))


@pytest.mark.parametrize(
    "moment, is_missed",
    [
        ("2026-03-09T03:00:00.000Z", True),  # midnight in São Paulo
        ("2026-03-09T15:00:00.000Z", True),
        # Counted in São Paulo, Pluggy need not list these from the 9th on, though the first means that day.
        ("2026-03-09T00:00:00.000Z", False),
        ("2026-03-09T02:59:59.000Z", False),
        ("2026-03-08T23:59:59.000Z", False),
    ],
)
def test_a_row_on_the_edge_of_the_window_is_missed_only_if_every_zone_has_it_inside(mirror, moment, is_missed):
    row = a_transaction(date=moment)
    merge(mirror, row)

    with mirror.begin() as conn:
        missed = transactions.unlisted(conn, ACCOUNT, set(), after=None, through=None, from_day=date(2026, 3, 9))

    assert missed == ([row.id] if is_missed else [])
