"""The lease of an Item: its run alone may write, and a run whose lease was taken over can do nothing more."""

import uuid
from datetime import timedelta

import pytest

from pluggy_sync.store import item_lease, items
from tests.kit.factories import NOON

ITEM = "an-item"
RUN, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
SOON = NOON + timedelta(seconds=30)
LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        items.lock(conn, ITEM, now=NOON)
        yield conn


def lease(conn):
    item = items.get(conn, ITEM)
    return item.run_id, item.lease_until


def test_only_an_item_that_is_known_can_be_locked(conn):
    assert item_lease.lock(conn, ITEM)
    assert not item_lease.lock(conn, "another")


def test_the_run_that_holds_the_item_prolongs_its_lease(conn):
    item_lease.acquire(conn, ITEM, RUN, until=SOON)

    assert item_lease.renew(conn, ITEM, RUN, until=LATER)
    assert lease(conn) == (RUN, LATER)


def test_a_run_whose_lease_was_taken_over_neither_prolongs_nor_releases_it(conn):
    item_lease.acquire(conn, ITEM, RUN, until=SOON)
    item_lease.acquire(conn, ITEM, OTHER, until=LATER)

    assert not item_lease.renew(conn, ITEM, RUN, until=LATER)
    item_lease.release(conn, ITEM, RUN)
    assert lease(conn) == (OTHER, LATER)


def test_a_released_item_is_nobody_s(conn):
    item_lease.acquire(conn, ITEM, RUN, until=SOON)

    item_lease.release(conn, ITEM, RUN)

    assert lease(conn) == (None, None)
    assert not item_lease.renew(conn, ITEM, RUN, until=LATER)


def test_the_lease_of_a_deleted_item_is_not_prolonged(conn):
    items.purge(conn, ITEM, now=NOON)
    item_lease.acquire(conn, ITEM, RUN, until=SOON)

    assert not item_lease.renew(conn, ITEM, RUN, until=LATER)
