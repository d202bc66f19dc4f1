"""How rows are merged, removed and numbered."""

import threading

import pytest
import sqlalchemy as sa

from pluggy_sync.store import items, transactions
from pluggy_sync.store.tables import changes, tombstones
from pluggy_sync.store.tables import transactions as table
from tests.factories import NOON, a_raw_transaction, a_transaction, an_id
from tests.waiting import eventually

ITEM = "an-item"
ACCOUNT = a_raw_transaction()["accountId"]


@pytest.fixture
def item(database):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)


def merge(database, *rows):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        return transactions.merge(conn, ITEM, list(rows), now=NOON)


def remove(database, *ids, account=ACCOUNT, reason="event"):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        return transactions.remove(conn, ITEM, account, list(ids), reason=reason, now=NOON)


def stored(database):
    with database.begin() as conn:
        return {row.id: row for row in conn.execute(sa.select(table))}


def feed(database):
    with database.begin() as conn:
        rows = conn.execute(sa.select(changes).where(changes.c.item_id == ITEM).order_by(changes.c.seq))
        return [(row.seq, row.kind, row.transaction_id) for row in rows]


def row_version(database, row_id):
    """Return what Postgres changes whenever it writes a row."""
    with database.begin() as conn:
        return conn.execute(sa.text("SELECT xmin, ctid FROM transactions WHERE id = :id"), {"id": row_id}).one()


@pytest.mark.usefixtures("item")
def test_a_new_row_is_added_with_all_its_digits(database):
    row = a_transaction(amount=transactions.wire.decode("-1234.5678"))

    merged = merge(database, row)

    assert (merged.added, merged.modified) == (1, 0)
    assert str(stored(database)[row.id].amount) == "-1234.5678"
    assert stored(database)[row.id].raw == row.raw


@pytest.mark.usefixtures("item")
def test_a_row_that_is_the_same_is_not_written_again(database):
    row = a_transaction()
    merge(database, row)
    before = row_version(database, row.id)

    merged = merge(database, row)

    assert (merged.added, merged.modified) == (0, 0)
    assert row_version(database, row.id) == before
    assert len(feed(database)) == 1


@pytest.mark.usefixtures("item")
def test_a_correction_replaces_the_row(database):
    raw = a_raw_transaction(status="PENDING")
    merge(database, transactions_of(raw))
    corrected = {**raw, "status": "POSTED", "amount": -13, "updatedAt": "2026-03-10T10:00:00.000Z"}

    merged = merge(database, transactions_of(corrected))

    assert (merged.added, merged.modified) == (0, 1)
    assert stored(database)[raw["id"]].status == "POSTED"
    assert stored(database)[raw["id"]].raw == corrected


@pytest.mark.usefixtures("item")
def test_an_older_version_never_replaces_a_newer_one(database):
    raw = a_raw_transaction(updatedAt="2026-03-10T10:00:00.000Z")
    merge(database, transactions_of(raw))

    merged = merge(database, transactions_of({**raw, "amount": -99, "updatedAt": "2026-03-09T10:00:00.000Z"}))

    assert merged.modified == 0
    assert stored(database)[raw["id"]].raw == raw


@pytest.mark.usefixtures("item")
def test_a_row_that_one_page_repeats_is_stored_once_as_last_shown(database):
    raw = a_raw_transaction()

    merged = merge(database, transactions_of(raw), transactions_of({**raw, "description": "Padaria do Zé"}))

    assert merged.added == 1
    assert stored(database)[raw["id"]].description == "Padaria do Zé"


@pytest.mark.usefixtures("item")
def test_a_stored_row_is_not_taken_over_by_another_account(database):
    raw = a_raw_transaction()
    merge(database, transactions_of(raw))

    merge(database, transactions_of({**raw, "accountId": an_id(), "updatedAt": "2026-03-11T10:00:00.000Z"}))

    assert stored(database)[raw["id"]].account_id == raw["accountId"]


@pytest.mark.usefixtures("item")
def test_a_removed_row_does_not_come_back(database):
    row = a_transaction()
    merge(database, row)

    assert remove(database, row.id) == 1
    assert merge(database, row).added == 0
    assert stored(database) == {}


@pytest.mark.usefixtures("item")
def test_a_row_that_was_never_seen_can_be_buried(database):
    row = a_transaction()

    assert remove(database, row.id) == 0
    assert merge(database, row).added == 0


@pytest.mark.usefixtures("item")
def test_a_row_of_another_account_is_not_removed(database):
    row = a_transaction()
    merge(database, row)

    assert remove(database, row.id, account=an_id()) == 0
    assert row.id in stored(database)


@pytest.mark.usefixtures("item")
def test_the_feed_is_numbered_without_gaps_in_the_order_of_changes(database):
    first, second, third = a_transaction(), a_transaction(), a_transaction()
    merge(database, first)
    merge(database, second, third)
    remove(database, first.id)
    merge(database, transactions_of({**second.raw, "amount": -1}))

    entries = feed(database)

    assert [seq for seq, _, _ in entries] == [1, 2, 3, 4, 5]
    assert entries[0] == (1, "added", first.id)
    assert {entry[1:] for entry in entries[1:3]} == {("added", second.id), ("added", third.id)}
    assert entries[3:] == [(4, "removed", first.id), (5, "modified", second.id)]


@pytest.mark.usefixtures("item")
def test_what_is_rolled_back_leaves_no_gap(database):
    with database.connect() as conn:
        items.lock(conn, ITEM, now=NOON)
        transactions.merge(conn, ITEM, [a_transaction()], now=NOON)
        conn.rollback()
    merge(database, a_transaction())

    assert [seq for seq, _, _ in feed(database)] == [1]


@pytest.mark.usefixtures("item")
def test_a_reader_never_sees_a_number_before_the_ones_below_it(database):
    slow = database.connect()
    begun = slow.begin()
    items.lock(slow, ITEM, now=NOON)
    transactions.merge(slow, ITEM, [a_transaction()], now=NOON)
    quick = threading.Thread(target=merge, args=(database, a_transaction()))
    quick.start()
    # The second writer has to wait for the first, whose number is lower.
    eventually(lambda: waiting_for_a_lock(database))
    assert feed(database) == []

    begun.commit()
    slow.close()
    quick.join()

    assert [seq for seq, _, _ in feed(database)] == [1, 2]


def waiting_for_a_lock(database):
    with database.begin() as conn:
        return conn.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")) > 0


def test_rows_of_an_item_that_is_not_stored_are_refused(database):
    with pytest.raises(LookupError), database.begin() as conn:
        transactions.merge(conn, "nobody", [a_transaction()], now=NOON)


@pytest.mark.usefixtures("item")
def test_a_tombstone_says_why(database):
    gone, lost = an_id(), an_id()
    remove(database, gone)
    remove(database, lost, reason="absent")

    with database.begin() as conn:
        reasons = {row.id: row.reason for row in conn.execute(sa.select(tombstones))}
    assert reasons == {gone: "event", lost: "absent"}


def transactions_of(raw):
    """Return *raw*, parsed."""
    return a_transaction(**raw)
