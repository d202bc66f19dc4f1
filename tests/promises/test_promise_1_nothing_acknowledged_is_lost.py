"""
Promise 1: a 2xx means that the event is on disk; whatever is killed or emptied then, it is still handled.

How it is while Postgres is away is tested in tests/webhook_app/intake/test_spilling.py.
"""

import contextlib
import dataclasses
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest
import sqlalchemy as sa
from redis import Redis

from pluggy_sync import queue
from pluggy_sync.engine import sweep
from pluggy_sync.engine.sync import run as runs
from pluggy_sync.resources import create_resources
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from pluggy_sync.store.tables import inbox, item_progress, items, sync_runs, transactions
from standalone.polling import eventually
from standalone.servers import running_postgres, running_valkey
from tests.kit.factories import WEBHOOK_SECRET, a_settings, an_environ, an_event
from tests.kit.pluggy import PLUGGY_WAITS_S
from tests.kit.psql import psql
from tests.kit.raw_client import raw_clients
from tests.kit.silent_proxy import silent_proxy
from tests.kit.silent_server import silent_port
from tests.kit.web_server import running_web, running_web_process
from tests.kit.worker_processes import running_worker
from tests.kit.workers import run_message, run_queued, take_messages
from webhook_app.app import create_app

HEADERS = {"X-Webhook-Secret": WEBHOOK_SECRET}


def test_a_worker_killed_in_the_middle_of_a_sync_leaves_nothing_undone(service, upstream, settings, tmp_path):
    item_id = upstream.connect(products=None)
    upstream.fail({"endpoint": "GET /v2/transactions", "do": "slow", "seconds": 3, "skip": 1})
    environ = an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=settings.pluggy_api_url,
        PLUGGY_CLIENT_ID=settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=settings.pluggy_client_secret,
        SYNC_LEASE_S="2",
        SWEEP_INTERVAL_S="1",
    )
    with running_worker(environ, tmp_path) as worker:
        service.deliver(*upstream.take_events())
        eventually(lambda: service.rows(transactions), what="a first page is written")
        worker.kill()
    assert service.runs()[-1].outcome == "running"
    assert service.item(item_id).synced_through is None

    upstream.fail()
    # What it had taken from Valkey was never acknowledged there; only the sweep is to find it again.
    service.res.redis.flushall()
    with running_worker(environ, tmp_path, beat=True):
        eventually(lambda: service.item(item_id).synced_through, what="another worker finishes the sync")

    service.assert_mirrors(item_id)
    assert [run.outcome for run in service.runs()] == ["abandoned", "done"]


def queued(resources):
    return sum(queue.length(resources.redis, name) for name in set(queue.QUEUE_OF_TASK.values()))


def test_redis_emptied_after_the_answer_loses_no_event(service, upstream, resources):
    item_id = upstream.connect()
    events = upstream.take_events()
    service.deliver(*events)
    # An answer does not wait for Redis: the messages may come after it.
    eventually(lambda: queued(resources) == len(events), what="a message of each event")

    resources.redis.flushall()
    assert run_queued(resources) == 0
    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_redis_emptied_after_every_single_step_loses_nothing(service, upstream, resources, clock):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())

    for _ in range(50):
        take_messages(resources)  # lost
        clock.advance(seconds=60)
        sweep.sweep(resources)
        messages = take_messages(resources)
        if not messages:
            break
        for message in messages:
            run_message(resources, message)

    service.assert_mirrors(item_id)


@pytest.mark.parametrize("redis", ["down", "silent"])
def test_without_redis_an_event_is_still_acknowledged_before_pluggy_gives_up(service, upstream, settings, clock, redis):
    with running_valkey() as valkey, silent_port() as silent:
        url = valkey.url if redis == "down" else f"redis://127.0.0.1:{silent}/0"
        valkey.stop()
        away = dataclasses.replace(settings, redis_url=url)
        resources = dataclasses.replace(create_resources(away), now=clock)
        web = create_app(away, resources).test_client()
        item_id = upstream.connect()

        for payload in upstream.take_events()[-2:]:
            started = time.monotonic()
            answer = web.post("/webhooks/pluggy", json=payload, headers=HEADERS)
            assert answer.status_code == 202
            assert time.monotonic() - started < PLUGGY_WAITS_S
        resources.close()

    # Redis is back: the sweep finds what was stored.
    service.work_until_quiet()
    service.assert_mirrors(item_id)


@pytest.mark.parametrize("redis", ["down", "silent", "full", "read-only"])
def test_whatever_ails_redis_eighty_webhooks_at_once_beside_strangers_are_answered_in_time(
    postgres, database_url, tmp_path, redis
):
    with running_valkey() as valkey, silent_proxy(port=valkey.port) as proxy:
        environ = an_environ(DATABASE_URL=database_url, REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        with running_web(environ, tmp_path) as address:
            assert httpx.get(f"{address}/ready", trust_env=False).json()["redis"]
            spoil(valkey, proxy, redis)

            bodies = [json.dumps(an_event()).encode() for _ in range(160)]
            headers = [HEADERS if number % 2 else {"X-Webhook-Secret": "of-a-stranger"} for number in range(160)]
            answers = delivered_at_once(address, bodies, headers)

    assert {status for status, _ in answers[1::2]} == {202}
    assert {status for status, _ in answers[::2]} == {401}
    assert max(took for _, took in answers) < 5


def delivered_at_once(address, bodies, headers):
    """Return status and seconds of each. Little is done here: it would count as time of the service."""
    with raw_clients(address, len(bodies)) as clients:
        began = time.monotonic()
        for client, body, given in zip(clients, bodies, headers, strict=True):
            head = {**given, "Content-Type": "application/json", "Content-Length": str(len(body))}
            client.begin("POST", "/webhooks/pluggy", head)
            client.send(body)
        return [(client.status(), time.monotonic() - began) for client in clients]


def spoil(valkey, proxy, how):
    client = Redis.from_url(valkey.url)
    if how == "down":
        valkey.stop()
    elif how == "silent":
        proxy.be_silent()
    elif how == "full":
        client.config_set("maxmemory", "1")
    else:
        client.replicaof("127.0.0.1", "1")
    client.close()


def test_a_web_process_that_is_killed_under_load_has_stored_all_that_it_acknowledged(
    database_url, shared_valkey, service, tmp_path
):
    environ = an_environ(DATABASE_URL=database_url, REDIS_URL=shared_valkey.url)
    acknowledged = []
    with running_web_process(environ, tmp_path) as web, ThreadPoolExecutor(8) as threads:

        def deliver_until_killed(number):
            with httpx.Client(base_url=web.address, headers=HEADERS, trust_env=False) as client:
                while True:
                    payload = an_event(itemId=f"item-{number % 3}")
                    try:
                        status = client.post("/webhooks/pluggy", json=payload).status_code
                    except httpx.TransportError:
                        return
                    assert status == 202
                    acknowledged.append(payload["eventId"])

        delivering = [threads.submit(deliver_until_killed, number) for number in range(8)]
        eventually(lambda: len(acknowledged) > 100, what="it is under load")
        web.kill()
        for each in delivering:
            each.result(timeout=60)

    stored = [row.event_id for row in service.events()]
    assert set(acknowledged) <= set(stored)
    assert len(set(stored)) == len(stored)
    for row in service.rows(item_progress):
        numbers = [each.item_seq for each in service.events() if each.item_id == row.item_id]
        assert sorted(numbers) == list(range(1, row.last_event_seq + 1))


def test_a_web_process_killed_before_the_commit_has_acknowledged_nothing_and_a_retry_stores_each_once(
    database_url, shared_valkey, service, tmp_path
):
    environ = an_environ(DATABASE_URL=database_url, REDIS_URL=shared_valkey.url)
    payloads = [an_event(itemId="item-1") for _ in range(10)]
    with running_web_process(environ, tmp_path) as web, raw_clients(web.address, 10) as clients:
        with psql(database_url) as conn:
            conn.execute("LOCK TABLE inbox")
            for client, payload in zip(clients, payloads, strict=True):
                body = json.dumps(payload).encode()
                client.begin("POST", "/webhooks/pluggy", {**HEADERS, **JSON, "Content-Length": str(len(body))})
                client.send(body)
            eventually(lambda: waits_for_a_lock(database_url), what="the writer waits")
            web.kill()
        assert [client.status() for client in clients] == [None] * 10

    service.deliver(*payloads)

    assert sorted(row.event_id for row in service.events()) == sorted(each["eventId"] for each in payloads)
    assert service.rows(item_progress)[0].last_event_seq == 10


JSON = {"Content-Type": "application/json"}


def waits_for_a_lock(database_url):
    with psql(database_url) as conn:
        return conn.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]


def test_a_web_process_killed_after_the_answer_and_before_it_queued_the_event_delays_it_only(
    service, upstream, settings, shared_valkey, tmp_path
):
    item_id = upstream.connect()
    with silent_proxy(port=shared_valkey.port) as proxy:
        redis_url = f"redis://127.0.0.1:{proxy.port}/0"
        environ = an_environ(
            DATABASE_URL=settings.database_url, REDIS_URL=redis_url, PLUGGY_CLIENT_ID=settings.pluggy_client_id
        )
        with running_web_process(environ, tmp_path) as web:
            proxy.be_silent()
            for payload in upstream.take_events():
                answer = httpx.post(f"{web.address}/webhooks/pluggy", json=payload, headers=HEADERS, trust_env=False)
                assert answer.status_code == 202
            web.kill()
    assert take_messages(service.res) == []

    service.work_until_quiet()

    service.assert_mirrors(item_id)


def test_a_client_that_left_before_its_answer_delivered_all_the_same(database_url, shared_valkey, service, tmp_path):
    environ = an_environ(DATABASE_URL=database_url, REDIS_URL=shared_valkey.url)
    payloads = [an_event(itemId="item-1") for _ in range(10)]
    with running_web_process(environ, tmp_path) as web:
        with psql(database_url) as conn, raw_clients(web.address, 10) as clients:
            conn.execute("LOCK TABLE inbox")
            for client, payload in zip(clients, payloads, strict=True):
                body = json.dumps(payload).encode()
                client.begin("POST", "/webhooks/pluggy", {**HEADERS, **JSON, "Content-Length": str(len(body))})
                client.send(body)
            eventually(lambda: waits_for_a_lock(database_url), what="the writer waits")
            for client in clients[5:]:
                client.close()
            conn.rollback()
            statuses = [client.status() for client in clients[:5]]
        eventually(lambda: len(service.events()) == 10, what="all are stored")

    assert statuses == [202] * 5


def test_answers_do_not_wait_for_a_redis_that_is_slow(database_url, shared_valkey, service, tmp_path):
    slow_by_s = 0.3
    with silent_proxy(port=shared_valkey.port, slow_by_s=slow_by_s) as proxy:
        environ = an_environ(DATABASE_URL=database_url, REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        with running_web_process(environ, tmp_path) as web, httpx.Client(trust_env=False, headers=HEADERS) as client:
            url = f"{web.address}/webhooks/pluggy"
            assert client.post(url, json=an_event()).status_code == 202
            began = time.monotonic()
            statuses = {client.post(url, json=an_event()).status_code for _ in range(20)}
            took = time.monotonic() - began
            eventually(lambda: service.res.redis.llen("events") == 21, what="all are queued")

    assert statuses == {202}
    assert took < 20 * slow_by_s


@pytest.mark.parametrize("ails", ["away", "frozen", "silent"])
def test_whatever_ails_postgres_it_answers_503_in_time_and_never_401(shared_valkey, tmp_path, ails):
    with running_postgres() as postgres, contextlib.ExitStack() as stack:
        engine = create_engine(postgres.url)
        migrate(engine)
        engine.dispose()
        url = urlsplit(postgres.url)
        (folder,) = parse_qs(url.query)["host"]
        proxy = stack.enter_context(silent_proxy(path=f"{folder}/.s.PGSQL.5432"))
        behind = f"postgresql://{url.username}@127.0.0.1:{proxy.port}{url.path}"
        environ = an_environ(DATABASE_URL=behind, REDIS_URL=shared_valkey.url)
        address = stack.enter_context(running_web(environ, tmp_path))

        (first,) = delivered_at_once(address, [json.dumps(an_event()).encode()], [HEADERS])
        if ails == "away":
            proxy.close()
        elif ails == "silent":
            proxy.be_silent()
        else:
            server = psutil.Process(postgres.pid)
            frozen = [server, *server.children(recursive=True)]
            for each in frozen:
                each.suspend()
            stack.callback(lambda: [each.resume() for each in frozen])
        bodies = [b"{" if number % 10 == 0 else json.dumps(an_event()).encode() for number in range(40)]
        with ThreadPoolExecutor(1) as background:
            under_way = background.submit(delivered_at_once, address, bodies, [HEADERS] * 40)
            health = httpx.get(f"{address}/health", timeout=5, trust_env=False)
            ready = httpx.get(f"{address}/ready", timeout=20, trust_env=False)
            answers = under_way.result()

    assert first[0] == 202
    assert {status for status, _ in answers} == {503}
    assert max(took for _, took in answers) < 5
    assert health.status_code == 200
    assert (ready.status_code, ready.json()["postgres"]) == (503, False)


def test_without_postgres_it_answers_that_pluggy_should_try_again_and_never_that_it_is_a_stranger(shared_valkey):
    with running_postgres() as postgres:
        settings = a_settings(DATABASE_URL=postgres.url, REDIS_URL=shared_valkey.url)
        resources = create_resources(settings)
        with resources.database.connect():
            pass  # the pool holds a connection that will turn out to be dead
    web = create_app(settings, resources).test_client()

    answers = [web.post("/webhooks/pluggy", json=an_event(), headers=HEADERS) for _ in range(3)]
    unparsable = web.post("/webhooks/pluggy", data=b"{", headers={**HEADERS, "Content-Type": "application/json"})
    stranger = web.post("/webhooks/pluggy", json=an_event())

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert unparsable.status_code == 503
    assert stranger.status_code == 401
    resources.close()


def test_an_event_whose_insert_fails_is_not_acknowledged(web, database_url, resources):
    with psql(database_url) as conn:
        conn.execute("ALTER TABLE inbox ADD CONSTRAINT never CHECK (false) NOT VALID")
    try:
        answer = web.post("/webhooks/pluggy", json=an_event(), headers=HEADERS)
    finally:
        with psql(database_url) as conn:
            conn.execute("ALTER TABLE inbox DROP CONSTRAINT never")

    assert answer.status_code == 503
    assert take_messages(resources) == []
    with resources.database.begin() as conn:
        # Nothing of it is left: the count and the event are one transaction.
        assert conn.scalar(sa.select(sa.func.count()).select_from(item_progress)) == 0


def test_an_event_is_not_marked_as_handled_before_its_work_is_committed(service, upstream, resources):
    item_id = upstream.connect()
    events = upstream.take_events()
    upstream.fail({"endpoint": "GET /items/{id}", "do": "status", "status": 503})

    service.deliver(*events)
    service.work()
    assert {row.state for row in service.rows(inbox, inbox.c.name != "item/login_succeeded")} == {"stored"}

    upstream.fail()
    service.work_until_quiet()
    assert {row.state for row in service.events()} == {"handled"}
    service.assert_mirrors(item_id)


def test_a_sync_that_crashed_is_taken_up_when_its_lease_has_ended(service, upstream, resources, clock, monkeypatch):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())
    with monkeypatch.context() as crashing:
        crashing.setattr(runs, "end", lambda *_args, **_more: crash())
        with pytest.raises(CrashError):
            run_queued(resources)
    assert service.item(item_id).synced_through is None

    service.work_until_quiet()

    service.assert_mirrors(item_id)
    assert [row.outcome for row in service.rows(sync_runs)].count("done") == 1
    assert service.rows(items)[0].run_id is None


class CrashError(BaseException):
    """The process dies here."""


def crash():
    raise CrashError
