"""Data products that are re-read as whole lists: each row stands for itself, and a list proves what it can."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.store import data_products, tables, unreadable_rows
from pluggy_sync.store.data_products import BILLS, CONSENTS, IDENTITIES, INVESTMENTS
from tests.kit.factories import NOON
from tests.kit.odd_values import every_odd, with_odd

ITEM, CARD = "an-item", "a-card"


def merge(conn, listed, *rows, now=NOON, parent_id=CARD):
    data_products.merge(conn, listed, ITEM, parent_id, rows, now=now)


def stored(conn, listed):
    return {row.id: row for row in conn.execute(sa.select(listed.table))}


def unreadable(conn):
    return [row.raw for row in unreadable_rows.newest(conn, ITEM, limit=100)]


def a_bill(row_id="a-bill", **changes):
    return {"id": row_id, "dueDate": "2026-03-10T03:00:00.000Z", "totalAmount": Decimal("1.0001"), **changes}


def test_a_row_is_typed_and_kept_as_it_came(database):
    with database.begin() as conn:
        merge(conn, BILLS, a_bill(billClosingDate="2026-03-01", totalAmountCurrencyCode="BRL", new={"deep": [1]}))
        (row,) = stored(conn, BILLS).values()

    assert (row.due_date, row.closing_date) == (date(2026, 3, 10), date(2026, 3, 1))
    assert (row.total_amount, row.minimum_payment_amount, row.currency_code) == (Decimal("1.0001"), None, "BRL")
    assert row.raw == a_bill(billClosingDate="2026-03-01", totalAmountCurrencyCode="BRL", new={"deep": [1]})


def test_the_end_of_a_consent_is_an_instant_and_no_day(database):
    with database.begin() as conn:
        merge(conn, CONSENTS, {"id": "a-consent", "expiresAt": "2026-03-10T00:00:00.000Z"})
        (row,) = stored(conn, CONSENTS).values()

    assert row.expires_at == datetime(2026, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("listed", [BILLS, INVESTMENTS, IDENTITIES, CONSENTS], ids=lambda listed: listed.table.name)
def test_an_odd_field_is_null_in_its_column_and_nothing_else(database, listed):
    """But for the id, which is needed."""
    kinds = {sa.Text: "text", sa.Numeric: 5, sa.Date: "2026-03-10", sa.DateTime: "2026-03-10T12:00:00.000Z"}
    whole = {key: kinds[type(listed.table.c[column].type)] for column, key in listed.keys.items()}
    odd = [
        (path, with_odd({"id": f"row-{number}", **whole}, path, value))
        for number, (path, value) in enumerate(every_odd(whole))
    ]
    with database.begin() as conn:
        merge(conn, listed, {"id": "whole", **whole}, *(wire.decode(row) for _, row in odd))
        rows = stored(conn, listed)

    assert len(rows) == len(odd) + 1
    column_of = {key: column for column, key in listed.keys.items()}
    for path, row in odd:
        raw = wire.decode(row)
        assert rows[raw["id"]].raw == raw
        for key in whole.keys() - {path[0]}:
            assert getattr(rows[raw["id"]], column_of[key]) == getattr(rows["whole"], column_of[key])


@pytest.mark.parametrize(
    "odd", [None, 5, "text", [], {}, {"id": None}, {"id": 5}, {"id": ""}, {"id": "x" * 129}], ids=repr
)
def test_a_row_without_an_id_is_kept_as_it_came_until_the_list_is_whole(database, odd):
    with database.begin() as conn:
        merge(conn, BILLS, a_bill("one"), odd, a_bill("two"), odd)
        assert stored(conn, BILLS).keys() == {"one", "two"}
        assert unreadable(conn) == [odd]

        merge(conn, BILLS, a_bill("one"))
        assert unreadable(conn) == []


def test_a_list_marks_what_it_lacks_unless_a_row_of_it_cannot_be_read(database):
    later = NOON + timedelta(days=1)
    with database.begin() as conn:
        merge(conn, BILLS, a_bill("one"), a_bill("two"))

        merge(conn, BILLS, a_bill("one"), {"id": None}, now=later)
        assert [row.missing_since for row in stored(conn, BILLS).values()] == [None, None]

        merge(conn, BILLS, a_bill("one"), now=later)
        assert {row.id: row.missing_since for row in stored(conn, BILLS).values()} == {"one": None, "two": later}

        merge(conn, BILLS, a_bill("two"), a_bill("one"), now=later)
        assert [row.missing_since for row in stored(conn, BILLS).values()] == [None, None]


@pytest.mark.parametrize("only", [[], [None], [{"id": None}]], ids=str)
def test_a_list_without_a_row_that_can_be_read_changes_no_row(database, only):
    with database.begin() as conn:
        merge(conn, BILLS, a_bill("one"))
        merge(conn, BILLS, *only)

        assert [row.missing_since for row in stored(conn, BILLS).values()] == [None]


def test_of_a_row_that_is_listed_twice_the_later_copy_stands(database, monkeypatch):
    monkeypatch.setattr(data_products, "ROWS_PER_STATEMENT", 2)
    rows = [a_bill(number, totalAmount=amount) for amount in (1, 2) for number in ("one", "two", "three")]
    with database.begin() as conn:
        merge(conn, BILLS, *rows)

        assert {row.total_amount for row in stored(conn, BILLS).values()} == {2}
        assert len(stored(conn, BILLS)) == 3


def test_rows_of_another_card_are_left_alone(database):
    with database.begin() as conn:
        merge(conn, BILLS, a_bill("one"), {"id": None}, parent_id="another-card")
        merge(conn, BILLS, a_bill("two"))

        assert {row.missing_since for row in stored(conn, BILLS).values()} == {None}
        assert unreadable(conn) == [{"id": None}]


def test_a_list_of_any_length_is_kept(database):
    """Postgres takes 65,535 parameters in a statement."""
    with database.begin() as conn:
        data_products.save_categories(conn, [{"id": str(number)} for number in range(12_000)], now=NOON)
        merge(conn, IDENTITIES, *({"id": str(number)} for number in range(12_000)))

        assert conn.scalar(sa.select(sa.func.count()).select_from(tables.categories)) == 12_000
        assert conn.scalar(sa.select(sa.func.count()).select_from(tables.identities)) == 12_000


def test_categories_are_kept_each_once_but_for_those_without_an_id(database):
    food, odd = {"id": "1", "description": "Food"}, {"description": 5}
    with database.begin() as conn:
        data_products.save_categories(conn, [food, odd, {**food, "description": 7}, None], now=NOON)
        rows = conn.execute(sa.select(tables.categories)).all()
        kept = unreadable_rows.newest(conn, unreadable_rows.NO_ITEM, limit=10)

    assert [(row.id, row.description, row.raw) for row in rows] == [("1", "7", {**food, "description": 7})]
    assert [row.raw for row in kept if row.raw is not None] == [odd]
    assert len(kept) == 2
