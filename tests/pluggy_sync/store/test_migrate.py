"""Migrations: they make the tables that the code believes in, from any state, and only once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pluggy_sync.settings import DEFAULT_SCHEMA
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import alembic_config, migrate
from pluggy_sync.store.tables import metadata
from standalone.polling import eventually


@pytest.fixture
def empty(postgres):
    postgres.drop_database("not_migrated")
    engine = create_engine(postgres.create_database("not_migrated"))
    yield engine
    engine.dispose()
    postgres.drop_database("not_migrated")


def test_a_migrated_database_is_what_the_tables_say(empty):
    migrate(empty)

    with empty.connect() as conn:
        options = {"compare_type": True, "compare_server_default": True}
        differences = compare_metadata(MigrationContext.configure(conn, opts=options), metadata)

    assert differences == []


def test_migrating_twice_changes_nothing(empty):
    migrate(empty)
    migrate(empty)

    assert "inbox" in sa.inspect(empty).get_table_names()


def test_processes_that_migrate_at_once_take_turns(empty):
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(migrate, [empty] * 3))

    assert "inbox" in sa.inspect(empty).get_table_names()


def test_a_migration_that_was_interrupted_is_made_again_and_a_broken_index_anew(empty):
    migrate(empty)
    before = ScriptDirectory.from_config(alembic_config()).get_revision("0015").down_revision
    with empty.begin() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = :before"), {"before": before})
        conn.execute(sa.text("INSERT INTO counters VALUES ('kept', 3)"))
        conn.execute(sa.text("DROP INDEX items_deleted_idx"))
        conn.execute(sa.text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'items_status_idx'::regclass"))

    migrate(empty)

    with empty.connect() as conn:
        valid = dict(conn.execute(sa.text("SELECT indexrelid::regclass::text, indisvalid FROM pg_index")).all())
        assert valid["items_deleted_idx"]
        assert valid["items_status_idx"]
        assert conn.scalar(sa.text("SELECT value FROM counters WHERE name = 'kept'")) == 3


def test_an_index_is_made_while_its_table_is_written(empty):
    migrate(empty)
    before = ScriptDirectory.from_config(alembic_config()).get_revision("0015").down_revision
    with empty.begin() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = :before"), {"before": before})
        conn.execute(sa.text("DROP INDEX items_status_idx"))
    add = sa.text("INSERT INTO items (id, first_seen_at) VALUES (:id, now())")
    being_made = sa.text(
        "SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
        "WHERE relname = 'items_status_idx' AND NOT indisvalid"
    )

    with ThreadPoolExecutor(1) as threads, empty.connect() as first, empty.connect() as second:
        first.execute(add, {"id": "before"})
        migrating = threads.submit(migrate, empty)
        # It waits for the transaction that began before it, and keeps nobody waiting meanwhile.
        eventually(lambda: second.scalar(being_made), what="the index is being made")
        second.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
        second.execute(add, {"id": "meanwhile"})
        second.commit()
        assert not migrating.done()
        first.commit()
        migrating.result(timeout=60)


def test_every_migration_can_be_undone(empty):
    migrate(empty)
    config = alembic_config()

    with empty.begin() as conn:
        # The views come after all migrations, and go before them.
        conn.execute(sa.text("DROP SCHEMA mirror CASCADE"))
        config.attributes["connection"] = conn
        command.downgrade(config, "base")

    assert set(sa.inspect(empty).get_table_names()) <= {"alembic_version"}


DAYS = {
    # As it was stored, and the day that it means.
    "2026-03-09T00:00:00Z": date(2026, 3, 9),
    "2026-03-09T03:00:00Z": date(2026, 3, 9),
    "2026-03-09T02:59:59Z": date(2026, 3, 8),
    "2026-03-09T00:00:00.001Z": date(2026, 3, 8),
}


@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo"])
def test_what_was_stored_gets_the_day_that_it_means(empty, zone):
    config = alembic_config()
    with empty.begin() as conn:
        conn.execute(sa.text(f"SET LOCAL TIME ZONE '{zone}'"))
        conn.execute(sa.schema.CreateSchema(DEFAULT_SCHEMA))
        config.attributes["connection"] = conn
        command.upgrade(config, ScriptDirectory.from_config(config).get_revision("0007").down_revision)
        for number, moment in enumerate(DAYS):
            values = {"id": str(number), "date": moment}
            conn.execute(
                sa.text(
                    "INSERT INTO bills (id, item_id, parent_id, due_date, raw, synced_at) "
                    "VALUES (:id, 'i', 'a', :date, '{}', now())"
                ),
                values,
            )
            conn.execute(
                sa.text(
                    "INSERT INTO transactions (id, item_id, account_id, date, day, raw) "
                    "VALUES (:id, 'i', 'a', :date, ((:date)::timestamptz AT TIME ZONE 'America/Sao_Paulo')::date, '{}')"
                ),
                values,
            )

        command.upgrade(config, "0007")

        assert conn.scalars(sa.text("SELECT due_date FROM bills ORDER BY id")).all() == list(DAYS.values())
        assert conn.scalars(sa.text("SELECT day FROM transactions ORDER BY id")).all() == list(DAYS.values())


def test_a_connector_that_stood_for_none_is_none(empty):
    config = alembic_config()
    with empty.begin() as conn:
        conn.execute(sa.schema.CreateSchema(DEFAULT_SCHEMA))
        config.attributes["connection"] = conn
        command.upgrade(config, ScriptDirectory.from_config(config).get_revision("0007").down_revision)
        for number in (-1, 2):
            conn.execute(sa.text(f"INSERT INTO connectors (id, updated_at) VALUES ({number}, now())"))
            conn.execute(
                sa.text(f"INSERT INTO items (id, connector_id, first_seen_at) VALUES ('{number}', {number}, now())")
            )

        command.upgrade(config, "0007")

        assert conn.scalars(sa.text("SELECT connector_id FROM items ORDER BY id")).all() == [None, 2]
        assert conn.scalars(sa.text("SELECT id FROM connectors")).all() == [2]
