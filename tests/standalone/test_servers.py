"""Postgres and Valkey from wheels: what is kept, and what is left behind."""

import os
import socket
import stat

import psutil
import psycopg
import pytest
import redis

from standalone.ports import any_free
from standalone.servers import ServerDidNotStartError, prepare_valkey, running_postgres, running_valkey
from tests.standalone.liveness import is_running

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize("running", [running_valkey, running_postgres])
def test_a_ctrl_c_in_the_terminal_does_not_reach_a_server(running):
    with running() as server:
        # A terminal sends it to the group of the program in the foreground.
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_valkey_with_a_password_lets_nobody_in_without_it(tmp_path):
    valkey = prepare_valkey(tmp_path, port=any_free(), password="sesame")
    valkey.start()
    try:
        with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert valkey.is_running
        assert stat.S_IMODE((tmp_path / "valkey.conf").stat().st_mode) == 0o600
        assert "sesame" not in " ".join(psutil.Process(valkey.pid).cmdline())
    finally:
        valkey.stop()


def test_a_postgres_that_was_killed_starts_again_with_its_rows(data_dir):
    with running_postgres(data_dir / "pg") as server:
        with psycopg.connect(server.url) as conn:
            conn.execute("CREATE TABLE t AS SELECT 7 AS n")

        server.kill()
        server.start()

        with psycopg.connect(server.url) as conn:
            assert conn.execute("SELECT n FROM t").fetchone() == (7,)


def test_a_server_that_does_not_start_says_why(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        valkey = prepare_valkey(tmp_path, port=taken.getsockname()[1])

        with pytest.raises(ServerDidNotStartError, match="Address already in use"):
            valkey.start()


def test_nobody_else_may_look_into_the_folder_of_the_data(data_dir):
    with running_postgres(data_dir / "pg"):
        assert stat.S_IMODE(data_dir.stat().st_mode) & 0o007 == 0
        assert stat.S_IMODE((data_dir / "pg").stat().st_mode) == 0o700


def test_the_log_of_postgres_holds_no_row(data_dir):
    with running_postgres(data_dir / "pg") as server, psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE TABLE t (n int CHECK (n < 5), text text)")
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute("INSERT INTO t VALUES (7, 'planted')")

    log = (data_dir / "pg.log").read_text()
    assert "violates check constraint" in log
    assert "planted" not in log
