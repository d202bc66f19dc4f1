"""Items are listed page by page, by what they are like."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.rules.freshness import State
from pluggy_sync.store import item_lists, tables
from pluggy_sync.store.item_lists import Filter
from tests.kit.factories import NOON

STATUSES = ["UPDATED", "UPDATED", "OUTDATED", "LOGIN_ERROR", "UPDATED", "LOGIN_ERROR", "UPDATING"]


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        for number, status in enumerate(STATUSES):
            conn.execute(
                sa.insert(tables.items).values(
                    id=f"{number:05}",
                    client_user_id=f"user-{number % 2}",
                    connector_id=number,
                    status=status,
                    last_updated_at=NOON,
                    first_seen_at=NOON,
                )
            )
        yield conn


def listed(conn, *, limit=100, **wanted):
    """Return the ids of every page."""
    pages, after = [], None
    while True:
        page = item_lists.page(conn, after, Filter(**wanted), now=NOON, grace=timedelta(hours=12), limit=limit)
        pages.append([int(each.item.id) for each in page.items])
        after = page.next
        if after is None:
            return pages


@pytest.mark.parametrize(
    "wanted, numbers",
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"status": "UPDATED"}, [0, 1, 4]),
        ({"status": "LOGIN_ERROR"}, [3, 5]),
        ({"freshness": State.FRESH}, [0, 1, 4]),
        ({"freshness": State.SYNCING}, [6]),
        ({"client_user_id": "user-1", "status": "LOGIN_ERROR"}, [3, 5]),
        ({"client_user_id": "user-0"}, [0, 2, 4, 6]),
        ({"connector_id": 2}, [2]),
        ({"connector_id": 2, "status": "UPDATED"}, []),
    ],
)
def test_only_the_items_that_are_wanted_are_listed(conn, wanted, numbers):
    assert listed(conn, **wanted) == [numbers]


def test_pages_hold_each_item_once_and_the_last_one_has_no_next(conn):
    assert listed(conn, limit=2, status="UPDATED") == [[0, 1], [4]]


def test_a_search_that_finds_little_stops_after_a_number_of_items_and_goes_on_with_the_next_page(conn, monkeypatch):
    monkeypatch.setattr(item_lists, "MAX_SCANNED", 4)
    pages = listed(conn, limit=1, freshness=State.FRESH)

    assert [number for page in pages for number in page] == [0, 1, 4]
    assert len(pages) > 3
