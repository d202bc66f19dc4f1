"""How Alembic runs our migrations: on the connection it is handed, in that connection's transaction."""

from alembic import context

from pluggy_sync.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
