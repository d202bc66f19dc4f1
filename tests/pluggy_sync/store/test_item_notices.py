"""Items of which the product is told by the clock: nobody who need not be told is found, and nobody twice."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.store import connectors, item_notices, items, tables
from tests.kit.factories import NOON

DAY = timedelta(days=1)
BANK = 2


@pytest.fixture
def conn(database):
    with database.begin() as conn:
        yield conn


def keep(conn, item_id, **columns):
    """Keep an Item that is well, with *columns*."""
    items.lock(conn, item_id, now=NOON - 60 * DAY)
    well = {"status": "UPDATED", "connector_id": BANK, "last_updated_at": NOON - DAY}
    conn.execute(sa.update(tables.items).where(tables.items.c.id == item_id).values({**well, **columns}))


def take_bank_offline(conn):
    connectors.set_status(conn, BANK, "OFFLINE", now=NOON)


def warned_at(conn, now):
    return item_notices.consents_ending(conn, now=now, limit=10)


def stale(conn, before=NOON):
    return item_notices.perhaps_stale(conn, before=before, limit=10)


def test_a_consent_is_warned_of_at_each_step_once(conn):
    ends_at = NOON + 40 * DAY
    keep(conn, "item", consent_expires_at=ends_at)
    warnings = []
    for day in range(42):
        now = NOON + day * DAY
        if warned_at(conn, now):
            warnings.append(40 - day)
            step = next(step for step in (1, 7, 30) if ends_at - now <= step * DAY)
            item_notices.mark_consent_warned(conn, "item", ends_at, step)

    assert warnings == [30, 7, 1]


def test_a_consent_that_was_renewed_is_warned_of_anew(conn):
    keep(conn, "item", consent_expires_at=NOON + DAY)
    item_notices.mark_consent_warned(conn, "item", NOON + DAY, 1)
    assert warned_at(conn, NOON) == []

    keep(conn, "item", consent_expires_at=NOON + 20 * DAY)

    assert warned_at(conn, NOON) == ["item"]


def test_the_consent_that_ends_first_is_warned_of_first(conn):
    for item_id, days in (("second", 5), ("first", 1), ("third", 20)):
        keep(conn, item_id, consent_expires_at=NOON + days * DAY)

    assert warned_at(conn, NOON) == ["first", "second", "third"]


@pytest.mark.parametrize(
    "columns", [{"consent_expires_at": None}, {"consent_expires_at": NOON}, {"deleted_at": NOON}], ids=str
)
def test_nobody_is_warned_without_a_consent_that_ends_later(conn, columns):
    keep(conn, "item", **{"consent_expires_at": NOON + DAY, **columns})

    assert warned_at(conn, NOON) == []


def test_an_item_past_its_next_update_may_be_stale_until_that_was_told(conn):
    keep(conn, "item", next_auto_sync_at=NOON - timedelta(seconds=1))
    assert stale(conn) == ["item"]

    item_notices.mark_stale_told(conn, "item", NOON - DAY)
    assert stale(conn) == []

    # It was updated once more, and is late again.
    keep(conn, "item", next_auto_sync_at=NOON - timedelta(seconds=1), last_updated_at=NOON - timedelta(hours=1))
    assert stale(conn) == ["item"]


def test_an_item_that_was_never_updated_is_stale_since_it_was_first_named(conn):
    keep(conn, "item", last_updated_at=None)
    assert stale(conn) == ["item"]

    item_notices.mark_stale_told(conn, "item", NOON - 60 * DAY)

    assert stale(conn) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"next_auto_sync_at": NOON},
        {"next_auto_sync_at": None},
        {"status": "UPDATING"},
        {"status": "LOGIN_ERROR"},
        {"deleted_at": NOON},
    ],
    ids=str,
)
def test_an_item_that_is_on_time_or_waits_for_something_else_is_not_stale(conn, columns):
    keep(conn, "item", **{"next_auto_sync_at": NOON - DAY, **columns})

    assert stale(conn) == []


def test_while_the_bank_is_offline_nobody_is_told_of_either(conn):
    keep(conn, "item", consent_expires_at=NOON + DAY, next_auto_sync_at=NOON - DAY)
    assert (warned_at(conn, NOON), stale(conn)) == (["item"], ["item"])

    take_bank_offline(conn)

    assert (warned_at(conn, NOON), stale(conn)) == ([], [])
