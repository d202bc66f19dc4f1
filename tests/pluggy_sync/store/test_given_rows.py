"""Rows that a statement is given as one parameter arrive as they are, in the types of their columns."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pluggy_sync import wire
from pluggy_sync.store.given_rows import as_parameter, given
from tests.kit.factories import NOON

# "order" is a word of SQL.
COLUMNS = [
    sa.Column("id", sa.Text),
    sa.Column("order", sa.Numeric),
    sa.Column("day", sa.Date),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("raw", JSONB),
]
NOTHING = dict.fromkeys([column.name for column in COLUMNS])


def arrived(database, rows):
    with database.connect() as conn:
        found = conn.execute(sa.select(given(COLUMNS)), {"rows": as_parameter(rows)})
        return [dict(row) for row in found.mappings()]


@pytest.mark.parametrize(
    "values",
    [
        {"id": "Ação \"à vista\" \\ 'x'; {},\n\t😀\ufffd"},
        {"order": Decimal("-1234.5600")},
        {"order": Decimal("9" * wire.DIGITS + "." + "1" * wire.DIGITS)},
        {"order": Decimal("1E-40")},
        {"day": date(2, 1, 2)},
        {"day": date(9998, 12, 30)},
        {"at": wire.EARLIEST},
        {"at": wire.LATEST},
        {"at": NOON + timedelta(microseconds=1)},
        {"raw": {"a": [1, None, {"b": Decimal("0.10")}], "big": 10**4000, "text": 'null, "quoted" \\'}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_value_arrives_as_it_was_given(database, values):
    (row,) = arrived(database, [NOTHING | values])

    assert row == NOTHING | values


def test_a_number_keeps_its_zeros(database):
    (row,) = arrived(database, [NOTHING | {"order": Decimal("10.00")}])

    assert str(row["order"]) == "10.00"


def test_rows_arrive_in_any_number(database):
    rows = [NOTHING | {"id": str(number)} for number in range(1000)]

    assert arrived(database, []) == []
    assert arrived(database, rows) == rows


def test_an_instant_arrives_in_utc_whatever_its_zone_was(database):
    (row,) = arrived(database, [NOTHING | {"at": datetime.fromisoformat("2026-03-09T09:00:00-03:00")}])

    assert row["at"] == datetime(2026, 3, 9, 12, tzinfo=UTC)
