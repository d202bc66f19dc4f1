"""The connection: exact numbers in JSON, and errors that quote no data."""

from decimal import Decimal

import pytest
import sqlalchemy as sa

from pluggy_sync.store.database import sqlalchemy_url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_the_address_means_the_same_driver(scheme):
    assert sqlalchemy_url(f"{scheme}://u:p@h/db") == "postgresql+psycopg://u:p@h/db"


def test_json_comes_back_with_exact_numbers(database):
    value = {"amount": Decimal("0.1"), "big": Decimal("12345678901234567890.1234")}

    with database.begin() as conn:
        back = conn.scalar(sa.select(sa.cast(sa.literal(value, sa.JSON), sa.dialects.postgresql.JSONB)))

    assert back == value


def test_an_error_does_not_show_the_parameters(database):
    with database.connect() as conn, pytest.raises(sa.exc.DBAPIError) as caught:
        conn.execute(sa.text("SELECT 1 / (length(:secret) - 7)"), {"secret": "hunter2"})

    assert "hunter2" not in str(caught.value)
