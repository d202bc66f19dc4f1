"""The state that decides what there is to sync: read whole by one query, moved on by a finished run."""

from datetime import timedelta
from decimal import Decimal

import pytest

from pluggy_sync import events, wire
from pluggy_sync.pluggy import payloads
from pluggy_sync.rules.sync_plan import Incomplete, Part, Reason, TransactionEvent
from pluggy_sync.store import accounts, data_products, inbox, incomplete_parts, item_progress, items, sync_state
from pluggy_sync.store.tables import items as items_table
from tests.kit.factories import NOON, a_raw_account, an_event, an_item
from tests.kit.statements import counting

ITEM = an_item().id
ACCOUNT = a_raw_account()["id"]
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def known(database):
    """An Item with one account, fetched and in sync."""
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        items.save(conn, an_item(), application="an-application", now=NOON)
        accounts.save(conn, ITEM, [payloads.account(a_raw_account(balance=Decimal("12.3456")))], now=NOON)
        accounts.move_watermark(conn, ACCOUNT, synced_through=NOON, from_day=None)
        data_products.move_watermark(conn, ITEM, "loans", NOON, now=NOON)
    return database


def store(database, name, **values):
    payload = an_event(name, itemId=ITEM, **values)
    with database.begin() as conn:
        inbox.record(conn, events.of_payload(payload), received_at=NOON)


def read(database):
    with database.begin() as conn:
        return sync_state.read(conn, ITEM)


def synced(database, through):
    with database.begin() as conn:
        return item_progress.mark_synced(conn, ITEM, through=through, retry_at=None)


def test_an_item_that_is_not_known_has_no_state(database):
    assert read(database) is None


def test_all_is_read_by_one_statement(known):
    store(known, "transactions/created", accountId=ACCOUNT)

    with counting(known) as counted:
        read(known)

    assert len(counted.statements) == 1


def test_the_item_its_accounts_and_watermarks_are_as_stored(known):
    state = read(known)

    assert state.item.id == ITEM
    (account,) = state.accounts
    assert (account.id, account.balance, account.listed) == (ACCOUNT, Decimal("12.3456"), True)
    assert (account.synced_through, state.watermarks) == (NOON, {"loans": NOON})


def test_events_are_those_that_no_finished_run_covers(known):
    store(known, "transactions/updated", accountId=ACCOUNT, transactionIds=["covered"])
    store(known, "item/updated")
    store(known, "transactions/deleted", accountId=ACCOUNT, transactionIds=["a", "b"])
    at = wire.to_text(LATER)
    store(known, "transactions/created", accountId=ACCOUNT, transactionsCreatedAtFrom=at, transactionsCount=2)
    synced(known, through=1)

    assert list(read(known).events) == [
        TransactionEvent(seq=3, name="transactions/deleted", account_id=ACCOUNT, ids=("a", "b")),
        TransactionEvent(seq=4, name="transactions/created", account_id=ACCOUNT, created_at_from=LATER, count=2),
    ]


def test_events_that_an_incomplete_part_has_missed_are_read_again(known):
    for each in ("before", "missed"):
        store(known, "transactions/updated", accountId=ACCOUNT, transactionIds=[each])
    part = Part("transactions", ACCOUNT)
    kept = Incomplete(part=part, reason=Reason.REFUSED, detail="403", attempts=2, retry_at=LATER, after_seq=1)
    synced(known, through=2)
    with known.begin() as conn:
        incomplete_parts.save(conn, ITEM, [kept], now=NOON)

    state = read(known)

    assert state.incomplete == {part: kept}
    assert [event.ids for event in state.events] == [("missed",)]


@pytest.mark.parametrize(
    "odd",
    [
        {"transactionsCreatedAtFrom": "9999-12-31T23:59:59-03:00"},
        {"transactionsCreatedAtFrom": 12},
        {"transactionsCount": "many"},
    ],
    ids=str,
)
def test_what_cannot_be_read_in_an_event_is_as_if_it_were_not_there(known, odd):
    store(known, "transactions/created", accountId=ACCOUNT)
    with known.begin() as conn:
        conn.exec_driver_sql("UPDATE inbox SET payload = payload || %s::jsonb", (wire.encode(odd).decode(),))

    (event,) = read(known).events

    assert (event.created_at_from, event.count) == (None, None)


def test_requests_and_events_share_one_sequence(known):
    store(known, "item/updated")
    with known.begin() as conn:
        item_progress.request_sync(conn, ITEM, due_at=LATER)
    store(known, "item/updated")

    state = read(known)
    assert (state.sync_requested_seq, state.last_event_seq, state.sync_pending) == (2, 3, True)
    assert not synced(known, through=3)
    assert not read(known).sync_pending


def test_a_request_that_came_after_a_run_began_is_still_pending(known):
    store(known, "item/updated")
    with known.begin() as conn:
        item_progress.request_sync(conn, ITEM, due_at=LATER)

    assert synced(known, through=1)


def finish(database, **values):
    given = {"synced_through": None, "synced_update_at": None, "first_synced_at": None, "told": False, **values}
    with database.begin() as conn:
        return sync_state.finish(conn, ITEM, **given)


def test_watermarks_only_move_forward(known):
    finish(known, synced_through=LATER, synced_update_at=LATER, first_synced_at=NOON)
    finish(known, synced_through=NOON, synced_update_at=NOON, first_synced_at=LATER)
    finish(known)

    state = read(known)
    assert (state.synced_through, state.synced_update_at, state.first_synced_at) == (LATER, LATER, NOON)


def test_the_cursor_is_where_the_product_was_told_last(known):
    def change(to):
        with known.begin() as conn:
            conn.execute(items_table.update().values(change_seq=to))

    change(3)
    assert finish(known) == 0
    assert finish(known, told=True) == 0
    change(7)
    assert finish(known) == 3
    assert finish(known, told=True) == 3
    assert finish(known) == 7
