"""Promise 1: a 2xx means that the event is committed; whatever is killed or emptied then, it is still handled."""

import dataclasses
import time

import psycopg
import pytest
import sqlalchemy as sa

from pluggy_sync.engine import sweep
from pluggy_sync.engine.sync import run as runs
from pluggy_sync.resources import create_resources
from pluggy_sync.store.tables import inbox, item_progress, items, sync_runs, transactions
from standalone.servers import running_postgres, running_valkey
from tests.kit.conditions import eventually
from tests.kit.factories import WEBHOOK_SECRET, a_settings, an_environ, an_event
from tests.kit.quiet_logs import silent_port
from tests.kit.worker_processes import running_worker
from tests.kit.workers import run_message, run_queued, take_messages
from webhook_app.app import create_app

HEADERS = {"X-Webhook-Secret": WEBHOOK_SECRET}


def test_a_worker_killed_in_the_middle_of_a_sync_leaves_nothing_undone(service, upstream, settings, tmp_path):
    item_id = upstream.connect()
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
        eventually(lambda: service.rows(transactions), within_s=20, what="a first page is written")
        worker.kill()
    assert service.runs()[-1].outcome == "running"
    assert service.item(item_id).synced_through is None

    upstream.fail()
    # What it had taken from Valkey was never acknowledged there; only the sweep is to find it again.
    service.res.redis.flushall()
    with running_worker(environ, tmp_path, beat=True):
        eventually(lambda: service.item(item_id).synced_through, within_s=60, what="another worker finishes the sync")

    service.assert_mirrors(item_id)
    assert [run.outcome for run in service.runs()] == ["abandoned", "done"]


def test_redis_emptied_after_the_answer_loses_no_event(service, upstream, resources):
    item_id = upstream.connect()
    service.deliver(*upstream.take_events())

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
def test_without_redis_an_event_is_still_acknowledged_within_about_a_second(service, upstream, settings, clock, redis):
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
            assert time.monotonic() - started < 1.8
        resources.close()

    # Redis is back: the sweep finds what was stored.
    service.work_until_quiet()
    service.assert_mirrors(item_id)


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
    with psycopg.connect(database_url) as conn:
        conn.execute("ALTER TABLE inbox ADD CONSTRAINT never CHECK (false) NOT VALID")
    try:
        answer = web.post("/webhooks/pluggy", json=an_event(), headers=HEADERS)
    finally:
        with psycopg.connect(database_url) as conn:
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
