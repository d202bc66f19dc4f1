"""Health: alive, and ready as long as Postgres answers."""

import dataclasses

import pytest

from pluggy_sync.resources import create_resources
from standalone.servers import running_valkey
from tests.kit.factories import a_settings
from webhook_app.app import create_app


def test_a_process_is_alive_whatever_its_servers_do():
    resources = create_resources(a_settings())

    answer = create_app(a_settings(), resources).test_client().get("/health")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    resources.close()


def test_ready_says_that_both_servers_answer(web):
    answer = web.get("/ready")

    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "postgres": True, "redis": True}


def test_without_redis_webhooks_are_still_taken_so_it_is_ready(settings):
    with running_valkey() as valkey:
        away = dataclasses.replace(settings, redis_url=valkey.url)
        resources = create_resources(away)
        valkey.stop()

        answer = create_app(away, resources).test_client().get("/ready")

    assert answer.status_code == 200
    assert answer.json == {"status": "degraded", "postgres": True, "redis": False}
    resources.close()


@pytest.mark.parametrize("database", ["postgresql://127.0.0.1:1/none", "postgresql:///nowhere?host=/nonexistent"])
def test_without_postgres_it_is_not_ready(shared_valkey, database):
    settings = a_settings(DATABASE_URL=database, REDIS_URL=shared_valkey.url)
    resources = create_resources(settings)

    answer = create_app(settings, resources).test_client().get("/ready")

    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "postgres": False, "redis": True}
    resources.close()


def test_without_postgres_it_is_ready_as_long_as_a_spill_takes_webhooks(shared_valkey, tmp_path):
    away = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": shared_valkey.url}
    (tmp_path / "a-file").touch()
    found = {}
    for folder in (tmp_path / "spill", tmp_path / "a-file"):
        settings = a_settings(**away, SPILL_FOLDER=str(folder))
        resources = create_resources(settings)
        found[folder.name] = create_app(settings, resources).test_client().get("/ready")
        resources.close()

    assert (found["spill"].status_code, found["a-file"].status_code) == (200, 503)
    assert found["spill"].json == {"status": "degraded", "postgres": False, "redis": True}


def test_a_postgres_that_became_read_only_is_not_ready_and_is_left(web, resources):
    # The next connection is the one that is made so.
    resources.database.dispose()
    with resources.database.connect() as conn:
        conn.connection.driver_connection.execute("SET default_transaction_read_only = on")

    first, second = web.get("/ready"), web.get("/ready")

    assert first.status_code == 503
    assert first.json == {"status": "unavailable", "postgres": False, "redis": True, "reason": "Postgres is read-only"}
    assert second.status_code == 200
