"""Postgres and Valkey from wheels: what is kept, and what is left behind."""

import os
import signal

import psycopg
import pytest
import redis

from standalone.servers import running_postgres, running_valkey
from tests.standalone.liveness import is_running


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        yield server


def test_a_database_made_from_a_template_holds_the_templates_rows(postgres):
    template = postgres.create_database("a_template")
    with psycopg.connect(template) as conn:
        conn.execute("CREATE TABLE t AS SELECT 7 AS n")

    copy = postgres.create_database("a_copy", template="a_template")

    with psycopg.connect(copy) as conn:
        assert conn.execute("SELECT n FROM t").fetchone() == (7,)


def test_a_database_is_dropped_though_somebody_is_connected(postgres):
    url = postgres.create_database("in_use")
    conn = psycopg.connect(url)

    postgres.drop_database("in_use")

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    conn.close()


def test_postgres_keeps_its_rows_over_a_restart_and_leaves_no_process(data_dir):
    with running_postgres(data_dir / "pg") as first, psycopg.connect(first.url) as conn:
        conn.execute("CREATE TABLE t AS SELECT 7 AS n")

    with running_postgres(data_dir / "pg") as second, psycopg.connect(second.url) as conn:
        assert conn.execute("SELECT n FROM t").fetchone() == (7,)

    assert not is_running(first.pid)
    assert not is_running(second.pid)


def test_valkey_with_a_folder_keeps_its_keys_over_a_restart(tmp_path):
    with running_valkey(tmp_path) as first, redis.Redis.from_url(first.url) as client:
        client.set("k", "v")

    with running_valkey(tmp_path) as second, redis.Redis.from_url(second.url) as client:
        assert client.get("k") == b"v"


def test_valkey_without_a_folder_comes_back_empty_on_the_same_port():
    with running_valkey() as valkey, redis.Redis.from_url(valkey.url) as client:
        client.set("k", "v")
        pid, url = valkey.pid, valkey.url

        valkey.kill()
        assert not is_running(pid)
        valkey.start()

        assert valkey.url == url
        assert client.get("k") is None


def test_valkey_may_be_down_when_it_is_left():
    with running_valkey() as valkey:
        valkey.stop()

    assert not valkey.is_running


def test_valkey_does_not_mind_the_ctrl_c_that_its_owner_gets():
    with running_valkey() as valkey, redis.Redis.from_url(valkey.url) as client:
        os.kill(valkey.pid, signal.SIGINT)

        # It shuts down within a tenth of a second, if it does; then this breaks off.
        assert client.blpop(["nothing"], timeout=0.5) is None
