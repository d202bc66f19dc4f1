"""While Postgres is away: what is acknowledged is in the spill, and enters the inbox once, whatever is killed."""

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from pluggy_sync import spill
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from standalone.polling import eventually
from standalone.servers import running_postgres
from tests.kit.factories import WEBHOOK_SECRET, an_environ, an_event
from tests.kit.psql import psql
from tests.kit.raw_client import raw_clients
from tests.kit.web_server import running_web_process

pytestmark = pytest.mark.slow

HEADERS = {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def migrated():
    with running_postgres() as server:
        engine = create_engine(server.url)
        migrate(engine)
        engine.dispose()
        yield server


@pytest.fixture
def server(migrated):
    """A Postgres that a test may stop and freeze, with nothing in it."""
    if not migrated.is_ready():
        migrated.start()
    with psql(migrated.url, autocommit=True) as conn:
        conn.execute("DELETE FROM inbox")
        conn.execute("DELETE FROM item_progress")
    return migrated


@pytest.fixture
def environ(server, shared_valkey, tmp_path):
    return an_environ(
        DATABASE_URL=server.url, REDIS_URL=shared_valkey.url, SPILL_FOLDER=str(tmp_path / "spill"), SPILL_MAX_MB="8"
    )


@contextlib.contextmanager
def stopped(server):
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextlib.contextmanager
def frozen(server):
    process = psutil.Process(server.pid)
    processes = [process, *process.children(recursive=True)]
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


@contextlib.contextmanager
def read_only(server):
    with psql(server.url, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        conn.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        with psql(server.url, autocommit=True) as conn:
            conn.execute("SET default_transaction_read_only = off")
            conn.execute("ALTER SYSTEM RESET default_transaction_read_only")
            conn.execute("SELECT pg_reload_conf()")


TROUBLES = {"stopped": stopped, "frozen": frozen, "read-only": read_only}


def deliver(address, payloads):
    """Return the status of each, and the longest time that one took; each has a connection of its own."""
    bodies = [json.dumps(each).encode() for each in payloads]
    with raw_clients(address, len(bodies)) as clients:
        began = time.monotonic()
        for client, content in zip(clients, bodies, strict=True):
            client.begin("POST", "/webhooks/pluggy", {**HEADERS, "Content-Length": str(len(content))})
            client.send(content)
        found = [(client.status(), time.monotonic() - began) for client in clients]
    return [status for status, _ in found], max(took for _, took in found)


def deliver_in_order(address, payloads):
    with httpx.Client(base_url=address, headers=HEADERS, trust_env=False, timeout=10) as client:
        return [client.post("/webhooks/pluggy", json=each).status_code for each in payloads]


def stored(server):
    """Return the ids of all events in the inbox, in the order of their numbers."""
    with psql(server.url) as conn:
        return [event_id for (event_id,) in conn.execute("SELECT event_id FROM inbox ORDER BY id")]


def ids(payloads):
    return [each["eventId"] for each in payloads]


def is_empty(environ):
    return spill.waiting(folder_of(environ)).deliveries == 0


def folder_of(environ):
    return Path(environ["SPILL_FOLDER"])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_ails_postgres_every_event_is_taken_in_time_and_enters_the_inbox_once_and_in_order(
    server, environ, tmp_path, trouble
):
    at_once = [an_event(itemId=f"item-{number}") for number in range(40)]
    in_order = [an_event(itemId="item-1") for _ in range(20)]
    with running_web_process(environ, tmp_path) as web:
        assert deliver_in_order(web.address, [an_event(eventId="before")]) == [202]
        with TROUBLES[trouble](server):
            statuses, longest = deliver(web.address, at_once)
            later = deliver_in_order(web.address, in_order)
            waited = spill.waiting(folder_of(environ))
        eventually(lambda: is_empty(environ), what="the spill is drained")

    assert set(statuses) == {202}
    assert longest < 5
    assert set(later) == {202}
    assert waited.deliveries == 60
    assert 0 <= (datetime.now(UTC) - waited.oldest).total_seconds() < 180
    inbox = stored(server)
    assert sorted(inbox) == sorted(["before", *ids(at_once), *ids(in_order)])
    assert [each for each in inbox if each in ids(in_order)] == ids(in_order)


def test_a_process_killed_while_it_spills_loses_nothing_that_it_acknowledged(server, environ, tmp_path):
    acknowledged = []
    with running_web_process(environ, tmp_path) as web, ThreadPoolExecutor(4) as threads, stopped(server):

        def deliver_until_killed(_):
            with contextlib.suppress(httpx.TransportError):
                while True:
                    payload = an_event()
                    if deliver_in_order(web.address, [payload]) == [202]:
                        acknowledged.append(payload["eventId"])

        delivering = [threads.submit(deliver_until_killed, number) for number in range(4)]
        eventually(lambda: len(acknowledged) > 50, what="some are spilled")
        web.kill()
        for each in delivering:
            each.result(timeout=60)
    assert spill.waiting(folder_of(environ)).deliveries >= len(acknowledged)
    assert stored(server) == []

    with running_web_process(environ, tmp_path):
        eventually(lambda: is_empty(environ), what="the file of the dead process is drained")

    inbox = stored(server)
    assert set(acknowledged) <= set(inbox)
    assert len(set(inbox)) == len(inbox)


def test_a_process_killed_while_it_drains_loses_nothing_and_stores_nothing_twice(server, environ, tmp_path):
    payloads = [an_event(itemId=f"item-{number % 7}") for number in range(1200)]
    with running_web_process(environ, tmp_path) as web:
        with stopped(server):
            assert set(deliver_in_order(web.address, payloads)) == {202}
        # Whoever drains waits for this lock with a page in its hands.
        with psql(server.url) as conn:
            eventually(lambda: len(stored(server)) > 0, what="draining has begun")
            conn.execute("LOCK TABLE inbox")
            web.kill()
    killed_at = len(stored(server))

    with running_web_process(environ, tmp_path):
        eventually(lambda: is_empty(environ), what="the rest is drained")

    assert killed_at > 0
    assert stored(server) == ids(payloads)


def test_a_full_spill_takes_no_more_and_all_that_it_took_is_stored(server, environ, tmp_path):
    environ["SPILL_MAX_MB"] = "1"
    payloads = [an_event(note="x" * 30_000) for _ in range(60)]
    with running_web_process(environ, tmp_path) as web:
        with stopped(server):
            statuses = deliver_in_order(web.address, payloads)
        eventually(lambda: is_empty(environ), what="the spill is drained")
        after = deliver_in_order(web.address, [an_event(eventId="after")])

    taken = [each["eventId"] for each, status in zip(payloads, statuses, strict=True) if status == 202]
    assert set(statuses) == {202, 503}
    assert len(taken) > 10
    assert after == [202]
    assert stored(server) == [*taken, "after"]


def test_without_a_spill_it_is_503_as_ever(server, environ, tmp_path):
    del environ["SPILL_FOLDER"]
    with running_web_process(environ, tmp_path) as web, stopped(server):
        statuses, longest = deliver(web.address, [an_event() for _ in range(20)])

    assert set(statuses) == {503}
    assert longest < 5


def test_two_processes_take_a_dead_one_s_file_once(server, environ, tmp_path):
    payloads = [an_event(itemId=f"item-{number % 7}") for number in range(300)]
    with running_web_process(environ, tmp_path) as web, stopped(server):
        assert set(deliver_in_order(web.address, payloads)) == {202}
        web.kill()

    with running_web_process({**environ, "WEB_WORKERS": "2"}, tmp_path):
        eventually(lambda: is_empty(environ), what="one of them drains it")

    assert stored(server) == ids(payloads)


def test_nothing_that_was_delivered_can_be_read_in_the_spill(server, environ, tmp_path):
    secret = "Maria 529.982.247-25"
    with running_web_process(environ, tmp_path) as web, stopped(server):
        assert deliver_in_order(web.address, [an_event(eventId="an-id-of-an-event", note=secret)]) == [202]
        web.kill()

    content = b"".join(each.read_bytes() for each in folder_of(environ).iterdir())
    assert secret.encode() not in content
    assert b"an-id-of-an-event" not in content
