"""Promise 10: a dead process delays, briefly. What a killed or stopped worker was syncing, another one takes up."""

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from pluggy_sync.events import of_payload
from pluggy_sync.store import inbox
from pluggy_sync.store.tables import transactions
from standalone.polling import eventually
from tests.kit.factories import a_settings, an_environ, an_event
from tests.kit.gate import gated
from tests.kit.worker_processes import running_worker

LEASE_S, SWEEP_S = 3, 1


@pytest.fixture
def gate(sandbox):
    """Holds the second page of transactions back, as Pluggy gave it at that time."""
    with gated(sandbox.url, "/v2/transactions", skip=1) as gate:
        yield gate


@pytest.fixture
def environ(settings, gate):
    return an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=gate.url,
        PLUGGY_CLIENT_ID=settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=settings.pluggy_client_secret,
        PLUGGY_TIMEOUT_S="120",
        SYNC_LEASE_S=str(LEASE_S),
        SWEEP_INTERVAL_S=str(SWEEP_S),
    )


@contextmanager
def in_the_middle_of_a_sync(service, upstream, gate, environ, folder):
    """Yield an Item and the worker that syncs it, which has written a page and waits for the next one."""
    item_id = upstream.connect(products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS"])
    # Rows that the bank can take back, in whichever account's page is held.
    for account in upstream.truth(item_id)["accounts"]:
        upstream.evolve(item_id, *["add"] * 3, account_id=account["id"])
    upstream.run(item_id)
    with running_worker(environ, folder) as worker:
        service.deliver(*upstream.take_events())
        eventually(gate.reached.is_set, what="the worker asks for a second page")
        eventually(lambda: service.rows(transactions), what="the first page is written")
        yield item_id, worker


def lease_until(service, item_id):
    """Return until when the Item is held; long ago when it is not."""
    return service.item(item_id).lease_until or datetime.min.replace(tzinfo=UTC)


def outcomes(service):
    return [run.outcome for run in service.runs()]


def test_the_defaults_have_a_dead_workers_item_taken_up_within_45_seconds():
    settings = a_settings()

    assert settings.sync_lease_s + settings.sweep_interval_s <= 40


def test_the_item_of_a_killed_worker_is_taken_up_once_its_lease_has_ended(service, upstream, gate, environ, tmp_path):
    with (
        in_the_middle_of_a_sync(service, upstream, gate, environ, tmp_path) as (item_id, worker),
        running_worker(environ, tmp_path, beat=True),
    ):
        worker.kill()
        killed_at = time.monotonic()
        # What it had taken from Valkey was never acknowledged there; nothing is to depend on that.
        service.res.redis.flushall()

        eventually(lambda: "done" in outcomes(service), what="the other worker finishes the sync")
        took_s = time.monotonic() - killed_at

    assert outcomes(service) == ["abandoned", "done"]
    # 15 s are for a machine that has other things to do.
    assert took_s <= LEASE_S + SWEEP_S + 15
    service.assert_mirrors(item_id)


def test_a_worker_that_waits_longer_than_its_lease_keeps_its_item(service, upstream, gate, environ, tmp_path):
    with (
        in_the_middle_of_a_sync(service, upstream, gate, environ, tmp_path) as (item_id, _),
        running_worker(environ, tmp_path, beat=True),
    ):
        began = lease_until(service, item_id)
        longer = timedelta(seconds=2 * LEASE_S)
        eventually(lambda: lease_until(service, item_id) > began + longer, what="it is renewed on and on")
        # The sweep that finds this event would have the other worker take the Item too, were it free.
        with service.res.database.begin() as conn:
            now = datetime.now(UTC)
            inbox.record(conn, of_payload(an_event("unknown/event", itemId=None)), received_at=now, due_at=now)
        eventually(lambda: {row.state for row in service.events()} == {"handled"}, what="a sweep")
        gate.open.set()
        eventually(lambda: "done" in outcomes(service), what="the first worker finishes the sync")

    assert outcomes(service) == ["done"]
    service.assert_mirrors(item_id)


def test_a_worker_that_was_stopped_and_goes_on_after_it_lost_its_item_writes_nothing_more(
    service, upstream, gate, environ, tmp_path
):
    with in_the_middle_of_a_sync(service, upstream, gate, environ, tmp_path) as (item_id, worker):
        worker.stop()
        # The page that it is about to read shows rows that are gone by now and that nobody else has ever seen.
        upstream.later(days=1)
        held_of = gate.held.query["accountId"]
        gone = upstream.evolve(item_id, *["remove"] * 3, account_id=held_of)["removed"]
        upstream.run(item_id)
        service.deliver(*upstream.take_events())
        with running_worker(environ, tmp_path, beat=True):
            eventually(lambda: "done" in outcomes(service), what="the other worker takes the Item over")
            eventually(lambda: not service.item(item_id).run_id, what="the other worker is done")

            gate.open.set()
            worker.go_on()
            eventually(lambda: worker.count("sync.lease_lost"), what="the first worker notices")

            assert not set(gone) & service.transaction_ids()
            service.assert_mirrors(item_id)

    assert outcomes(service)[0] == "abandoned"
    assert set(outcomes(service)[1:]) == {"done"}
