"""A run's lease: renewed by a heartbeat, checked by every write, lost for good once another run has the Item."""

import dataclasses
import threading
import uuid

import pytest
import sqlalchemy as sa

from pluggy_sync.engine.errors import LeaseLostError
from pluggy_sync.engine.sync.lease import heartbeat, writing
from pluggy_sync.store import item_lease, items
from pluggy_sync.store.tables import items as table
from standalone.polling import eventually

ITEM = "an-item"


@pytest.fixture
def res(resources):
    """Resources whose leases are so short that a heart beats every few milliseconds; no time passes by itself."""
    return dataclasses.replace(resources, settings=dataclasses.replace(resources.settings, sync_lease_s=0.03))


@pytest.fixture
def run_id(res):
    """A run that holds the Item."""
    run_id = uuid.uuid4()
    with res.database.begin() as conn:
        items.lock(conn, ITEM, now=res.now())
        item_lease.acquire(conn, ITEM, run_id, until=res.now())
    return run_id


def lease_until(res):
    with res.database.begin() as conn:
        return conn.scalar(sa.select(table.c.lease_until).where(table.c.id == ITEM))


def take_over(res):
    with res.database.begin() as conn:
        item_lease.acquire(conn, ITEM, uuid.uuid4(), until=res.now())


def test_the_lease_is_renewed_for_as_long_as_the_run_lasts(res, run_id):
    lost = threading.Event()

    with heartbeat(res, ITEM, run_id, lost):
        first = lease_until(res)
        eventually(lambda: lease_until(res) > first, what="a heartbeat")
        second = lease_until(res)
        eventually(lambda: lease_until(res) > second, what="another one")

    assert not lost.is_set()
    assert [each for each in threading.enumerate() if each.name == "heartbeat"] == []


def test_a_run_learns_that_another_one_has_taken_the_item_over(res, run_id):
    lost = threading.Event()

    with heartbeat(res, ITEM, run_id, lost):
        take_over(res)
        until = lease_until(res)
        eventually(lost.is_set, what="the heartbeat notices")

    assert lease_until(res) == until


def test_a_heart_beats_on_when_postgres_was_away_for_a_moment(res, run_id):
    lost = threading.Event()
    failed = threading.Event()

    def fails(*_):
        if threading.current_thread().name == "heartbeat" and not failed.is_set():
            failed.set()
            raise sa.exc.OperationalError("no answer", None, Exception())

    sa.event.listen(res.database, "before_cursor_execute", fails)
    with heartbeat(res, ITEM, run_id, lost):
        eventually(failed.is_set, what="a heartbeat fails")
        after = lease_until(res)
        eventually(lambda: lease_until(res) > after, what="the next one")
    sa.event.remove(res.database, "before_cursor_execute", fails)

    assert not lost.is_set()


def test_a_run_that_holds_its_item_writes_and_renews_its_lease(res, run_id):
    before = lease_until(res)

    with writing(res, ITEM, run_id) as tx:
        tx.conn.execute(sa.update(table).values(client_user_id="written"))

    assert lease_until(res) > before


@pytest.mark.parametrize("how", ["taken over", "deleted"])
def test_a_run_that_has_lost_its_item_cannot_write(res, run_id, how):
    if how == "taken over":
        take_over(res)
    else:
        with res.database.begin() as conn:
            items.purge(conn, ITEM, now=res.now())

    with pytest.raises(LeaseLostError), writing(res, ITEM, run_id):
        raise AssertionError("the block was entered")
