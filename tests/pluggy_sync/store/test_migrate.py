"""The migrations make the database that the code expects."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from pluggy_sync.store.tables import metadata


def test_a_migrated_database_is_what_the_tables_say(database):
    with database.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})

        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(postgres):
    url = postgres.create_database("migrated_twice")
    engine = create_engine(url)
    try:
        migrate(engine)
        migrate(engine)

        with engine.connect() as conn:
            assert compare_metadata(MigrationContext.configure(conn), metadata) == []
    finally:
        engine.dispose()
        postgres.drop_database("migrated_twice")
