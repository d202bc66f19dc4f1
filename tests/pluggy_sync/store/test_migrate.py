"""Migrations: they make the tables that the code believes in, from any state, and only once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import alembic_config, migrate
from pluggy_sync.store.tables import metadata


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


def test_every_migration_can_be_undone(empty):
    migrate(empty)
    config = alembic_config()

    with empty.begin() as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "base")

    assert set(sa.inspect(empty).get_table_names()) <= {"alembic_version"}
