"""Rows of two accounts that are one account: which are the same movement."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from pluggy_sync.pluggy.payloads import SAO_PAULO
from pluggy_sync.store import series
from pluggy_sync.store.tables import account_links, transaction_links, transactions

DAY = date(2026, 3, 10)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


@pytest.fixture
def linked(conn):
    conn.execute(
        sa.insert(account_links).values(
            old_account_id="old", new_account_id="new", old_item_id="old-item", new_item_id="new-item"
        )
    )


def put(conn, id_, day, amount, text="PIX", *, status="POSTED", provider_id=None):
    """Store a row; its account is the first word of its id, and *day* counts from DAY."""
    on = DAY + timedelta(days=day)
    account = id_.split()[0]
    conn.execute(
        sa.insert(transactions).values(
            id=id_,
            account_id=account,
            item_id=f"{account}-item",
            date=datetime(on.year, on.month, on.day, tzinfo=SAO_PAULO),
            day=on,
            description=text,
            amount=Decimal(str(amount)),
            status=status,
            provider_id=provider_id,
            raw={},
        )
    )


def pairs(conn):
    return {row.old_id: row.new_id for row in conn.execute(sa.select(transaction_links))}


def test_rows_are_paired_by_the_surest_way_first(conn, linked):
    put(conn, "old a", 0, -10, "COFFEE", provider_id="p1")
    put(conn, "old b", 0, -10, "Coffee   ")
    put(conn, "old c", 0, -10, "TEA")
    put(conn, "new 1", 0, -10, "tea")
    put(conn, "new 2", 0, -10, "bakery", provider_id="p1")
    put(conn, "new 3", 0, -10, "coffee")

    assert series.pair(conn, "new") == 3
    assert pairs(conn) == {"old a": "new 2", "old b": "new 3", "old c": "new 1"}
    assert series.pair(conn, "new") == 0


def test_two_equal_rows_of_a_day_are_two_rows(conn, linked):
    for name in ("old a", "old b", "new 1"):
        put(conn, name, 0, -4.40)

    series.pair(conn, "new")

    assert len(pairs(conn)) == 1
    assert series.kept(conn, "old") == 1


def test_a_row_that_the_connectors_date_a_day_apart_is_one_row_and_two_days_apart_two(conn, linked):
    put(conn, "old a", 0, -10)
    put(conn, "new 1", 1, -10, "other text")
    put(conn, "old b", 4, -20)
    put(conn, "new 2", 3, -20)
    put(conn, "old c", 8, -30)
    put(conn, "new 3", 10, -30)

    series.pair(conn, "new")

    assert pairs(conn) == {"old a": "new 1", "old b": "new 2"}


def test_each_day_keeps_its_own_fare(conn, linked):
    """A row is not taken for the one of the next day that only looks like it."""
    for day in range(5):
        put(conn, f"old {day}", day, -4.40, "BUS")
    for day in range(1, 5):
        put(conn, f"new {day}", day, -4.40, "BUS")

    series.pair(conn, "new")

    assert pairs(conn) == {f"old {day}": f"new {day}" for day in range(1, 5)}


def test_what_is_pending_in_the_old_account_is_no_row_of_its_own(conn, linked):
    put(conn, "old a", 0, -10, status="PENDING")
    put(conn, "old b", 0, -20)
    put(conn, "new 1", 0, -20, status="PENDING")

    series.pair(conn, "new")

    assert pairs(conn) == {"old b": "new 1"}
    assert series.kept(conn, "old") == 0


def test_evidence_counts_rows_of_the_days_that_both_cover(conn):
    for day in range(10):
        put(conn, f"old {day}", day, -day - 1, f"shop {day}")
    for day in range(6, 14):
        put(conn, f"new {day}", day, -day - 1, f"SHOP {day}", provider_id=None)

    found = series.evidence(conn, [("old", "new")])

    assert (found.old, found.new, found.same, found.same_ids) == (4, 4, 4, 0)


def test_accounts_without_a_day_in_common_give_no_evidence(conn):
    put(conn, "old a", 0, -1)
    put(conn, "new 1", 40, -1)

    found = series.evidence(conn, [("old", "new"), ("empty", "new")])

    assert (found.old, found.new, found.same) == (0, 0, 0)
