"""Counting stops where it is told to."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from pluggy_sync.store.bounded_counts import count_rows
from pluggy_sync.store.tables import connectors

NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("at_most, expected", [(1, 1), (3, 3), (4, 3)])
def test_rows_are_counted_as_far_as_wanted_and_no_further(database, at_most, expected):
    with database.begin() as conn:
        conn.execute(sa.insert(connectors), [{"id": id_, "status": "ONLINE", "updated_at": NOW} for id_ in (1, 2, 3)])

        assert count_rows(conn, connectors, at_most=at_most) == expected
        assert count_rows(conn, connectors, connectors.c.id == 2, at_most=at_most) == 1
