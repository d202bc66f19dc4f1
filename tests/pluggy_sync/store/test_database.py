"""The connection: exact numbers in JSON, errors that quote no data, and a bound for whatever Postgres may do."""

import ast
import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from pluggy_sync.resources import create_resources
from pluggy_sync.store import database as connections
from pluggy_sync.store.database import OPERATOR, WEB, WORKER, connect_for, create_engine, run_alone, sqlalchemy_url
from tests.kit.pgbouncer import pooled
from tests.kit.psql import psql
from tests.kit.service import Service
from tests.kit.silent_proxy import silent_proxy
from webhook_app.app import create_app

# On a busy machine too.
PATIENT = dataclasses.replace(WEB, connect_s=60, pool_wait_s=60, statement_s=60, answer_s=60)
QUICK = dataclasses.replace(WEB, connect_s=2, pool_wait_s=0.3, statement_s=0.3, lock_s=0.2, idle_s=0.3, answer_s=1)


@pytest.fixture
def engine_with(database_url):
    made = []

    def engine_with(bounds, url=database_url, **more):
        made.append(create_engine(url, bounds, **more))
        return made[-1]

    yield engine_with
    for each in made:
        each.dispose()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_the_address_means_the_same_driver(scheme):
    assert sqlalchemy_url(f"{scheme}://u:p@h/db") == "postgresql+bounded://u:p@h/db"


@pytest.mark.parametrize("package", ["pluggy_sync", "console", "webhook_app", "workers", "standalone", "chaos"])
def test_every_process_is_told_the_schema_of_the_settings(package):
    """The default is for tests. A process that took it would find no tables where DATABASE_SCHEMA is another."""
    calls = [
        (path.name, node.lineno)
        for path in (Path(__file__).parents[3] / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "create_engine"
        and not any(keyword.arg == "schema" for keyword in node.keywords)
    ]

    assert calls == []


def test_json_comes_back_with_exact_numbers(database):
    value = {"amount": Decimal("0.1"), "big": Decimal("12345678901234567890.1234")}

    with database.begin() as conn:
        back = conn.scalar(sa.select(sa.cast(sa.literal(value, sa.JSON), sa.dialects.postgresql.JSONB)))

    assert back == value


def test_json_that_cannot_be_read_is_marked_so_and_the_row_is_read_all_the_same(database, monkeypatch):
    def refuse(_text):
        raise msgspec.DecodeError

    with database.begin() as conn:
        monkeypatch.setattr(connections.wire, "decode", refuse)
        row = conn.execute(sa.text("""SELECT 1 AS id, '{"a": 1}'::jsonb AS raw""")).one()

    assert row.id == 1
    assert row.raw == {"unreadable": True}


def test_an_error_does_not_show_the_parameters(database):
    with database.connect() as conn, pytest.raises(sa.exc.DBAPIError) as caught:
        conn.execute(sa.text("SELECT 1 / (length(:secret) - 7)"), {"secret": "hunter2"})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("bounds", [WEB, WORKER], ids=["web", "worker"])
def test_each_transaction_has_the_limits_of_its_role_and_our_schema_and_leaves_none_behind(engine_with, bounds):
    engine = engine_with(bounds, pool_size=1, schema="order")
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

    def limits(conn):
        found = conn.execute(sa.text("SELECT name, setting FROM pg_settings WHERE unit = 'ms'")).all()
        return [int(dict(map(tuple, found))[name]) for name in names]

    with engine.begin() as conn:
        within, searched = limits(conn), conn.scalar(sa.text("SHOW search_path"))
    with engine.connect() as conn:
        raw = conn.connection.driver_connection
        after = [raw.execute(f"SHOW {name}").fetchone()[0] for name in (*names, "search_path")]

    assert within == [round(each * 1000) for each in (bounds.statement_s, bounds.lock_s, bounds.idle_s)]
    assert searched == '"order"'
    assert after == ["0", "0", "0", '"$user", public']


ASKED = "SELECT current_setting('search_path'), current_setting('statement_timeout'), current_setting('enable_seqscan')"
GIVEN = [('"order"', "3s", "off")]
BY_INDEX = {"enable_seqscan": "off"}


def test_statements_that_run_alone_have_our_schema_the_limits_and_the_settings_of_their_connection(engine_with):
    with connect_for(engine_with(WEB, schema="order"), WEB, BY_INDEX) as conn:
        found = [run_alone(conn, ASKED, ()) for _ in range(4)]
        kept = run_alone(conn, "SELECT statement FROM pg_prepared_statements", ())
        conn.invalidate()

    assert found == [GIVEN] * 4
    assert kept[0] == (ASKED,)


def test_a_statement_that_runs_alone_behind_a_pooler_brings_its_settings_along_and_leaves_none(
    engine_with, database_url, tmp_path
):
    with pooled(database_url, tmp_path, connections=1) as url:
        with connect_for(engine_with(WEB, url, schema="order"), WEB, BY_INDEX) as conn:
            found = [run_alone(conn, ASKED, ()) for _ in range(4)]
            kept = run_alone(conn, "SELECT statement FROM pg_prepared_statements", ())
            conn.invalidate()
        with psycopg.connect(url, autocommit=True) as another:
            left = another.execute(ASKED).fetchall()

    assert found == [GIVEN] * 4
    assert kept == []
    assert left == [('"$user", public', "0", "on")]


def test_what_an_operator_runs_is_not_limited(engine_with):
    with engine_with(OPERATOR).begin() as conn:
        assert conn.scalar(sa.text("SHOW statement_timeout")) == "0"


@pytest.mark.parametrize(
    "statement, sqlstate",
    [("SELECT pg_sleep(30)", "57014"), ("SELECT * FROM connectors FOR UPDATE", "55P03")],
    ids=["a long statement", "a locked row"],
)
def test_what_takes_too_long_is_ended_by_the_server(engine_with, database_url, statement, sqlstate):
    with psql(database_url) as other:
        other.execute("INSERT INTO connectors (id, updated_at) VALUES (1, now())")
        other.commit()
        other.execute("SELECT * FROM connectors FOR UPDATE")
        began = time.monotonic()

        with pytest.raises(sa.exc.OperationalError) as caught, engine_with(QUICK).begin() as conn:
            conn.execute(sa.text(statement))

    assert caught.value.orig.sqlstate == sqlstate
    assert time.monotonic() - began < 10


def test_a_transaction_that_its_process_left_open_gives_its_locks_back(engine_with, database_url):
    """As after SIGSTOP: the process neither goes on nor ends."""
    engine = engine_with(QUICK)
    with psql(database_url, autocommit=True) as other:
        other.execute("INSERT INTO connectors (id, updated_at) VALUES (1, now())")
        conn = engine.connect()
        conn.execute(sa.text("SELECT * FROM connectors FOR UPDATE"))

        other.execute("SET lock_timeout = '20s'")
        other.execute("DELETE FROM connectors")

    conn.invalidate()
    conn.close()


def test_no_transaction_waits_long_for_a_free_connection(engine_with):
    engine = engine_with(QUICK, pool_size=1)

    with engine.connect(), engine.connect(), pytest.raises(sa.exc.TimeoutError):
        engine.connect()


@pytest.mark.slow
def test_a_server_that_falls_silent_is_left_and_one_that_answers_again_is_used(engine_with, database_url):
    url = urlsplit(database_url)
    (folder,) = parse_qs(url.query)["host"]
    with silent_proxy(path=f"{folder}/.s.PGSQL.5432") as proxy:
        engine = engine_with(QUICK, f"postgresql://{url.username}@127.0.0.1:{proxy.port}{url.path}")
        with engine.connect() as conn:
            assert conn.scalar(sa.text("SELECT 1")) == 1
            proxy.be_silent()
            began = time.monotonic()
            with pytest.raises(sa.exc.OperationalError) as during:
                conn.execute(sa.text("SELECT 1"))
        with pytest.raises(sa.exc.OperationalError), engine.begin():
            pass
        took = time.monotonic() - began
        proxy.speak()

        with engine.begin() as conn:
            assert conn.scalar(sa.text("SELECT 1")) == 1

    assert during.value.connection_invalidated
    assert took < 10


def test_a_server_that_became_read_only_is_left(engine_with, database_url):
    """As a primary is after a failover. A new connection leads to the server that can write."""
    engine = engine_with(WEB, pool_size=2)
    write = sa.text("INSERT INTO connectors (id, updated_at) VALUES (1, now()) ON CONFLICT DO NOTHING")
    with engine.connect() as first, engine.connect() as second:
        for each in (first, second):
            each.connection.driver_connection.execute("SET default_transaction_read_only = on")

    with pytest.raises(sa.exc.DBAPIError) as caught, engine.begin() as conn:
        conn.execute(write)
    with engine.begin() as conn:
        conn.execute(write)
    # The other one in the pool is not tried either.
    with engine.connect() as one, engine.connect() as other:
        assert {each.scalar(sa.text("SHOW transaction_read_only")) for each in (one, other)} == {"off"}

    assert caught.value.connection_invalidated


def test_a_pooler_in_transaction_mode_does_no_harm(engine_with, database_url, tmp_path):
    with pooled(database_url, tmp_path) as url:
        engine = engine_with(PATIENT, url, pool_size=8)

        def work(number):
            with engine.begin() as conn:
                conn.execute(sa.text("CREATE TEMPORARY TABLE seen (number int) ON COMMIT DROP"))
                conn.execute(sa.text("INSERT INTO seen VALUES (:number)"), {"number": number})
                return conn.scalar(sa.text("SELECT number FROM seen")), conn.scalar(sa.text("SHOW lock_timeout"))

        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(work, range(200)))
        engine.dispose()

    assert done == [(number, "1500ms") for number in range(200)]


def test_behind_a_pooler_in_transaction_mode_an_item_is_synced_whole(settings, clock, upstream, tmp_path):
    with pooled(settings.database_url, tmp_path) as url:
        behind = dataclasses.replace(settings, database_url=url)
        resources = dataclasses.replace(create_resources(behind), now=clock)
        service = Service(create_app(behind, resources).test_client(), resources, upstream)
        item_id = upstream.connect(products=None)

        service.catch_up()

        service.assert_mirrors(item_id)
        resources.close()
