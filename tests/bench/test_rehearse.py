"""The rehearsal: it sees a migration that locks for too long, and finds none among ours."""

import pytest
import sqlalchemy as sa

from bench import rehearse
from bench.growth.history import Size
from pluggy_sync.store.database import create_engine

pytestmark = pytest.mark.slow

SIZE = Size(items=300, transactions=3_000, events=3_000)


@pytest.fixture
def old(postgres):
    """The address of a database as an old version left it."""
    postgres.drop_database("rehearsal")
    url = postgres.create_database("rehearsal")
    engine = create_engine(url)
    rehearse.build(engine, SIZE, revision=rehearse.FROM)
    engine.dispose()
    yield url
    postgres.drop_database("rehearsal")


@pytest.fixture
def count(old):
    engine = create_engine(old)

    def count(table):
        with engine.begin() as conn:
            return conn.scalar(sa.text(f"SELECT count(*) FROM {table}"))

    yield count
    engine.dispose()


def test_an_old_database_is_migrated_while_it_is_used_and_nobody_is_kept_out(old, count):
    transactions, events = count("transactions"), count("inbox")

    found = rehearse.rehearse(old)

    assert found.met, found.locks_s
    assert found.writes_s
    assert count("transactions") == transactions > 0
    assert count("inbox") == events + len(found.writes_s)


def test_a_migration_that_locks_a_table_for_too_long_is_seen(old, monkeypatch):
    def locks(engine):
        with engine.begin() as conn:
            conn.execute(sa.text("LOCK TABLE items IN SHARE MODE"))
            conn.execute(sa.text("SELECT pg_sleep(0.6)"))

    monkeypatch.setattr(rehearse, "migrate", locks)
    monkeypatch.setattr(rehearse, "AT_MOST_S", 0.5)

    found = rehearse.rehearse(old)

    assert not found.met
    assert found.locks_s["items", "ShareLock"] > 0.5
    assert max(found.writes_s) > 0.3
