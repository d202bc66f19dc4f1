"""Each check of Postgres is seen to pass and to fail, on real servers."""

import dataclasses
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from console.checkup import postgres as postgres_checks
from pluggy_sync.engine import watchdog
from pluggy_sync.rules.alerts import Room
from pluggy_sync.settings import DEFAULT_SCHEMA
from pluggy_sync.store import server
from pluggy_sync.store.database import create_engine
from standalone.polling import eventually
from tests.kit.pgbouncer import pooled


@contextmanager
def on(resources, url):
    """Yield the resources with another database."""
    engine = create_engine(url)
    try:
        yield dataclasses.replace(resources, database=engine)
    finally:
        engine.dispose()


@pytest.fixture
def run(postgres):
    """Change the server or the database for the test, and change it back."""
    back = []

    def run(statement, undo=None):
        with _connected(postgres.url) as conn:
            conn.execute(sa.text(statement))
        if undo is not None:
            back.append(undo)

    yield run
    for statement in reversed(back):
        with _connected(postgres.url) as conn:
            conn.execute(sa.text(statement))


@contextmanager
def _connected(url):
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text(f"SET search_path = {DEFAULT_SCHEMA}"))
        yield conn
    engine.dispose()


def test_a_server_as_it_should_be_passes(said, resources):
    for check in (postgres_checks.answers, postgres_checks.schema, postgres_checks.pooler, postgres_checks.autovacuum):
        found = said(check, resources)
        assert {verdict for verdict, _ in found.values()} == {"pass"}, found


def test_a_server_that_does_not_answer_is_a_problem_and_the_other_checks_say_that_they_saw_nothing(said, resources):
    with on(resources, "postgresql://127.0.0.1:1/none") as res:
        assert said(postgres_checks.answers, res)["Postgres"][0] == "problem"
        for check in (postgres_checks.schema, postgres_checks.pooler, postgres_checks.autovacuum, postgres_checks.disk):
            assert said(check, res)["about"][0] == "not seen"


def test_an_old_version_is_a_problem(said, resources, monkeypatch):
    monkeypatch.setattr(postgres_checks, "OLDEST_VERSION", 99)

    assert said(postgres_checks.answers, resources)["Postgres version"][0] == "problem"


def test_a_server_that_is_read_only_is_a_problem(said, resources, run):
    database = resources.database.url.database
    run(
        f"ALTER DATABASE {database} SET default_transaction_read_only = on",
        f"BEGIN READ WRITE; ALTER DATABASE {database} RESET default_transaction_read_only; COMMIT",
    )

    with on(resources, resources.settings.database_url) as res:
        assert said(postgres_checks.answers, res)["Postgres writes"][0] == "problem"


def test_few_connections_left_is_a_heads_up(said, resources, monkeypatch):
    monkeypatch.setattr(postgres_checks, "MOST_CONNECTIONS", 0.0)

    assert said(postgres_checks.answers, resources)["Postgres connections"][0] == "heads-up"


@pytest.mark.parametrize(
    "revision, verdict, detail",
    [("0014", "problem", "at 0014; "), ("9999", "heads-up", "at 9999, which this version does not know")],
)
def test_a_schema_of_another_version_is_said(said, resources, run, revision, verdict, detail):
    with resources.database.connect() as conn:
        newest = server.schema(conn).newest
    run(
        f"UPDATE alembic_version SET version_num = '{revision}'",
        f"UPDATE alembic_version SET version_num = '{newest}'",
    )

    found = said(postgres_checks.schema, resources)["Schema"]

    assert (found[0], found[1].startswith(detail)) == (verdict, True)


def test_an_empty_database_is_a_problem(said, resources, postgres):
    postgres.drop_database("empty_one")
    with on(resources, postgres.create_database("empty_one")) as res:
        found = said(postgres_checks.schema, res)["Schema"]
    postgres.drop_database("empty_one")

    assert found == ("problem", "empty")


@pytest.mark.parametrize(
    "mode, verdict, detail",
    [
        ("transaction", "pass", "a pooler that keeps transactions together"),
        ("session", "pass", "a pooler that keeps transactions together"),
        ("statement", "problem", "statements of one transaction go to different servers"),
    ],
)
def test_a_pooler_is_seen_and_one_that_parts_transactions_is_a_problem(
    said, resources, tmp_path, mode, verdict, detail
):
    with (
        pooled(resources.settings.database_url, tmp_path, mode=mode) as url,
        on(resources, url) as res,
    ):
        assert said(postgres_checks.pooler, res)["Pooler"] == (verdict, detail)


def test_autovacuum_that_is_off_is_a_problem(said, resources, run):
    run("ALTER TABLE inbox SET (autovacuum_enabled = false)", "ALTER TABLE inbox RESET (autovacuum_enabled)")

    assert said(postgres_checks.autovacuum, resources)["Autovacuum"] == ("problem", "switched off for inbox")


def test_autovacuum_that_is_off_for_the_server_is_a_problem(said, resources, run):
    run("ALTER SYSTEM SET autovacuum = off")
    run("SELECT pg_reload_conf()")
    try:
        found = eventually_said(lambda: said(postgres_checks.autovacuum, resources)["Autovacuum"])
    finally:
        run("ALTER SYSTEM RESET autovacuum")
        run("SELECT pg_reload_conf()")

    assert found == ("problem", "switched off")


def eventually_said(ask):
    last = []

    def is_problem():
        last.append(ask())
        return last[-1][0] == "problem"

    eventually(is_problem, what="the server has read its settings")
    return last[-1]


def test_transaction_ids_that_run_out_are_a_problem(said, resources, monkeypatch):
    monkeypatch.setattr(postgres_checks, "MOST_XID_AGE", 0)

    assert said(postgres_checks.autovacuum, resources)["Transaction ids"][0] == "problem"


@pytest.mark.parametrize("free, verdict", [(50, "pass"), (5, "problem")])
def test_a_disk_that_is_nearly_full_is_a_problem(said, resources, monkeypatch, free, verdict):
    gib = 1024**3
    usage = SimpleNamespace(free=free * gib, total=100 * gib)
    monkeypatch.setattr(watchdog.shutil, "disk_usage", lambda _: usage)

    assert said(postgres_checks.disk, resources)["Postgres disk"][0] == verdict
    assert Room(place="postgres", free=free * gib, total=100 * gib).is_low == (verdict == "problem")


def test_a_disk_of_another_machine_is_not_seen(said, resources, monkeypatch):
    monkeypatch.setattr(watchdog.observations, "data_folder", lambda _: "/of/another/machine")

    assert said(postgres_checks.disk, resources)["Postgres disk"][0] == "not seen"
